"""Scores of seqeval on random tags, well-formed or not: seqeval_scores.json.

    pip install seqeval==1.2.2
    python tests/golden/scripts/seqeval_scores.py

Each case has a scheme, gold and predicted tags of some sentences, and the counts of entities (gold, predicted,
correct) and precision, recall and F1 in percent, in strict mode and, where it knows the scheme's prefixes, in the
default one. IOE1 is left out: seqeval says of itself that it does not read all of it.
"""

import json
import random
from pathlib import Path

from seqeval import scheme as schemes
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

OUT = Path(__file__).parent.parent / "seqeval_scores.json"
PREFIXES = {"IOB1": "IB", "IOB2": "IB", "IOE2": "IE", "IOBES": "IBES", "BILOU": "BILU"}


def tags_of(rng, prefixes, n):
    """Tags of which neighbours often have one label."""
    tags, label = [], "PER"
    for _ in range(n):
        if rng.random() < 0.3:
            label = rng.choice(["PER", "LOC"])
        tags.append("O" if rng.random() < 0.25 else f"{rng.choice(prefixes)}-{label}")
    return tags


def mistaken(rng, prefixes, tags):
    """The same tags with some drawn again."""
    return [tags_of(rng, prefixes, 1)[0] if rng.random() < 0.2 else tag for tag in tags]


def counts(gold, predicted):
    return [len(gold), len(predicted), len(gold & predicted)]


def ratios(gold, predicted, **options):
    with_options = [f(gold, predicted, zero_division=0, **options) for f in (precision_score, recall_score, f1_score)]
    return [100.0 * value for value in with_options]


def strict(gold, predicted, scheme):
    def found(texts):
        entities = schemes.Entities(texts, scheme=scheme).entities
        return {entity.to_tuple() for text in entities for entity in text}

    numbers = ratios(gold, predicted, mode="strict", scheme=scheme)
    return {"counts": counts(found(gold), found(predicted)), "ratios": numbers}


def default(gold, predicted):
    numbers = ratios(gold, predicted)
    return {"counts": counts(set(get_entities(gold)), set(get_entities(predicted))), "ratios": numbers}


def main():
    rng, cases = random.Random(0), []
    for name, prefixes in PREFIXES.items():
        for _ in range(12):
            gold = [tags_of(rng, prefixes, rng.randint(1, 9)) for _ in range(rng.randint(1, 4))]
            predicted = [mistaken(rng, prefixes, tags) for tags in gold]
            case = {"scheme": name.lower(), "gold": [" ".join(t) for t in gold], "predicted": [" ".join(t) for t in predicted]}
            case["strict"] = strict(gold, predicted, getattr(schemes, name))
            case["default"] = None if name == "BILOU" else default(gold, predicted)
            cases.append(case)
    lines = ",\n".join(json.dumps(case) for case in cases)
    OUT.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()

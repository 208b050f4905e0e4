"""The authors' weights as a run folder: `*.model.h5` of ZovanZhou/SMVAE, BERT included, for smvae eval, predict, inspect.

    python convert_authors_weights.py FILE.model.h5 --bert DIR --labels O,PER,LOC,ORG,MISC --out RUN
    python convert_authors_weights.py FILE.model.h5 --bert DIR --guess-labels DATA --out RUN [--smvae PROGRAM]

--bert is the folder their program began with, such as uncased_L-12_H-768_A-12: the number of attention heads
(bert_config.json) and the pieces (vocab.txt) are not in the file. Nor is the order of the labels, which depended on their
draw of tweets. With --guess-labels the model tags the dev split of the corpus in DATA, every assignment of its types to the
classes is scored, and the best one is taken; origin.json says by how much it was the best.

--preset is that of their script, twitter2017 if not given. --image-features FILE ties the run to these image vectors;
without it, `smvae eval` needs --trust-images.

The decoders of the two VAEs were never saved: the folder can predict, and cannot be trained further.

Needs h5py, numpy and safetensors; written with 3.16, 2.4 and 0.8.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

import files
import keras_names
from files import fail

CLASSIFIER = ("model.classifier.weight", "model.classifier.bias")
LAYER_NORM_EPS = 1e-14
"""keras-bert's, whatever bert_config.json says; so is its GELU, which is the tanh form."""


def main():
    args = parse()
    if (args.out / "config.json").exists():
        fail(f"{args.out} holds a run already: choose another folder, or remove it first")
    model = Model(args)
    if args.labels:
        labels, how = args.labels.split(","), "given"
        if len(set(labels)) != model.n_classes or len(labels) != model.n_classes or "O" not in labels:
            fail(f"--labels must be {model.n_classes} different names, O among them; got {args.labels}")
    else:
        labels, how = guess_labels(model, args)
    model.write(args.out, *o_first(model, labels), how)
    print(f"{args.out}: their classes are {', '.join(labels)} ({how})", file=sys.stderr)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE.model.h5")
    parser.add_argument("--bert", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    order = parser.add_mutually_exclusive_group(required=True)
    order.add_argument("--labels", metavar="NAMES", help="in the order of their program, with commas between")
    order.add_argument("--guess-labels", type=Path, metavar="DATA", help="a corpus folder; its dev split is used")
    parser.add_argument("--preset", choices=["twitter2015", "twitter2017"], default="twitter2017")
    parser.add_argument("--image-features", type=Path, metavar="FILE")
    parser.add_argument("--smvae", default="smvae", metavar="PROGRAM", help="used by --guess-labels")
    return parser.parse_args()


class Model:
    """What the file and the folder of their BERT hold, in our names."""

    def __init__(self, args):
        self.args = args
        self.weights = read_weights(args.file)
        self.bert = files.read_json(args.bert / "bert_config.json")
        self.pieces = files.read_pieces(args.bert / "vocab.txt")
        self.n_classes = len(self.weights["model.classifier.bias"])
        rows = len(self.weights["encoder.embeddings.word_embeddings.weight"])
        if len(self.pieces) != rows:
            fail(f"{args.bert}/vocab.txt has {len(self.pieces)} pieces, {args.file} has vectors of {rows}")

    def write(self, folder, names, classifier, how):
        """Writes a run folder; config.json last, since it is what makes it a run."""
        latent, hidden = self.weights["model.text_expert.mu.weight"].shape
        _, width = self.weights["model.image_expert.hidden.weight"].shape
        images = self.args.image_features
        folder.mkdir(parents=True, exist_ok=True)
        files.write_tensors(folder / "weights.safetensors", self.weights | classifier)
        files.write_json(folder / "labels.json", names)
        files.write_json(folder / "encoder.json", encoder(self.bert, self.weights))
        files.write_json(folder / "tokenizer.json", tokenizer(self.pieces))
        files.write_json(folder / "images.json", {
            "width": width,
            "source": str(images.absolute()) if images else None,
            "sha256": files.sha256(images) if images else "not known",
            "standardisation": None,
        })
        files.write_json(folder / "origin.json", {
            "program": "ZovanZhou/SMVAE",
            "file": self.args.file.name,
            "sha256": files.sha256(self.args.file),
            "labels": how,
        })
        # Fields that are not here are the preset's.
        sizes = {"hidden_dim": hidden, "latent_dim": latent, "image_dim": width}
        files.write_json(folder / "config.json", {"format_version": 1, "preset": self.args.preset, "model": sizes})


def read_weights(path):
    """The arrays of an HDF5 file of Keras, in the order of its `layer_names` and `weight_names`."""
    text = lambda name: name.decode() if isinstance(name, bytes) else name
    try:
        with h5py.File(path) as file:
            groups = [(text(layer), file[text(layer)]) for layer in file.attrs["layer_names"]]
            layers = [
                (layer, [(text(name), group[name][()]) for name in group.attrs["weight_names"]])
                for layer, group in groups
            ]
        return keras_names.convert(layers)
    except (OSError, KeyError, keras_names.UnknownName) as error:
        fail(f"{path} does not hold weights of the authors' program: {error}")


def o_first(model, labels):
    """Class names with O first, and the classifier's rows in their order."""
    rows = sorted(range(len(labels)), key=lambda i: labels[i] != "O")
    return [labels[i] for i in rows], {name: model.weights[name][rows] for name in CLASSIFIER}


def guess_labels(model, args):
    """The order of labels with the best F1 on dev, and a sentence on how good it is."""
    outside = guess_outside(model, args)
    labels = [f"class {i}" for i in range(model.n_classes)]
    labels[outside] = "O"
    tweets = tag(model, args, *o_first(model, labels))
    scores = rank([t for t in labels if t != "O"], tweets)
    (best, names), (next_best, _) = scores[0], (scores + [(0.0, None)])[1]
    how = f"guessed on dev: F1 {best:.2f}, that of the next order {next_best:.2f}"
    return [names.get(label, label) for label in labels], how


def guess_outside(model, args):
    """Which class is O. With a class in its place that no span can be of, every span is found to be something, and most
    of what is found is O."""
    never = {
        CLASSIFIER[0]: np.pad(model.weights[CLASSIFIER[0]], ((1, 0), (0, 0))),
        CLASSIFIER[1]: np.pad(model.weights[CLASSIFIER[1]], (1, 0), constant_values=-1e9),
    }
    names = ["O"] + [str(i) for i in range(model.n_classes)]
    counts = Counter(e["type"] for tweet in tag(model, args, names, never) for e in tweet["entities"])
    if not counts:
        fail(f"nothing was found in the dev split of {args.guess_labels}: has it no tweets?")
    return int(counts.most_common(1)[0][0])


def tag(model, args, names, classifier):
    """What smvae finds in dev, a tweet a line."""
    with tempfile.TemporaryDirectory() as folder:
        run, found = Path(folder) / "run", Path(folder) / "found.jsonl"
        model.write(run, names, classifier, "not known")
        images = ["--image-features", args.image_features, "--trust-images"] if args.image_features else ["--no-images"]
        command = [args.smvae, "eval", "--model", run, "--data", args.guess_labels, "--split", "valid"]
        try:
            # What it has to say about scores under stand-in names is of no use to anybody.
            done = subprocess.run([*command, "--predictions", found, *images], capture_output=True, text=True)
        except OSError as error:
            fail(f"--guess-labels needs the program {args.smvae} (--smvae names another): {error}")
        if done.returncode != 0:
            fail(f"{args.smvae} eval failed on the dev split of {args.guess_labels}:\n{done.stderr.rstrip()}")
        return [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]


def rank(classes, tweets):
    """(F1, {class: type}) of every assignment of the types of dev to the classes, the best first."""
    types = sorted({e["type"] for tweet in tweets for e in tweet["gold"]})
    if len(types) < len(classes):
        fail(f"dev has {len(types)} types, too few for {len(classes)} classes")
    matches, n_found, n_gold = Counter(), 0, 0
    for tweet in tweets:
        gold = {(e["start"], e["end"]): e["type"] for e in tweet["gold"]}
        n_gold, n_found = n_gold + len(gold), n_found + len(tweet["entities"])
        matches.update((e["type"], gold.get((e["start"], e["end"]))) for e in tweet["entities"])
    scores = []
    for chosen in itertools.permutations(types, len(classes)):
        correct = sum(matches[pair] for pair in zip(classes, chosen))
        scores.append((200 * correct / max(n_found + n_gold, 1), dict(zip(classes, chosen))))
    return sorted(scores, key=lambda score: -score[0])


def encoder(bert, weights):
    """encoder.json: their BERT as keras-bert computes it."""
    names = ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_dropout_prob",
             "attention_probs_dropout_prob"]  # fmt: skip
    rows = lambda table: len(weights[f"encoder.embeddings.{table}_embeddings.weight"])
    return {
        "model_type": "bert",
        "vocab_size": rows("word"),
        "max_position_embeddings": rows("position"),
        "type_vocab_size": rows("token_type"),
        "hidden_act": "gelu_new",
        "layer_norm_eps": LAYER_NORM_EPS,
    } | {name: bert[name] for name in names}


def tokenizer(pieces):
    """tokenizer.json of an uncased BERT."""
    special = [piece for piece in ("[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]") if piece in pieces]
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(({"id": pieces.index(s), "content": s} | added for s in special), key=lambda t: t["id"]),
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},  # fmt: skip
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {piece: i for i, piece in enumerate(pieces)}},  # fmt: skip
    }


if __name__ == "__main__":
    main()

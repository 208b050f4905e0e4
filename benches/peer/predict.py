"""Prediction with both sides, from a file of JSON lines to another; predict.sh runs this.

    python predict.py posts --corpus FILE --n N --posts FILE      the posts of a corpus as text, repeated
    python predict.py ours  --smvae PROGRAM --model RUN ...       `smvae predict`, [--precision f32|int8]
    python predict.py peer  --model ENCODER [--sorted] ...        Hugging Face's pipeline("token-classification")
    python predict.py table --results FILE                        medians and ratios of the lines both print

The peer is what the pipeline's documentation shows: `aggregation_strategy="simple"`, a list of texts, `batch_size=16`.
Its head is untrained and says O everywhere, so that no entity has to be made, which costs it least. `--sorted` gives
it the posts by length, with less padding: a remedy that its users have to know. Its time begins when PyTorch is
imported and the model is loaded; ours is that of the whole command.
"""

import argparse
import itertools
import json
import resource
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

BATCH = 16
LABELS = ["O", *(f"{b}-{label}" for label in ("PER", "LOC", "ORG", "MISC") for b in "BI")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["posts", "ours", "peer", "table"])
    for name in ("--corpus", "--posts", "--smvae", "--model", "--output", "--results"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--n", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sorted", action="store_true")
    parser.add_argument("--precision", default="f32")
    args = parser.parse_args()
    if args.command == "posts":
        write_posts(args.corpus, args.n, args.posts)
    elif args.command == "table":
        print_table(args.results)
    else:
        seconds, kib = (ours if args.command == "ours" else peer)(args)
        n = sum(1 for _ in open(args.output))
        assert n == sum(1 for _ in open(args.posts)), f"{n} answers"
        side = f"ours, {args.precision}" if args.command == "ours" else f"peer, {'sorted' if args.sorted else 'as they come'}"
        line = {"side": side, "posts": n, "threads": args.threads, "seconds": seconds, "peak_mib": kib / 1024}
        print(json.dumps(line), flush=True)


def ours(args):
    begin = time.perf_counter()
    command = [args.smvae, "predict", "--model", args.model, "--threads", str(args.threads)]
    command += ["--precision", args.precision]
    subprocess.run([*command, "--input", args.posts, "--output", args.output], check=True)
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def peer(args):
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, logging, pipeline, set_seed

    # The head is untrained, and meant to be.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    set_seed(0)
    labels = dict(enumerate(LABELS))
    model = AutoModelForTokenClassification.from_pretrained(args.model, id2label=labels, dtype=torch.float32)
    model.classifier.bias.data[0] = 100.0
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    find = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple", device="cpu")
    begin = time.perf_counter()
    posts = [json.loads(line) for line in open(args.posts, encoding="utf-8")]
    order = range(len(posts))
    if args.sorted:
        order = sorted(order, key=lambda i: len(posts[i]["text"]))
    found = find([posts[i]["text"] for i in order], batch_size=BATCH)
    for i, entities in zip(order, found):
        posts[i]["entities"] = [{**entity, "score": float(entity["score"])} for entity in entities]
    with open(args.output, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(post) + "\n" for post in posts)
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def write_posts(corpus, n, path):
    """Words with single spaces between them, an id for each post."""
    blocks = corpus.read_text(encoding="utf-8").strip("\n").split("\n\n")
    # Only a tab ends a word: one word of the corpora is U+00A0.
    texts = [" ".join(line.split("\t")[0] for line in block.split("\n")[1:]) for block in blocks]
    with open(path, "w", encoding="utf-8") as out:
        for i, text in enumerate(itertools.islice(itertools.cycle(texts), n)):
            out.write(json.dumps({"id": i, "text": text}, ensure_ascii=False) + "\n")


def print_table(results):
    sides = defaultdict(list)
    for line in open(results):
        row = json.loads(line)
        sides[row["side"]].append(row)
    own = [side for side in sides if side.startswith("ours")]
    print(f"{'':20} {'posts/s':>8} {'peak MiB':>9}" + "".join(f"   {side} is (spread)" for side in own))
    for side, rows in sides.items():
        cells = [f"{side:20} {median(r['posts'] / r['seconds'] for r in rows):8.1f} {median(r['peak_mib'] for r in rows):9.0f}"]
        for ours in own:
            ratios = [b["seconds"] / a["seconds"] for a, b in zip(sides[ours], rows)]
            cells.append(f"{median(ratios):6.2f} x ({min(ratios):.2f}-{max(ratios):.2f})")
        print("   ".join(cells), f"  {len(rows)} rounds, {rows[0]['posts']} posts, {rows[0]['threads']} threads")


if __name__ == "__main__":
    main()

"""Prediction with both sides, from a file of JSON lines to another; predict.sh runs this.

    python predict.py posts --corpus FILE --n N --posts FILE      the posts of a corpus as text, repeated
    python predict.py ours  --smvae PROGRAM --model RUN ...       `smvae predict`, [--precision f32|int8]
    python predict.py peer  --model ENCODER [--sorted] ...        Hugging Face's pipeline("token-classification")
    python predict.py export --model ENCODER --work DIR           the network of `onnx`, [--precision f32|int8]
    python predict.py onnx  --model ENCODER --work DIR ...        a loop around ONNX Runtime, [--precision f32|int8]
    python predict.py table --results FILE                        medians and ratios of the lines both print

The peer is what the pipeline's documentation shows: `aggregation_strategy="simple"`, a list of texts, `batch_size=16`.
Its head is untrained and says O everywhere, so that no entity has to be made, which costs it least. `--sorted` gives
it the posts by length, with less padding: a remedy that its users have to know. `onnx` is what somebody writes who wants
speed: the same network exported, its weights in int8 a channel (rows as they come), posts by length, `tokenizers`, and a
loop over batches. The time of both begins when libraries are imported and the model is loaded; ours is that of the whole
command.
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
    parser.add_argument("command", choices=["posts", "export", "ours", "peer", "onnx", "table"])
    for name in ("--corpus", "--posts", "--smvae", "--model", "--output", "--results", "--work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--n", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sorted", action="store_true")
    parser.add_argument("--precision", default="f32")
    args = parser.parse_args()
    if args.command == "posts":
        write_posts(args.corpus, args.n, args.posts)
    elif args.command == "export":
        token_classifier(args)
    elif args.command == "table":
        print_table(args.results)
    else:
        seconds, kib = {"ours": ours, "peer": peer, "onnx": onnx}[args.command](args)
        n = sum(1 for _ in open(args.output))
        assert n == sum(1 for _ in open(args.posts)), f"{n} answers"
        peers = {"peer": "sorted" if args.sorted else "as they come", "onnx": f"ONNX Runtime, {args.precision}"}
        side = f"ours, {args.precision}" if args.command == "ours" else f"peer, {peers[args.command]}"
        line = {"side": side, "posts": n, "threads": args.threads, "seconds": seconds, "peak_mib": kib / 1024}
        print(json.dumps(line), flush=True)


def ours(args):
    begin = time.perf_counter()
    command = [args.smvae, "predict", "--model", args.model, "--threads", str(args.threads)]
    command += ["--precision", args.precision]
    subprocess.run([*command, "--input", args.posts, "--output", args.output], check=True)
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def onnx(args):
    import onnxruntime
    from tokenizers import Tokenizer

    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = args.threads
    path = token_classifier(args)
    session = onnxruntime.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    begin = time.perf_counter()
    posts = [json.loads(line) for line in open(args.posts, encoding="utf-8")]
    order = sorted(range(len(posts)), key=lambda i: len(posts[i]["text"]))
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        encoded = tokenizer.encode_batch([posts[i]["text"] for i in batch])
        ids, mask = ([getattr(e, name) for e in encoded] for name in ("ids", "attention_mask"))
        (logits,) = session.run(None, {"ids": ids, "mask": mask})
        for i, post, found in zip(batch, encoded, logits):
            posts[i]["entities"] = entities(posts[i]["text"], post, found)
    with open(args.output, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(post) + "\n" for post in posts)
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def entities(text, post, logits):
    """Runs of pieces with one label; the head says O, so that there is none to make."""
    found = []
    for (start, end), label, is_special in zip(post.offsets, logits.argmax(-1).tolist(), post.special_tokens_mask):
        if is_special or label == 0:
            continue
        name = LABELS[label][2:]
        if found and found[-1]["label"] == name and LABELS[label].startswith("I"):
            found[-1] |= {"end": end, "text": text[found[-1]["start"] : end]}
        else:
            found.append({"start": start, "end": end, "text": text[start:end], "label": name})
    return found


def token_classifier(args):
    """The peer's network as a file for ONNX Runtime, made once."""
    path = args.work / f"token-classifier-{args.precision}.onnx"
    plain = args.work / "token-classifier-f32.onnx"
    if not plain.exists():
        import torch
        from transformers import AutoModelForTokenClassification

        model = AutoModelForTokenClassification.from_pretrained(args.model, num_labels=len(LABELS), dtype=torch.float32)
        model.classifier.bias.data[0] = 100.0

        class Logits(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, ids, mask):
                return self.model(input_ids=ids, attention_mask=mask).logits

        free = {0: "posts", 1: "pieces"}
        example = torch.ones((2, 9), dtype=torch.int64)
        torch.onnx.export(Logits().eval(), (example, example), plain, input_names=["ids", "mask"], output_names=["logits"],
                          dynamic_axes={"ids": free, "mask": free, "logits": free}, opset_version=17, dynamo=False)
    if not path.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False)
    return path


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
    print(f"{'':24} {'posts/s':>8} {'peak MiB':>9}" + "".join(f"   {side} is (spread)" for side in own))
    for side, rows in sides.items():
        cells = [f"{side:24} {median(r['posts'] / r['seconds'] for r in rows):8.1f} {median(r['peak_mib'] for r in rows):9.0f}"]
        for ours in own:
            ratios = [b["seconds"] / a["seconds"] for a, b in zip(sides[ours], rows)]
            cells.append(f"{median(ratios):6.2f} x ({min(ratios):.2f}-{max(ratios):.2f})")
        print("   ".join(cells), f"  {len(rows)} rounds, {rows[0]['posts']} posts, {rows[0]['threads']} threads")


if __name__ == "__main__":
    main()

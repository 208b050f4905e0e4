"""The PyTorch side of the comparison: training steps and evaluation on real tweets, a JSON line each.

    python peer.py train    --run DIR --shared DIR [--steps N] [--semi] [--sorted] [--scoring concat|factorised]
                              [--precision f32|bf16]
    python peer.py evaluate --run DIR --shared DIR [--scoring ...]      Twitter2017 test, words to entities
    python peer.py --check  --run DIR --shared DIR --ours BINARY        one step's loss on both sides

The run folder is what `peer_ours prepare` made: weights, sizes, tokenizer, labels. What is timed is what ours.rs says.
AdamW is PyTorch's fused one, with the decay, clipping and rates of smvae's default configuration.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from model import Smvae, step_loss
from tweets import Corpus

RATES = (5e-5, 1e-3)
"""Tweets of an evaluation batch: about as many pieces as one of smvae's."""
EVALUATION_BATCH = 32
"""Relative difference that --check allows: f32, sums in another order."""
TOLERANCE = 1e-4


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", nargs="?", choices=["train", "evaluate"])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--run", required=True)
    parser.add_argument("--shared", default="../shared")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda, which multiplies in TF32")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--semi", action="store_true")
    parser.add_argument("--sorted", action="store_true")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16 is autocast's")
    parser.add_argument("--scoring", choices=["concat", "factorised"], default="concat")
    parser.add_argument("--ours", help="path of peer_ours, for --check")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.device != "cpu" and not args.check:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    if args.check:
        sys.exit(check(args))
    if args.command is None:
        parser.error("a command is missing")
    print(json.dumps((train if args.command == "train" else evaluate)(args)), flush=True)


def build(args, dropout=0.1):
    corpus = Corpus(args.run, args.shared)
    model = Smvae(corpus.bert, corpus.config["model"], len(corpus.labels), dropout, args.scoring)
    model.load(load_file(Path(args.run) / "weights.safetensors"))
    return corpus, model.to(args.device)


def optimizer(model, config):
    """Two rates; no decay on biases and layer norms, the parameters of one dimension."""
    groups = []
    for rate, inside in zip(RATES, (True, False)):
        chosen = [p for name, p in model.named_parameters() if name.startswith("encoder.") == inside]
        groups.append({"params": [p for p in chosen if p.ndim > 1], "lr": rate})
        groups.append({"params": [p for p in chosen if p.ndim == 1], "lr": rate, "weight_decay": 0.0})
    betas = (config["beta1"], config["beta2"])
    return torch.optim.AdamW(groups, betas=betas, eps=config["eps"], weight_decay=config["weight_decay"], fused=True)


def autocast(args):
    return torch.autocast(torch.device(args.device).type, dtype=torch.bfloat16, enabled=args.precision == "bf16")


def train(args):
    base = memory("VmRSS:")
    corpus, model = build(args)
    steps = corpus.steps(args.steps, args.semi, args.sorted)
    steps = [[batch and batch.to(args.device) for batch in step] for step in steps]
    adam = optimizer(model, corpus.config["optimizer"])
    parameters = list(model.parameters())
    model.train()

    def noise(batch, _):
        rows, latent = len(batch.first), model.latent
        return [torch.randn(n, latent, device=args.device) for n in (rows, rows, len(batch.ids))]

    def take(labelled, unlabelled):
        with autocast(args):
            loss, *_ = step_loss(model, corpus.config["objective"], labelled, unlabelled, noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, corpus.config["optimizer"]["clip_norm"])
        adam.step()
        adam.zero_grad(set_to_none=True)
        return loss.item()

    for step in (steps * 2)[:2]:
        take(*step)
    seconds, loss = [], 0.0
    for step in steps:
        start = time.perf_counter()
        loss = take(*step)
        seconds.append(time.perf_counter() - start)
    batches = [batch for step in steps for batch in step if batch is not None]
    tweets = sum(len(batch.ids) for batch in batches)
    return {
        **common(args, "semi" if args.semi else "supervised", base),
        "tweets": tweets,
        "spans": sum(len(batch.first) for batch in batches),
        "tweets_per_s": tweets / sum(seconds),
        "step_s": seconds,
        "loss": loss,
        "parameters": sum(p.numel() for p in parameters),
        "peak_mib": memory("VmHWM:"),
    }


def evaluate(args):
    base = memory("VmRSS:")
    corpus, model = build(args)
    model.eval()
    samples = corpus.samples("test")
    with autocast(args):
        score(corpus, model, samples[:64], args.device)
        start = time.perf_counter()
        gold, predicted, correct = score(corpus, model, samples, args.device)
    seconds = time.perf_counter() - start
    args.sorted = True
    return {
        **common(args, "evaluate", base),
        "tweets": len(samples),
        "tweets_per_s": len(samples) / seconds,
        "gold": gold,
        "predicted": predicted,
        "correct": correct,
        "peak_mib": memory("VmHWM:"),
    }


@torch.inference_mode()
def score(corpus, model, samples, device):
    """Numbers of gold, predicted and correct entities; batches sorted by length."""
    counts = [0, 0, 0]
    tweets = sorted(corpus.tweets(samples), key=lambda tweet: -len(tweet.ids))
    for i in range(0, len(tweets), EVALUATION_BATCH):
        # The words of 2017 are all kept, so that spans of words are spans of the tweet.
        chosen = tweets[i : i + EVALUATION_BATCH]
        batch = corpus.batch(chosen).to(device)
        p, classes = model.score(batch)[-1].softmax(-1).max(-1)
        rows = classes.nonzero().squeeze(1)
        rows = rows[p[rows].argsort(descending=True, stable=True)]
        found = [[] for _ in chosen]
        offsets = [0]
        for tweet in chosen:
            offsets.append(offsets[-1] + len(tweet.spans))
        for row, text, kind in zip(rows.tolist(), batch.text[rows].tolist(), classes[rows].tolist()):
            a, b, _ = chosen[text].spans[row - offsets[text]]
            if all(b <= start or end <= a for start, end, _ in found[text]):
                found[text].append((a, b, corpus.labels[kind]))
        for tweet, entities in zip(chosen, found):
            counts[0] += len(tweet.entities)
            counts[1] += len(entities)
            counts[2] += len(tweet.entities.intersection(entities))
    return counts


def check(args):
    """Both sides' first step without dropout and with noise that needs no generator; 0 if they agree."""
    corpus, model = build(args, dropout=0.0)
    failed = False
    for semi in (False, True):
        command = [args.ours, "check", "--run", args.run, "--shared", args.shared, "--steps", "1", "--device", args.device]
        output = subprocess.run(command + ["--semi"] * semi, check=True, capture_output=True, text=True).stdout
        ours = json.loads(output)
        for scoring in ("concat", "factorised"):
            model.scoring = scoring
            theirs = check_step(corpus, model, semi)
            for name, value in theirs.items():
                other = ours[name] if not isinstance(name, tuple) else ours[name[0]][name[1]]
                difference = abs(value - other) / max(abs(value), 1e-9)
                failed |= not difference <= TOLERANCE
                label = name if isinstance(name, str) else ".".join(name)
                print(f"{'semi' if semi else 'supervised':10} {scoring:10} {label:20} peer {value:12.6f}  ours {other:12.6f}"
                      f"  {difference:.1e}{'' if difference <= TOLERANCE else '  DIFFERS'}")
    return int(failed)


def check_step(corpus, model, semi):
    device = next(model.parameters()).device
    labelled, unlabelled = [batch and batch.to(device) for batch in corpus.steps(1, semi, False)[0]]
    model.zero_grad(set_to_none=True)
    loss, ce, terms, u_terms = step_loss(model, corpus.config["objective"], labelled, unlabelled, wave_noise(model))
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(unshared(model), 1.0)
    names = ("mse_text", "mse_image", "kl_text", "kl_image", "kl_fused")
    report = {"loss": loss, "ce": ce, "grad_norm": norm}
    report |= {("labelled", name): term.mean() for name, term in zip(names, terms)}
    if u_terms is not None:
        report |= {("unlabelled", name): term.mean() for name, term in zip(names, u_terms)}
    return {name: value.item() for name, value in report.items()}


def unshared(model):
    """All parameters but nn.LSTM's second bias, which smvae has not."""
    return [p for name, p in model.named_parameters() if "bias_hh" not in name]


def wave_noise(model):
    def noise(batch, stream):
        def wave(rows, k):
            i, j = torch.arange(rows, dtype=torch.float64), torch.arange(model.latent, dtype=torch.float64)
            return (0.7 * i.unsqueeze(1) + 1.3 * j + k).cos().float().to(batch.ids.device)

        rows = len(batch.first)
        return wave(rows, stream), wave(rows, stream + 1), wave(len(batch.ids), stream + 2)

    return noise


def common(args, work, base):
    variant = ("sorted" if args.sorted else "shuffled") + (", factorised" if args.scoring == "factorised" else "")
    return {"side": "peer", "work": work, "variant": variant, "precision": args.precision, "device": args.device,
            "threads": args.threads, "base_mib": base}


def memory(field):
    """Resident memory now (VmRSS:) or at most (VmHWM:), in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()

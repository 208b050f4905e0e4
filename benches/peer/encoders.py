"""What other engines reach with the text encoder alone, which is less work than ours: a JSON line.

    python encoders.py --run DIR --shared DIR --engine torch|onnxruntime|openvino --precision f32|bf16|int8 [--threads N]

The run folder is that of `peer_ours prepare`. The tweets of Twitter2017's test split are tokenised beforehand and come in
batches of 16, sorted by length. torch takes f32 and bf16 (autocast), onnxruntime f32 and int8 (weights a channel, rows as
they come), openvino f32 and bf16. Models go to DIR/encoder-NAME.onnx. Needs onnx, onnxruntime and openvino beside the peer's.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from model import Smvae
from peer import memory
from tweets import BATCH, Corpus

PRECISIONS = {"torch": ["f32", "bf16"], "onnxruntime": ["f32", "int8"], "openvino": ["f32", "bf16"]}


class LastHidden(torch.nn.Module):
    """An encoder as an export takes it."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, ids, mask):
        return self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--shared", default="../shared")
    parser.add_argument("--engine", choices=PRECISIONS, required=True)
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.precision not in PRECISIONS[args.engine]:
        parser.error(f"{args.engine} is measured in {' and '.join(PRECISIONS[args.engine])}")
    torch.set_num_threads(args.threads)
    base = memory("VmRSS:")
    corpus = Corpus(args.run, args.shared)
    model = Smvae(corpus.bert, corpus.config["model"], len(corpus.labels), 0.0, "concat")
    model.load(load_file(Path(args.run) / "weights.safetensors"))
    encoder = LastHidden(model.encoder).eval()
    tweets = sorted(corpus.tweets(corpus.samples("test")), key=lambda tweet: -len(tweet.ids))
    batches = [corpus.batch(tweets[i : i + BATCH]) for i in range(0, len(tweets), BATCH)]
    inputs = [(batch.ids, batch.mask) for batch in batches]
    run = {"torch": in_torch, "onnxruntime": in_onnxruntime, "openvino": in_openvino}[args.engine](args, encoder, inputs)
    # The longest and the shortest, so that nothing is made while the clock runs.
    for ends in (inputs[0], inputs[-1]):
        run(*ends)
    start = time.perf_counter()
    for of_batch in inputs:
        run(*of_batch)
    seconds = time.perf_counter() - start
    line = {"side": "peer", "work": "evaluate", "variant": f"encoder, {args.engine}", "precision": args.precision}
    line |= {"device": "cpu", "threads": args.threads, "tweets": len(tweets), "tweets_per_s": len(tweets) / seconds}
    print(json.dumps({**line, "base_mib": base, "peak_mib": memory("VmHWM:")}), flush=True)


def in_torch(args, encoder, inputs):
    def run(ids, mask):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            return encoder(ids, mask)

    return run


def exported(args, encoder, inputs):
    path = Path(args.run) / "encoder-f32.onnx"
    if not path.exists():
        free = {0: "tweets", 1: "pieces"}
        axes = {"ids": free, "mask": free, "hidden": free}
        torch.onnx.export(encoder, inputs[0], path, input_names=["ids", "mask"], output_names=["hidden"],
                          dynamic_axes=axes, opset_version=17, dynamo=False)
    return path


def in_onnxruntime(args, encoder, inputs):
    import onnxruntime

    path = exported(args, encoder, inputs)
    if args.precision == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        plain, path = path, path.with_name("encoder-int8.onnx")
        if not path.exists():
            quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})


def in_openvino(args, encoder, inputs):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": args.precision, "INFERENCE_NUM_THREADS": args.threads}
    model = core.compile_model(core.read_model(exported(args, encoder, inputs)), "CPU", settings)
    request = model.create_infer_request()
    return lambda ids, mask: request.infer({"ids": ids.numpy(), "mask": mask.numpy()})


if __name__ == "__main__":
    main()

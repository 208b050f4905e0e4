"""A BERT of Google's release (bert_model.ckpt, bert_config.json, vocab.txt) as a folder for `smvae train --text-encoder`.

    python convert_bert_checkpoint.py uncased_L-12_H-768_A-12 --out bert-base-uncased [--cased]

The folder is in Hugging Face's format, so that transformers reads it too. Pooler, heads of pretraining and optimizer are
left out. TensorFlow is not needed: tensor_bundle.py reads the checkpoint. Needs numpy and safetensors; written with 2.4
and 0.8.
"""

import argparse
import re
from pathlib import Path

import files
import tensor_bundle
from files import fail

LEFT_OUT = re.compile(r"^(bert/pooler|cls)/|/?(adam_m|adam_v)$|^global_step$")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", default="bert_model.ckpt", help="of the checkpoint in the folder")
    parser.add_argument("--cased", action="store_true", help="the vocabulary has capitals")
    args = parser.parse_args()
    try:
        variables = tensor_bundle.read(args.folder / args.name)
    except (OSError, tensor_bundle.BadCheckpoint) as error:
        fail(f"{args.folder / args.name} is no checkpoint of TensorFlow: {error}")
    kept = {name: array for name, array in variables.items() if not LEFT_OUT.search(name)}
    tensors = {hugging_face(name): array.T if name.endswith("/kernel") else array for name, array in kept.items()}
    config = files.read_json(args.folder / "bert_config.json")
    pieces = files.read_pieces(args.folder / "vocab.txt")
    if len(pieces) != config["vocab_size"]:
        fail(f"{args.folder}: vocab.txt has {len(pieces)} pieces, bert_config.json {config['vocab_size']}")

    args.out.mkdir(parents=True, exist_ok=True)
    files.write_tensors(args.out / "model.safetensors", tensors)
    files.write(args.out / "vocab.txt", lambda to: to.write_bytes((args.folder / "vocab.txt").read_bytes()))
    files.write_json(args.out / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": not args.cased})
    files.write_json(args.out / "config.json", {"model_type": "bert", "layer_norm_eps": 1e-12} | config)


def hugging_face(name):
    """`bert/encoder/layer_3/output/dense/kernel` is `encoder.layer.3.output.dense.weight`."""
    name = re.sub(r"/layer_(\d+)/", r"/layer/\1/", name.removeprefix("bert/"))
    name = re.sub(r"(_embeddings|/kernel|/gamma)$", lambda m: m[1] + "/weight" if m[1] == "_embeddings" else "/weight", name)
    return re.sub(r"/beta$", "/bias", name).replace("/", ".")


if __name__ == "__main__":
    main()

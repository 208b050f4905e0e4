"""Makes a text encoder of BERT-base's size out of a smaller one: its tokenizer, and weights that are all 0.

    encoder.py FROM TO     two model folders; does nothing if TO is there

For counting what a GPU's driver is asked for, where no weight matters.
"""

import json
import re
import shutil
import struct
import sys
from pathlib import Path

SIZES = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}


def main():
    source, target = map(Path, sys.argv[1:])
    if target.exists():
        return
    config = json.loads((source / "config.json").read_text())
    wider = {config[name]: SIZES[name] for name in ["hidden_size", "intermediate_size"]}
    with open(source / "model.safetensors", "rb") as weights:
        (length,) = struct.unpack("<Q", weights.read(8))
        header = json.loads(weights.read(length))
    header.pop("__metadata__", None)
    shapes = {}
    for name, tensor in header.items():
        shape = [wider.get(size, size) for size in tensor["shape"]]
        first = re.search(r"\blayer\.0\.", name)
        layers = range(SIZES["num_hidden_layers"]) if first else []
        shapes.update({re.sub(r"\blayer\.0\.", f"layer.{i}.", name): shape for i in layers})
        if not re.search(r"\blayer\.\d+\.", name):
            shapes[name] = shape
    at, made = 0, {}
    for name, shape in shapes.items():
        size = 4
        for n in shape:
            size *= n
        made[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(made).encode()
    header += b" " * (-len(header) % 8)

    folder = target.with_name(target.name + ".new")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    (folder / "config.json").write_text(json.dumps(config | SIZES))
    with open(folder / "model.safetensors", "wb") as weights:
        weights.write(struct.pack("<Q", len(header)) + header)
        # A hole in the file, which takes no room and reads as zeros.
        weights.truncate(8 + len(header) + at)
    folder.rename(target)


main()

"""Files of run and model folders: written to a temporary name and renamed. Used by the scripts beside it."""

import hashlib
import json
import os
import sys

import numpy as np
from safetensors.numpy import save


def fail(message):
    sys.exit(f"error: {message}")


def write(path, save):
    """Lets `save` write to a temporary path, which then becomes `path`."""
    temporary = path.with_name(path.name + ".partial")
    save(temporary)
    os.replace(temporary, path)


def write_json(path, value):
    write(path, lambda to: to.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"))


def write_tensors(path, tensors):
    # safetensors takes the memory as it lies, whatever the strides.
    tensors = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in tensors.items()}
    write(path, lambda to: to.write_bytes(save(tensors)))


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"cannot read {path}: {error}")


def read_pieces(path):
    """A vocabulary, a piece a line. Only line ends are cut: pieces may be Unicode spaces."""
    try:
        return path.read_bytes().decode().removesuffix("\n").replace("\r\n", "\n").split("\n")
    except (OSError, ValueError) as error:
        fail(f"cannot read {path}: {error}")


def sha256(path):
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        fail(f"cannot read {path}: {error}")
    return digest.hexdigest()

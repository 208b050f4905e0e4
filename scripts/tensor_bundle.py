"""A reader of TensorFlow checkpoints (`NAME.index` and `NAME.data-00000-of-00001`) without TensorFlow.

The index is a table of LevelDB whose values are protocol buffers: `BundleEntryProto` {1: dtype, 2: shape {2: {1: size}},
3: shard, 4: offset, 5: size}. Numbers are little-endian. What it does not do: compressed tables, slices of variables,
checksums.
"""

import functools
import math
import struct

import numpy as np

MAGIC = 0xDB4775248B80FB57
FLOAT32 = 1
SLICES = 7


class BadCheckpoint(Exception):
    """A file that is no checkpoint, or of a kind that is not read here."""


def read(prefix):
    """All f32 variables by name; others (the step's number) are left out."""
    with open(f"{prefix}.index", "rb") as file:
        values = entries(file.read())
    # The value without a name is about the files: {1: number of shards}.
    n_shards = number(fields(values.pop("", b"")), 1, 1)
    shard = functools.cache(lambda i: np.memmap(f"{prefix}.data-{i:05}-of-{n_shards:05}", np.uint8, "r"))
    tensors = {}
    for name, entry in ((name, fields(value)) for name, value in values.items()):
        if SLICES in entry:
            raise BadCheckpoint(f"{name} is stored in slices")
        if number(entry, 1) != FLOAT32:
            continue
        shape = [number(fields(dim), 1) for dim in fields(entry.get(2, [b""])[0]).get(2, [])]
        offset, size = number(entry, 4), number(entry, 5)
        data = shard(number(entry, 3))[offset : offset + size]
        if len(data) != size or size != 4 * math.prod(shape):
            raise BadCheckpoint(f"{name} of shape {shape} has {len(data)} bytes: the file is cut short or damaged")
        tensors[name] = np.frombuffer(data.tobytes(), "<f4").reshape(shape)
    return tensors


def entries(index):
    try:
        return dict(table(index))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise BadCheckpoint(f"the index is damaged ({error})") from None


def table(data):
    """Keys and values of a LevelDB table: a footer, a block that lists blocks, blocks of pairs."""
    if len(data) < 48 or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise BadCheckpoint("the index is no table of LevelDB")
    # Place and size of a block that is not needed, and of the one that lists the others.
    _, _, offset, size = varints(data[-48:], 4)
    for _, handle in block(data, offset, size):
        yield from ((key.decode(), value) for key, value in block(data, *varints(handle, 2)))


def block(data, offset, size):
    """Pairs of a block. A key is the bytes it shares with the one before, and the rest."""
    if data[offset + size] != 0:
        raise BadCheckpoint("the index is compressed")
    content = data[offset : offset + size]
    (restarts,) = struct.unpack("<I", content[-4:])
    at, end, key = 0, size - 4 * (restarts + 1), b""
    while at < end:
        shared, at = varint(content, at)
        rest, at = varint(content, at)
        length, at = varint(content, at)
        key = key[:shared] + content[at : at + rest]
        at += rest
        yield key, content[at : at + length]
        at += length


def fields(message):
    """Values of a protocol buffer by field number, in order."""
    at, found = 0, {}
    while at < len(message):
        tag, at = varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(message, at)
        elif kind == 2:
            length, at = varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, at = message[at : at + width], at + width
        else:
            raise BadCheckpoint(f"a protocol buffer has a field of kind {kind}")
        found.setdefault(number, []).append(value)
    return found


def number(found, field, default=0):
    return found.get(field, [default])[0]


def varints(data, n):
    """The first n numbers."""
    at, values = 0, []
    for _ in range(n):
        value, at = varint(data, at)
        values.append(value)
    return values


def varint(data, at):
    """A number in groups of seven bits, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

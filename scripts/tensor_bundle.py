"""A reader of TensorFlow checkpoints (`NAME.index` and `NAME.data-00000-of-00001`) without TensorFlow.

The index is a table of LevelDB whose values are protocol buffers: `BundleEntryProto` {1: dtype, 2: shape {2: {1: size}},
3: shard, 4: offset, 5: size}. Numbers are little-endian. What it does not do: compressed tables, slices of variables,
checksums.
"""

import struct

import numpy as np

MAGIC = 0xDB4775248B80FB57
FLOAT32 = 1


class BadCheckpoint(Exception):
    """A file that is no checkpoint, or of a kind that is not read here."""


def read(prefix):
    """All f32 variables by name; others (the step's number) are left out."""
    index = open(f"{prefix}.index", "rb").read()
    entries = {name: entry(value) for name, value in table(index) if name}
    shards = {}
    tensors = {}
    (header,) = [value for name, value in table(index) if not name] or [b""]
    n_shards = int(fields(header).get(1, [1])[0])
    for name, (dtype, shape, shard, offset, size) in entries.items():
        if dtype != FLOAT32:
            continue
        if shard not in shards:
            shards[shard] = np.memmap(f"{prefix}.data-{shard:05}-of-{n_shards:05}", np.uint8, "r")
        data = shards[shard][offset : offset + size]
        if len(data) != size or size != 4 * int(np.prod(shape)):
            raise BadCheckpoint(f"{name} of shape {shape} has {len(data)} bytes: the file is cut short or damaged")
        tensors[name] = np.frombuffer(data.tobytes(), "<f4").reshape(shape)
    return tensors


def table(data):
    """Keys and values of a LevelDB table: a footer, a block that lists blocks, blocks of pairs."""
    if len(data) < 48 or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise BadCheckpoint("the index is no table of LevelDB")
    at = 0
    footer = data[-48:]
    _, at = varint(footer, at)
    _, at = varint(footer, at)
    offset, at = varint(footer, at)
    size, at = varint(footer, at)
    for _, handle in block(data, offset, size):
        at_block, end = varint(handle, 0)
        yield from ((key.decode(), value) for key, value in block(data, at_block, varint(handle, end)[0]))


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


def entry(value):
    """dtype, shape, shard, offset and size of a variable."""
    found = fields(value)
    shape = [fields(dim).get(1, [0])[0] for dim in fields(found.get(2, [b""])[0]).get(2, [])]
    if 7 in found:
        raise BadCheckpoint("a variable is stored in slices")
    return (*(found.get(i, [0])[0] for i in (1,)), tuple(shape), *(found.get(i, [0])[0] for i in (3, 4, 5)))


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


def varint(data, at):
    """A number in groups of seven bits, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

"""A small model that looks at pictures, whose colour tells the label; its vision model is one block."""

import array
import json
import random
import struct
import subprocess

from report import png

COLOURS = {
    "LOC": (40, 170, 90),
    "MISC": (240, 200, 60),
    "ORG": (60, 90, 200),
    "PER": (230, 90, 120),
    None: (128, 128, 128),
}


def train(smvae, work):
    """A run that looks at pictures, and a post of the corpus with the name of its picture."""
    subprocess.run([smvae, "demo", "--out", work / "demo"], check=True, capture_output=True)
    corpus = work / "demo/corpus"
    posts = [post for part in ["train", "valid", "test"] for post in read(corpus / f"{part}.txt")]
    (work / "images").mkdir()
    for post in posts:
        (work / "images" / f"{post['image']}.png").write_bytes(colour_png(post["label"]))
    write_resnet(work / "vision")
    data = [
        "--data",
        corpus,
        "--images",
        work / "images",
        "--vision",
        work / "vision",
        "--feature-cache",
        work / "cache",
    ]
    settings = [
        "--text-encoder",
        "tiny",
        "--config",
        work / "demo/supervised/config.json",
        "--labelled",
        "600",
        "--epochs",
        "8",
    ]
    subprocess.run([smvae, "train", *data, *settings, "--out", work / "pictures"], check=True, capture_output=True)
    # One whose words do not tell the label of its name: the picture does.
    neutral = [
        post for post in posts[600:] if post["label"] == "PER" and post["text"].lower().startswith("thinking about")
    ]
    return work / "pictures", neutral[0]


def read(path):
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        head, *lines = block.splitlines() or [""]
        words = [line.split() for line in lines]
        if words:
            label = next((tag[2:] for _, tag in words if tag != "O"), None)
            yield {"image": head.removeprefix("IMGID:"), "text": " ".join(word for word, _ in words), "label": label}


def colour_png(label, size=12):
    return png(size, size, (b"\0" + bytes(COLOURS[label]) * size) * size)


def gradient_png():
    """Something nicer to look at, in the colour of a person."""
    rows = (
        b"\0" + b"".join(bytes([230 - y // 4 + x // 12, 70 + y // 3, 110 + x // 6]) for x in range(240))
        for y in range(160)
    )
    return png(240, 160, b"".join(rows))


def write_resnet(folder):
    """A ResNet of one block, as transformers has it, that tells colours apart."""
    folder.mkdir()
    draw, header, data = random.Random(0), {}, b""

    def add(name, shape, least, most):
        nonlocal data
        size = 1
        for n in shape:
            size *= n
        values = array.array("f", [draw.uniform(least, most) for _ in range(size)]).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values

    layers = ["embedder.embedder", "encoder.stages.0.layers.0.layer.0", "encoder.stages.0.layers.0.layer.1"]
    for layer, shape in zip(layers, [[16, 3, 7, 7], [16, 16, 3, 3], [16, 16, 3, 3]]):
        add(f"{layer}.convolution.weight", shape, -0.3, 0.35)
        for part in ["weight", "bias", "running_mean", "running_var"]:
            add(f"{layer}.normalization.{part}", [16], 0.5, 1.5)
    head = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
    sizes = {
        "depths": [1],
        "embedding_size": 16,
        "hidden_sizes": [16],
        "num_channels": 3,
        "downsample_in_first_stage": False,
    }
    (folder / "config.json").write_text(
        json.dumps({"model_type": "resnet", "layer_type": "basic", "hidden_act": "relu", **sizes})
    )
    steps = {
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "resample": 3,
        "crop_pct": 0.875,
    }
    means = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"shortest_edge": 8}}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "ConvNextImageProcessor", **steps, **means})
    )

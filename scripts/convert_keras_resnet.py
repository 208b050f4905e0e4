"""Converts the weights of Keras' ResNet (v1) without its top into a model folder for `smvae features --vision`.

    pip install h5py safetensors numpy
    python convert_keras_resnet.py resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5 OUTPUT_FOLDER

Keras downloads that file for `ResNet152(include_top=False)`; the authors' program uses it. The folder gets
`model.safetensors`, with the names of torchvision, and `config.json` with the architecture `keras-resnet152`: stride on
the first convolution of a block, biases in the convolutions, an epsilon of 1.001e-5, "caffe" preprocessing at 224 x 224.
Any depth converts the same way; the architecture's name stands for that form, the depth is read from the tensors.

The file is read with h5py alone: groups in the order of `layer_names`, arrays in that of `weight_names`.
"""

import json
import os
import re
import sys

import h5py
import numpy as np
from safetensors.numpy import save_file

# What Keras calls the arrays of a layer, and what torchvision does.
ARRAYS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def layer_name(name):
    """torchvision's name of a Keras layer, such as `conv3_block1_2_bn` -> `layer2.0.bn2`."""
    if name in ("conv1_conv", "conv1_bn"):
        return name.removesuffix("_conv").replace("conv1_bn", "bn1")
    match = re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", name)
    if match is None:
        raise SystemExit(f"{name} is no layer of a ResNet v1 without its top")
    stage, block, i, kind = int(match[1]) - 1, int(match[2]) - 1, int(match[3]), match[4]
    if i == 0:
        return f"layer{stage}.{block}.downsample.{0 if kind == 'conv' else 1}"
    return f"layer{stage}.{block}.{kind}{i}"


def convert(path):
    """Tensors by torchvision's names."""
    tensors = {}
    with h5py.File(path, "r") as file:
        # A saved model has its weights in a group of their own, a weights file has them at the top.
        root = file["model_weights"] if "model_weights" in file else file
        text = lambda values: [v.decode() if isinstance(v, bytes) else v for v in values]  # noqa: E731
        for layer in text(root.attrs["layer_names"]):
            for weight in text(root[layer].attrs["weight_names"]):
                array = np.asarray(root[layer][weight], dtype=np.float32)
                if array.ndim == 4:
                    # [height, width, in, out] -> [out, in, height, width]
                    array = array.transpose(3, 2, 0, 1)
                kind = weight.rsplit("/", 1)[-1].split(":")[0]
                tensors[f"{layer_name(layer)}.{ARRAYS[kind]}"] = np.ascontiguousarray(array)
    if "conv1.weight" not in tensors:
        raise SystemExit(f"{path} holds no conv1_conv: it is no ResNet")
    return tensors


def main(path, folder):
    tensors = convert(path)
    os.makedirs(folder, exist_ok=True)
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt", "source": os.path.basename(path)})
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({"architecture": "keras-resnet152"}, file)
        file.write("\n")
    print(f"{len(tensors)} tensors, {sum(t.size for t in tensors.values())} numbers in {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])

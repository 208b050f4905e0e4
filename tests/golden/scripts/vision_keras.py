"""ResNet v1 and its preprocessing as tf-keras computes them, and the check of scripts/convert_keras_resnet.py.

    python vision_keras.py OUTPUT_FOLDER          writes vision_keras.json and vision_keras.safetensors

Made with Python 3.11.7, tensorflow-cpu 2.15.1, keras 2.15.0, pillow 13.0.0, h5py 3.16.0, safetensors 0.8.0, numpy 1.26.4.

The network is that of `keras.applications.resnet.ResNet152`, with its blocks (3, 8, 36, 3) and its stem, but narrow:
filters of 8, 12, 16 and 24 instead of 64 to 512. Weights are drawn by the rule of vision_rule.py from the names that the
converter gives them. The script saves them as Keras does, converts that file, and fails if a single number changed. Arrays
and JSON have the layout of vision.py's:

    pre.keras.WxH        [3, 224, 224]   `load_img` (nearest) and `preprocess_input` of a PNG file of that size; u8 + means
    net.keras.pooled     [2, 96]         global average pooling
    net.keras.grid       [2, 96, 2, 2]
"""

import os
import sys
import tempfile

import keras
import numpy as np
from keras.src.applications import resnet
from PIL import Image
from safetensors.numpy import save_file

from vision_rule import image, numbers, uniform, write_json

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../scripts"))
import convert_keras_resnet as converter  # noqa: E402

MEANS = np.array([103.939, 116.779, 123.68], dtype=np.float32)


def network():
    def stack(x):
        for filters, blocks, stride, name in [(8, 3, 1, "conv2"), (12, 8, 2, "conv3"), (16, 36, 2, "conv4"), (24, 3, 2, "conv5")]:
            x = resnet.stack1(x, filters, blocks, stride1=stride, name=name)
        return x

    return resnet.ResNet(stack, False, True, "resnet152", False, None, None, (64, 64, 3))


def draw(model):
    """Draws all weights; returns them by their converted names."""
    drawn = {}
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            kind = weight.name.rsplit("/", 1)[-1].split(":")[0]
            name = f"{converter.layer_name(layer.name)}.{converter.ARRAYS[kind]}"
            shape = tuple(weight.shape)
            shape = (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else shape
            drawn[name] = numbers(name, shape)
            values.append(drawn[name].transpose(2, 3, 1, 0) if len(shape) == 4 else drawn[name])
        layer.set_weights(values)
    return drawn


def main(folder):
    arrays = {}
    model = network()
    drawn = draw(model)
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "notop.h5")
        model.save_weights(path)
        converted = converter.convert(path)
        assert converted.keys() == drawn.keys()
        assert all(np.array_equal(converted[name], drawn[name]) for name in drawn)
        for w, h in [(61, 47), (300, 231)]:
            path = os.path.join(temporary, "image.png")
            Image.fromarray(image(w, h)).save(path)
            loaded = keras.preprocessing.image.load_img(path, target_size=(224, 224))
            prepared = resnet.preprocess_input(keras.preprocessing.image.img_to_array(loaded)[None])[0]
            # Whole numbers but for the means: kept as bytes, since floats would take four times the room.
            bytes_ = np.rint(prepared + MEANS)
            assert np.abs(prepared + MEANS - bytes_).max() < 1e-4
            arrays[f"pre.keras.{w}x{h}"] = np.ascontiguousarray(bytes_.transpose(2, 0, 1).astype(np.uint8))
    pixels = uniform("pixels", (2, 3, 64, 64)).astype(np.float32) * 100
    grid = model.predict(pixels.transpose(0, 2, 3, 1), verbose=0)
    arrays["net.keras.pooled"] = grid.mean((1, 2))
    arrays["net.keras.grid"] = np.ascontiguousarray(grid.transpose(0, 3, 1, 2))
    save_file(arrays, os.path.join(folder, "vision_keras.safetensors"))
    shapes = {name: list(value.shape) for name, value in drawn.items()}
    files = {"config.json": {"architecture": "keras-resnet152"}}
    case = {"size": 64, "files": files, "tensors": shapes}
    write_json(os.path.join(folder, "vision_keras.json"), {"preprocessing": {"keras": files}, "networks": {"keras": case}})
    print({name: (array.shape, float(np.abs(array).mean())) for name, array in arrays.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])

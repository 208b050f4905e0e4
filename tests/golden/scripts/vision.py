"""Preprocessing and whole networks as torchvision, timm and transformers compute them.

    python vision.py OUTPUT_FOLDER          writes vision.json and vision.safetensors

Made with Python 3.11.7, torch 2.15.0 (CPU, f32), torchvision 0.29.2, timm 1.0.31, transformers 5.23.0, pillow 13.0.0,
safetensors 0.8.0, numpy 2.4.6.

Images, pixels and weights are drawn by the rule of vision_rule.py from their names and shapes, so that only results are
kept. vision.json says of each case which files a model folder has and the names and shapes of its tensors, as the library
saves them. vision.safetensors, f32 where not said:

    resize.WxH.to.WxH.FILTER    u8 [h, w, 3]      PIL's resize
    file.NAME                   u8 [bytes]        an image file that pillow wrote
    decode.NAME                 u8 [h, w, 3]      what pillow makes of it: `exif_transpose`, `convert("RGB")`
    pre.CASE.WxH                [3, h, w]         an image of that size, prepared by a library
    net.CASE.pooled             [2, width]        from `pixels`, [2, 3, s, s], uniform in [-1, 1)
    net.CASE.grid               [2, width, h, w]
"""

import io
import json
import os
import sys
import tempfile

import numpy as np
import timm
import torch
import torchvision
import transformers
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save_file
from torchvision.transforms import InterpolationMode, v2

from vision_rule import image, numbers, uniform, write_json

SIZES = [(61, 47), (47, 61), (90, 33), (20, 23)]
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}


def resizes(arrays):
    for (w, h), (to_w, to_h) in [((61, 47), (20, 31)), ((20, 23), (33, 29)), ((90, 33), (24, 33)), ((36, 37), (36, 12))]:
        for name, code in FILTERS.items():
            got = Image.fromarray(image(w, h)).resize((to_w, to_h), code)
            arrays[f"resize.{w}x{h}.to.{to_w}x{to_h}.{name}"] = np.asarray(got)


def decoding(arrays):
    """Files of every kind, of a smooth picture where the format loses detail and of noise where it does not."""
    noise = Image.fromarray(image(24, 20))
    smooth = noise.resize((3, 3), Image.BILINEAR).resize((44, 36), Image.BICUBIC)

    def record(name, picture, format, want=None, **options):
        buffer = io.BytesIO()
        picture.save(buffer, format, **options)
        got = ImageOps.exif_transpose(Image.open(buffer)).convert("RGB") if want is None else want
        arrays[f"file.{name}"] = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
        arrays[f"decode.{name}"] = np.ascontiguousarray(got, dtype=np.uint8)

    rgba = noise.copy()
    rgba.putalpha(noise.convert("L"))
    palette = noise.quantize(16)
    record("bmp", noise, "BMP")
    record("png", noise, "PNG")
    record("png_grey", noise.convert("L"), "PNG")
    record("png_rgba", rgba, "PNG")
    record("png_grey_alpha", rgba.convert("LA"), "PNG")
    record("png_palette", palette, "PNG")
    record("png_palette_transparent", palette, "PNG", transparency=3)
    record("png_bilevel", noise.convert("1"), "PNG")
    # pillow cuts 16 bits at 255 when it converts; what is wanted is the upper byte, rounded.
    wide = np.asarray(noise.convert("L")).astype(np.uint16) * 257
    record("png_16_bit", Image.fromarray(wide), "PNG", want=noise.convert("L").convert("RGB"))
    record("gif_animated", palette, "GIF", save_all=True, append_images=[noise.rotate(90).quantize(16)] * 2)
    record("webp_lossless", noise, "WEBP", lossless=True)
    record("webp", smooth, "WEBP", quality=90)
    record("webp_animated", noise, "WEBP", lossless=True, save_all=True, append_images=[noise.rotate(180)])
    record("jpeg", smooth, "JPEG", quality=90, subsampling=0)
    record("jpeg_420", smooth, "JPEG", quality=90, subsampling=2)
    record("jpeg_progressive", smooth, "JPEG", quality=90, progressive=True)
    record("jpeg_grey", smooth.convert("L"), "JPEG", quality=90)
    record("jpeg_cmyk", smooth.convert("CMYK"), "JPEG", quality=90)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        record(f"jpeg_orientation_{orientation}", smooth, "JPEG", quality=90, subsampling=0, exif=exif)


def preprocessing(arrays, cases):
    def torchvision_case(edge, crop):
        mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        steps = [v2.Resize(edge, InterpolationMode.BILINEAR), v2.CenterCrop(crop), v2.PILToTensor()]
        steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
        return v2.Compose(steps)

    def record(case, files, prepare):
        cases[case] = files
        for w, h in SIZES:
            arrays[f"pre.{case}.{w}x{h}"] = np.ascontiguousarray(prepare(Image.fromarray(image(w, h))), dtype=np.float32)

    record("torchvision", {}, lambda im: torchvision_case(37, 32)(im).numpy())
    config = {"input_size": [3, 32, 32], "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center"}
    config |= {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    transform = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config), is_training=False)
    config_json = {"architecture": "resnet50.a1_in1k", "num_classes": 1000, "pretrained_cfg": config}
    record("timm", {"config.json": config_json}, lambda im: transform(im).numpy())

    def transformers_case(case, model_type, processor):
        files = {"config.json": {"model_type": model_type}}
        files["preprocessor_config.json"] = json.loads(processor.to_json_string())
        record(case, files, lambda im: processor(im, return_tensors="np")["pixel_values"][0])

    t = transformers
    transformers_case("convnext", "resnet", t.ConvNextImageProcessor(size={"shortest_edge": 32}))
    transformers_case("convnext_pil", "resnet", t.ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0.9))
    transformers_case("vit", "vit", t.ViTImageProcessor(size={"height": 32, "width": 24}))
    transformers_case("vit_pil", "vit", t.ViTImageProcessorPil(size={"height": 32, "width": 24}))
    clip = {"size": {"shortest_edge": 35}, "crop_size": {"height": 32, "width": 32}}
    transformers_case("clip", "clip", t.CLIPImageProcessor(**clip))
    transformers_case("clip_pil", "clip_vision_model", t.CLIPImageProcessorPil(**clip))


def networks(arrays, cases):
    def record(case, size, files, shapes, pooled, grid):
        cases[case] = {"size": size, "files": files, "tensors": shapes}
        arrays[f"net.{case}.pooled"] = pooled.detach().contiguous().numpy()
        arrays[f"net.{case}.grid"] = grid.detach().contiguous().numpy()

    def pixels(size):
        return torch.tensor(uniform("pixels", (2, 3, size, size)), dtype=torch.float32)

    def of_state(model):
        """Draws the weights of a module; returns names and shapes."""
        state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
        drawn = {name: torch.tensor(numbers(name, tuple(v.shape))) for name, v in state.items()}
        model.load_state_dict(drawn, strict=False)
        model.eval()
        return {name: list(v.shape) for name, v in state.items()}

    for case in ["resnet18", "resnet50"]:
        model = getattr(torchvision.models, case)(num_classes=3)
        shapes = of_state(model)
        body = torch.nn.Sequential(*list(model.children())[:-2])
        grid = body(pixels(64))
        record(f"torchvision_{case}", 64, {}, shapes, grid.mean((2, 3)), grid)

    model = timm.create_model("resnet26", num_classes=3, channels=(8, 16, 24, 32))
    shapes = of_state(model)
    grid = model.forward_features(pixels(72))
    config = {"architecture": "resnet50", "pretrained_cfg": {"input_size": [3, 72, 72], "interpolation": "bilinear"}}
    config["pretrained_cfg"] |= {"crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3}
    record("timm_resnet", 72, {"config.json": config}, shapes, grid.mean((2, 3)), grid)

    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 128, 160, num_classes=3)
    shapes = of_state(model)
    x = model._process_input(pixels(32))
    x = model.encoder(torch.cat([model.class_token.expand(2, -1, -1), x], 1))
    # A bare file of torchvision's names has torchvision's preprocessing, for 224 pixels; timm's config says 32.
    config = {"architecture": "vit_tiny_patch8_32", "pretrained_cfg": {"input_size": [3, 32, 32], "interpolation": "bicubic"}}
    config["pretrained_cfg"] |= {"crop_pct": 0.9, "mean": [0.5] * 3, "std": [0.5] * 3}
    grid = x[:, 1:].transpose(1, 2).reshape(2, 128, 4, 4)
    record("torchvision_vit", 32, {"config.json": config}, shapes, x[:, 0], grid)

    model = timm.models.VisionTransformer(32, 8, num_classes=3, embed_dim=128, depth=2, num_heads=2, mlp_ratio=1.5)
    shapes = of_state(model)
    x = model.forward_features(pixels(32))
    grid = x[:, 1:].transpose(1, 2).reshape(2, 128, 4, 4)
    record("timm_vit", 32, {"config.json": config}, shapes, x[:, 0], grid)

    def of_transformers(case, size, model, processor, outputs):
        """Draws the weights by the names that a saved folder has."""
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            path = os.path.join(folder, "model.safetensors")
            saved = {k: v for k, v in load_file(path).items() if not k.endswith("num_batches_tracked")}
            kept = {k: v for k, v in load_file(path).items() if k.endswith("num_batches_tracked")}
            drawn = {name: numbers(name, v.shape) for name, v in saved.items()}
            save_file(drawn | kept, path, metadata={"format": "pt"})
            model = type(model).from_pretrained(folder).eval()
            files = {"config.json": json.load(open(os.path.join(folder, "config.json")))}
        files["preprocessor_config.json"] = json.loads(processor.to_json_string())
        record(case, size, files, {k: list(v.shape) for k, v in saved.items()}, *outputs(model, pixels(size)))

    t = transformers
    deep = t.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[3, 8, 36, 3])

    def of_maps(model, x):
        out = getattr(model, "resnet", model)(x)
        return out.pooler_output.flatten(1), out.last_hidden_state

    edge = t.ConvNextImageProcessor(size={"shortest_edge": 64})
    of_transformers("transformers_resnet152", 64, t.ResNetModel(deep), edge, of_maps)
    basic = t.ResNetConfig(embedding_size=16, hidden_sizes=[16, 24, 32], depths=[2, 1, 2], layer_type="basic", num_labels=3)
    odd = t.ConvNextImageProcessor(size={"shortest_edge": 57})
    of_transformers("transformers_basic", 57, t.ResNetForImageClassification(basic), odd, of_maps)
    old = t.ResNetConfig(embedding_size=16, hidden_sizes=[32, 48], depths=[2, 2], downsample_in_bottleneck=True)
    of_transformers("transformers_v1", 64, t.ResNetModel(old), edge, of_maps)

    def of_tokens(pooled, x):
        return pooled, x[:, 1:].transpose(1, 2).reshape(2, x.shape[2], 4, 4)

    def of_vit(model, x):
        x = model(x).last_hidden_state
        return of_tokens(x[:, 0], x)

    def of_clip(model, x):
        out = model.vision_model(x)
        return of_tokens(out.pooler_output, out.last_hidden_state)

    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80}
    sizes |= {"image_size": 32, "patch_size": 8}
    square = t.ViTImageProcessor(size={"height": 32, "width": 32})
    of_transformers("transformers_vit", 32, t.ViTModel(t.ViTConfig(**sizes)), square, of_vit)
    small = t.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    tower = t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(**sizes))
    of_transformers("transformers_clip", 32, tower, small, of_clip)
    text = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    whole = t.CLIPModel(t.CLIPConfig(vision_config=sizes, text_config=text))
    of_transformers("transformers_clip_whole", 32, whole, small, of_clip)


def main(folder):
    torch.manual_seed(0)
    arrays, cases = {}, {"preprocessing": {}, "networks": {}}
    with torch.inference_mode():
        resizes(arrays)
        decoding(arrays)
        preprocessing(arrays, cases["preprocessing"])
        networks(arrays, cases["networks"])
    save_file(arrays, os.path.join(folder, "vision.safetensors"))
    write_json(os.path.join(folder, "vision.json"), cases)
    for name, array in arrays.items():
        if name.startswith("net."):
            print(name, array.shape, float(np.abs(array).mean()), float(np.abs(array).max()))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""torchvision's side of the features of pictures in `scripts/gpu_check.sh`: decoding included.

    pictures.py make FOLDER N WEIGHTS                    N photographs of noise, and random weights of both networks
    pictures.py run NAME FOLDER WEIGHTS DEVICE WORKERS   NAME: resnet50 or vit_b_16; one line of JSON

The peer is what a careful user would write: a DataLoader with a process for each core, PIL, the transforms of torchvision's
weights, batches of 64 in pinned memory, channels last, and on a GPU bf16.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

NAMES = ("resnet50", "vit_b_16")
BATCH = 64


def picture(folder, i):
    """A JPEG of 500 x 375, smooth and with some noise, as large as photographs of posts are."""
    import numpy
    from PIL import Image

    rng = numpy.random.default_rng(i)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=numpy.uint8))
    pixels = numpy.asarray(small.resize((500, 375), Image.Resampling.BICUBIC), dtype=numpy.int16)
    pixels = (pixels + rng.integers(-12, 13, pixels.shape)).clip(0, 255).astype(numpy.uint8)
    Image.fromarray(pixels).save(folder / f"{i}.jpg", quality=85)


def make(folder, n, weights):
    import torch
    import torchvision
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir()
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(picture, folder), range(int(n)), chunksize=50))
    torch.manual_seed(0)
    for name in NAMES:
        save_file(getattr(torchvision.models, name)().state_dict(), Path(weights) / f"{name}.safetensors")


class Pictures:
    def __init__(self, folder):
        from torchvision import transforms

        self.files = sorted(Path(folder).iterdir())
        self.transform = transforms.Compose([
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        from PIL import Image

        return self.transform(Image.open(self.files[i]).convert("RGB"))


def run(name, folder, weights, device, workers):
    import torch
    import torchvision
    from safetensors.torch import load_file

    start = time.perf_counter()
    model = getattr(torchvision.models, name)()
    model.load_state_dict(load_file(Path(weights) / f"{name}.safetensors"))
    if name == "resnet50":
        model.fc = torch.nn.Identity()
    else:
        model.heads = torch.nn.Identity()
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = model.eval().to(device, dtype, memory_format=torch.channels_last)
    data = Pictures(folder)
    loader = torch.utils.data.DataLoader(data, BATCH, num_workers=int(workers), pin_memory=device != "cpu")
    vectors = []
    with torch.inference_mode():
        for pixels in loader:
            pixels = pixels.to(device, dtype, non_blocking=True, memory_format=torch.channels_last)
            vectors.append(model(pixels).float().cpu())
    vectors = torch.cat(vectors)
    assert len(vectors) == len(data) and vectors.isfinite().all()
    print(json.dumps({"side": "torchvision", "name": name, "pictures_per_s": len(data) / (time.perf_counter() - start)}))


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](*sys.argv[2:])

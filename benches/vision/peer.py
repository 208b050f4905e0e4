"""torchvision's side of `benches/vision/run.sh`.

    peer.py prepare NAME FILE                       random weights, saved for both sides
    peer.py run NAME FILE BATCH REPEATS LAYOUT      LAYOUT: nchw, or nhwc for channels_last
    peer.py table FILE                              medians and ratios of the lines of a run
"""

import json
import statistics
import sys
import time


def prepare(name, path):
    import torch
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(getattr(torchvision.models, name)().state_dict(), path)


def run(name, path, batch, repeats, layout):
    import os

    import torch
    import torchvision
    from safetensors.torch import load_file

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = getattr(torchvision.models, name)()
    model.load_state_dict(load_file(path))
    model.fc = torch.nn.Identity()
    model.eval()
    batch = int(batch)
    pixels = torch.sin(torch.arange(batch * 3 * 224 * 224, dtype=torch.float64) * 0.37).float().reshape(batch, 3, 224, 224)
    if layout == "nhwc":
        model, pixels = model.to(memory_format=torch.channels_last), pixels.contiguous(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        for _ in range(int(repeats) + 1):
            start = time.perf_counter()
            norm = model(pixels).norm().item()
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"side": f"torchvision {layout}", "seconds": seconds[1:], "norm": norm}))


def table(path):
    lines = [json.loads(line) for line in open(path)]
    for name in dict.fromkeys(line["name"] for line in lines):
        of = [line for line in lines if line["name"] == name]
        rate = {}
        for side in dict.fromkeys(line["side"] for line in of):
            batch = of[0]["batch"]
            seconds = [s for line in of if line["side"] == side for s in line["seconds"]]
            rate[side] = batch / statistics.median(seconds)
            norm = next(line["norm"] for line in of if line["side"] == side)
            print(f"{name:10} {side:17} {rate[side]:6.2f} images/s  ratio ours/this {rate['ours'] / rate[side]:.2f}  norm {norm:.5f}")


if __name__ == "__main__":
    {"prepare": prepare, "run": run, "table": table}[sys.argv[1]](*sys.argv[2:])

"""Prints medians and ratios of the JSON lines that run.sh collected: python table.py RESULTS.jsonl

A ratio is ours over the peer's for speed, so that above 1 is faster, and ours over the peer's for memory, so that below
1 is less. On a GPU, the peak is the most memory the GPU had in use, and "own" is still the process's. "own" memory is the peak without what was there before the model was built (the interpreter and PyTorch's
libraries on one side) and without weights, gradients and two moments in training.
"""

import json
import sys
from collections import defaultdict
from statistics import median


def main(path):
    groups = defaultdict(list)
    for line in open(path):
        row = json.loads(line)
        groups[row["size"], row["work"], row["precision"], row["threads"], row["side"], row["variant"]].append(row)
    print(f"{'size':7} {'work':11} {'in':4} {'thr':>3} {'peer':22} {'ours/s':>8} {'peer/s':>8} {'ratio':>6} "
          f"{'spread':>11} {'peak MiB':>11} {'ratio':>6} {'own MiB':>11} {'ratio':>6}  n")
    for (size, work, precision, threads, side, variant), theirs in sorted(groups.items()):
        if side != "peer":
            continue
        # Packed batches cost the same in any order, so that ours is always shuffled in training.
        same = (size, work, precision, threads, "ours")
        ours = [r for key, rows in groups.items() if key[:5] == same for r in rows]
        if not ours:
            continue
        for row in ours + theirs:
            assert (row["tweets"], row.get("spans")) == (ours[0]["tweets"], ours[0].get("spans")), "not the same work"
        speed = [median(r["tweets_per_s"] for r in rows) for rows in (ours, theirs)]
        # Runs that stood next to each other.
        pairs = [a["tweets_per_s"] / b["tweets_per_s"] for a, b in zip(ours, theirs)]
        peak = [median(r.get("gpu_mib", r["peak_mib"]) for r in rows) for rows in (ours, theirs)]
        own = [median(own_memory(r) for r in rows) for rows in (ours, theirs)]
        print(f"{size:7} {work:11} {precision:4} {threads:3} {variant:22} {speed[0]:8.2f} {speed[1]:8.2f} {speed[0] / speed[1]:6.2f} "
              f"{min(pairs):5.2f}-{max(pairs):5.2f} {peak[0]:5.0f}/{peak[1]:5.0f} {peak[0] / peak[1]:6.2f} "
              f"{own[0]:5.0f}/{own[1]:5.0f} {own[0] / own[1]:6.2f}  {len(theirs)}")


def own_memory(row):
    state = 4 * 4 * row.get("parameters", 0) / 2**20
    return row["peak_mib"] - row["base_mib"] - state


if __name__ == "__main__":
    main(sys.argv[1])

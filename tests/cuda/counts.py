"""Takes short pieces of work from long ones, and prints what one training step and 100 posts of evaluation ask of the driver.

    counts.py COUNTS [NAME]     the folder of scripts/cuda_count.sh; NAME is the column of benches/cuda-counts.json to write

Without NAME, COUNTS/now.json is written, and the table also has the columns of benches/cuda-counts.json.
"""

import json
import sys
from pathlib import Path

KEPT = Path("benches/cuda-counts.json")
SIZES = {"minilm": "MiniLM", "base": "BERT-base"}
# What a piece of work is, and how many of these the long one has more than the short one.
WORK = {
    "supervised": ("step, supervised", 16),
    "semi": ("step, semi-supervised", 16),
    "evaluation": ("evaluation, 100 posts", 6.4),
}


def difference(counts, size, work):
    short, long = (json.loads((counts / f"{size}-{work}-{part}.json").read_text()) for part in ["short", "long"])
    share = WORK[work][1]

    def less(long, short):
        return round((long - short) / share, 1)

    row = {"size": SIZES[size], "work": WORK[work][0]}
    for kind, n in long["kinds"].items():
        row[kind] = less(n["calls"], short["kinds"][kind]["calls"])
        if n["bytes"]:
            row[f"{kind}, KiB"] = less(n["bytes"] / 1024, short["kinds"][kind]["bytes"] / 1024)
    # Not a difference: the most that was allocated at a time, the weights and the optimiser's state with it.
    row["peak, MiB"] = round(long["peak_bytes"] / 2**20)
    kernels = {name: less(n, short["launches"].get(name, 0)) for name, n in long["launches"].items()}
    row["kernels"] = dict(sorted(((k, n) for k, n in kernels.items() if n), key=lambda item: -item[1]))
    return row


def table(columns):
    """Every row beside its like in the other columns, then the kernels of each."""
    rows = [(row["size"], row["work"]) for row in next(iter(columns.values()))]
    for place in rows:
        of = {name: row for name, column in columns.items() for row in column if (row["size"], row["work"]) == place}
        print(f"\n{place[0]}, {place[1]}")
        lines = {}
        for name, row in of.items():
            for key, value in row.items():
                if isinstance(value, (int, float)):
                    lines.setdefault(key, {})[name] = value
            for kernel, value in row["kernels"].items():
                lines.setdefault(f"  {kernel}", {})[name] = value
        print(f"{'':34}" + "".join(f"{name:>14}" for name in of))
        for key, values in lines.items():
            print(f"{key:34}" + "".join(f"{values.get(name, 0):>14,.1f}" for name in of))


def main():
    counts, names = Path(sys.argv[1]), sys.argv[2:]
    there = [(size, work) for size in SIZES for work in WORK if (counts / f"{size}-{work}-long.json").exists()]
    column = [difference(counts, size, work) for size, work in there]
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    (counts / "now.json").write_text(json.dumps(column, indent=1))
    if names:
        kept[names[0]] = column
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        table(kept)
    else:
        table({"now": column} | kept)


main()

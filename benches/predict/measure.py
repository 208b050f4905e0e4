"""Measures two programs in turns; run.sh says how it is called."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "common"))
from child import measure


def run(program, model, threads, posts):
    """Seconds, CPU seconds and MiB at most of a prediction whose output is thrown away."""
    return measure([program, "--threads", threads, "predict", "--no-images", "--model", model, "--input", posts])


def first_answer(program, model, threads, post):
    """Seconds from the start to the first line of output, while the input stays open."""
    line = [program, "--threads", threads, "predict", "--no-images", "--model", model]
    # The programs before streams wait for a whole chunk.
    line += ["--chunk", "1"]
    start = time.perf_counter()
    child = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    child.stdin.write(post)
    child.stdin.flush()
    answer = child.stdout.readline()
    seconds = time.perf_counter() - start
    child.stdin.close()
    child.wait()
    if not answer:
        sys.exit(f"{' '.join(line)} did not answer")
    return seconds


def main():
    old, new, model, posts, rounds, threads = sys.argv[1:]
    with open(posts, "rb") as file:
        lines = file.readlines()
    programs = {"old": old, "new": new}
    print(f"{os.path.basename(model)}, {threads} threads, {rounds} rounds, the middle of them")
    with tempfile.TemporaryDirectory() as folder:
        for n in (5_000, 20_000):
            part = os.path.join(folder, f"{n}.jsonl")
            with open(part, "wb") as file:
                file.writelines(lines[i % len(lines)] for i in range(n))
            results = {name: [] for name in programs}
            for _ in range(int(rounds)):
                for name, program in programs.items():
                    results[name].append(run(program, model, threads, part))
            rates = {}
            for name, values in results.items():
                seconds, cpu, memory = (statistics.median(column) for column in zip(*values))
                rates[name] = n / seconds
                print(f"{n} posts, {name}: {n / seconds:.1f} posts/s, {1000 * cpu / n:.2f} ms of CPU each, {memory:.0f} MiB")
            print(f"{n} posts: {rates['new'] / rates['old']:.2f} times as many posts/s")
    for name, program in programs.items():
        seconds = [first_answer(program, model, threads, lines[0]) for _ in range(2 * int(rounds) + 1)]
        print(f"start to the first answer, {name}: {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s")


main()

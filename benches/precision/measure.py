"""Measures the forms of one program in turns; run.sh says how it is called."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "common"))
from child import measure

FORMS = os.environ.get("FORMS", "f32 int8").split()


def scores(program, model, corpus, form):
    """F1 on the test split, overall and by type."""
    line = [program, "eval", "--no-images", "--model", model, "--data", corpus, "--precision", form, "--json"]
    found = subprocess.run(line, check=True, capture_output=True, text=True)
    found = json.loads(found.stdout)
    return {"overall": found["f1"], **{name: of_type["f1"] for name, of_type in found["types"].items()}}


def predict(program, model, posts, form, threads):
    """Seconds, CPU seconds and MiB at most of a prediction whose output is thrown away."""
    line = [program, "--threads", threads, "predict", "--no-images", "--model", model, "--input", posts]
    return measure([*line, "--precision", form])


def main():
    program, model, corpus, posts, rounds, threads, out = sys.argv[1:]
    figures = {"run": os.path.basename(os.path.normpath(model)), "rounds": int(rounds)}
    cpu = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
    figures["cpu"] = cpu[0].split(":")[1].strip() if cpu else "unknown"
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    print(version.stdout.strip(), figures["cpu"], f"load {os.getloadavg()[0]:.1f}", sep="\n")
    if corpus:
        f1 = figures["f1"] = {form: scores(program, model, corpus, form) for form in FORMS}
        print(f"\n{'F1':12}", *(f"{form:>8}" for form in FORMS), *(f"{form + ' -':>8}" for form in FORMS[1:]))
        for name in f1["f32"]:
            of_forms = [f1[form].get(name, 0.0) for form in FORMS]
            differences = [of_form - of_forms[0] for of_form in of_forms[1:]]
            print(f"{name:12}", *(f"{value:8.2f}" for value in of_forms + differences))
    with open(posts, "rb") as file:
        n = sum(1 for line in file if line.strip())
    print(f"\n{n} posts, {rounds} rounds")
    print(f"{'threads':8} {'form':6} {'posts/s':>9} {'CPU ms':>8} {'MiB':>7} {'ratio':>7} {'of CPU':>7}")
    figures["predict"] = []
    for count in threads.split():
        results = {form: [] for form in FORMS}
        for _ in range(int(rounds)):
            for form in FORMS:
                results[form].append(predict(program, model, posts, form, count))
        middle = {form: [statistics.median(column) for column in zip(*values)] for form, values in results.items()}
        for form, (seconds, cpu, memory) in middle.items():
            row = {"threads": int(count), "form": form, "posts": n, "posts_per_second": n / seconds}
            row |= {"cpu_ms_per_post": 1000 * cpu / n, "mib": memory}
            figures["predict"].append(row)
            ratios = f"{middle['f32'][0] / seconds:7.2f} {middle['f32'][1] / cpu:7.2f}"
            print(f"{count:8} {form:6} {n / seconds:9.1f} {1000 * cpu / n:8.2f} {memory:7.0f} {ratios}")
    if out:
        with open(out, "w") as file:
            json.dump(figures, file, indent=2)
            file.write("\n")


main()

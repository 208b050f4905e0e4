"""Shows on a local cluster what smvae_spark.py does, also when something goes wrong. Fails where that is not so.

    python check.py --smvae PROGRAM --model RUN --corpus DIR --work DIR

The cluster is `local-cluster[N,1,2048]`: a master, N workers of one core and 2048 MB, and an executor of its own
process for each. The corpus is what the model was trained on; its test split is written as a table, again and again.
"""

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from pyspark.sql import SparkSession

from smvae_spark import SCHEMA, predict

N_POSTS = 2000
N_TIMED = 20_000
PARTITIONS = 4


def main():
    parser = argparse.ArgumentParser()
    for name in ("--smvae", "--model", "--corpus", "--work"):
        parser.add_argument(name, required=True, type=lambda path: Path(path).resolve())
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True)
    # Executors start this Python, not whichever is first on the PATH.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    write_posts(args.corpus / "test.txt", args.work / "posts.parquet", N_POSTS)
    write_posts(args.corpus / "test.txt", args.work / "timed.parquet", N_TIMED)
    print(f"PySpark {pyspark.__version__}, pyarrow {pa.__version__}, Python {sys.version.split()[0]}, {java_version()}")

    spark = start(1)
    seconds = {1: measure(spark, args)}
    spark.stop()
    spark = start(2)
    seconds[2] = measure(spark, args)
    Checks(spark, args).run()
    spark.stop()
    print(f"{N_TIMED} posts in {PARTITIONS} partitions, a thread per worker (not asserted):")
    for workers, s in seconds.items():
        print(f"    workers {workers}: {s:6.1f} s {N_TIMED / s:8.0f} posts/s, {seconds[1] / s:.2f} times one worker's")


class Checks:
    """Each makes a table, fails if it is not what it should be, and prints a line."""

    def __init__(self, spark, args):
        self.spark, self.work, self.smvae, self.model = spark, args.work, str(args.smvae), str(args.model)
        self.posts = spark.read.parquet(str(self.work / "posts.parquet"))

    def run(self):
        single = self.work / "single.parquet"
        files = ["--input", self.work / "posts.parquet", "--output", single]
        subprocess.run([self.smvae, "predict", "--model", self.model, "--threads", "1", *files], check=True)
        self.single = by_id(single)
        n_entities = sum(len(row["entities"]) for row in self.single.values())
        print(f"a single run: {len(self.single)} posts, {n_entities} entities")
        self.whole_table()
        self.killed_program()
        self.killed_executor()
        self.failing_program()
        self.short_program()
        self.bad_posts()
        self.empty_partitions()

    def whole_table(self):
        started, program = self.counting_program()
        self.is_single(self.found("whole", program))
        assert started() == PARTITIONS, f"{started()} processes for {PARTITIONS} partitions"
        print(f"{PARTITIONS} partitions, {PARTITIONS} processes: the rows of the single run")

    def killed_program(self):
        self.is_single(self.found("killed", self.once("killed", "kill -9 $$")))
        print("the program killed in the middle of a partition: computed again, the rows of the single run")

    def killed_executor(self):
        # The program is started by a Python process, that one by another, and that one by the executor.
        kill = """pid=$$
            until [ "$(cat /proc/$pid/comm)" = java ]; do pid=$(awk '{ print $4 }' /proc/$pid/stat); done
            kill -9 $pid
            sleep 60"""
        self.is_single(self.found("lost", self.once("lost", kill)))
        print("an executor killed in the middle of a partition: computed again, the rows of the single run")

    def failing_program(self):
        why = self.fails("failing", self.smvae, model=str(self.work / "no-run"))
        assert "exit code 1" in why and "no-run is not a run folder" in why, why
        print(f"a program that fails:\n{self.quote(why)}")

    def short_program(self):
        # Its answers are a whole stream, and its exit code is 0.
        program = self.program("short", f"""#!{sys.executable}
import subprocess, sys
import pyarrow as pa
child = subprocess.Popen(["{self.smvae}", *sys.argv[1:]], stdout=subprocess.PIPE)
answers = pa.ipc.open_stream(child.stdout).read_all()
with pa.ipc.new_stream(sys.stdout.buffer, answers.schema) as out:
    out.write_table(answers.slice(1))
""")
        why = self.fails("short", program)
        assert f"{N_POSTS // PARTITIONS - 1} answers to {N_POSTS // PARTITIONS} posts" in why, why
        print(f"a program that leaves out a post:\n{self.quote(why)}")

    def bad_posts(self):
        pq.write_table(pa.table({"id": ["a", "b"], "text": ["back in Oslo", None]}), self.work / "bad.parquet")
        posts = self.spark.read.parquet(str(self.work / "bad.parquet")).coalesce(1)
        good, bad = posts.mapInArrow(predict(self.model, self.smvae), SCHEMA).collect()
        assert good.error is None and bad.error, (good, bad)
        print(f"a post without text (exit code 3): the table is whole, and the post's row has an error: {bad.error}")

    def empty_partitions(self):
        started, program = self.counting_program()
        found = self.posts.limit(3).repartition(8).mapInArrow(predict(self.model, program), SCHEMA)
        assert len(found.collect()) == 3
        few = started()
        assert 1 <= few <= 3, few
        print(f"3 posts in 8 partitions: {few} processes, none for an empty partition")
        found = self.posts.where("false").mapInArrow(predict(self.model, program), SCHEMA)
        assert found.collect() == [] and started() == few
        print("a table without rows: no process, a table without rows")

    def found(self, name, program, model=None):
        """The table that Spark writes, by the id of the post."""
        out = self.work / f"found-{name}"
        found = self.posts.repartition(PARTITIONS).mapInArrow(predict(model or self.model, program), SCHEMA)
        found.write.parquet(str(out))
        return by_id(out)

    def fails(self, name, program, model=None):
        """What Spark says; it has written no part of the table."""
        try:
            self.found(name, program, model)
        except Exception as error:
            assert not list((self.work / f"found-{name}").glob("*.parquet")), f"{name} left a part of a table"
            return str(error)
        raise AssertionError(f"{name} did not fail")

    def is_single(self, found):
        assert found.keys() == self.single.keys(), f"{len(found)} posts instead of {len(self.single)}"
        for post, row in found.items():
            assert row == self.single[post], f"{row}\ninstead of\n{self.single[post]}"

    def counting_program(self):
        """How often it was started, as a function, and the program."""
        name = f"counting-{time.monotonic_ns()}"
        log = self.work / f"{name}.log"
        log.touch()
        program = self.program(name, f'#!/bin/sh\necho >>{log}\nexec {self.smvae} "$@"\n')
        return lambda: log.read_text().count("\n"), program

    def once(self, name, end):
        """A program whose first process answers a part and then does what `end` says."""
        return self.program(name, f"""#!/bin/sh
        if mkdir {self.work}/{name}.once 2>/dev/null; then
            {self.smvae} "$@" | head -c 30000
            {end}
        fi
        exec {self.smvae} "$@"
        """)

    def program(self, name, text):
        path = self.work / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def quote(self, why):
        """Our exception within what Spark says, without the paths of this machine."""
        lines = why.split("RuntimeError: ")[1].split("SQLSTATE")[0].strip().splitlines()
        return "\n".join("    " + line.replace(f"{self.work}/", "").replace(self.smvae, "smvae") for line in lines)


def start(workers):
    settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    spark = SparkSession.builder.master(f"local-cluster[{workers},1,2048]").config(map=settings).getOrCreate()
    # The tasks that fail here shall fail.
    spark.sparkContext.setLogLevel("OFF")
    # Executors import the module by its name.
    spark.sparkContext.addPyFile(str(Path(__file__).with_name("smvae_spark.py")))
    return spark


def measure(spark, args):
    """Seconds for the larger table, when all executors run and have started Python."""
    posts = spark.read.parquet(str(args.work / "timed.parquet")).repartition(PARTITIONS).cache()
    assert posts.count() == N_TIMED
    found = posts.mapInArrow(predict(str(args.model), str(args.smvae)), SCHEMA)
    found.limit(1).collect()
    begin = time.perf_counter()
    found.write.format("noop").mode("overwrite").save()
    seconds = time.perf_counter() - begin
    posts.unpersist()
    return seconds


def write_posts(corpus, path, n):
    """So many posts of a corpus as text, each with an id of its own."""
    posts = [block.splitlines()[1:] for block in corpus.read_text().strip().split("\n\n")]
    texts = [" ".join(line.split("\t")[0] for line in lines) for lines in posts]
    texts = list(itertools.islice(itertools.cycle(texts), n))
    pq.write_table(pa.table({"id": [f"post-{i}" for i in range(n)], "text": texts}), path)


def by_id(table):
    return {row["id"]: row for row in pq.read_table(table).to_pylist()}


def java_version():
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return "Java " + re.search(r'version "(.*?)"', said)[1]


if __name__ == "__main__":
    main()

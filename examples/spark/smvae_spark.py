"""Entities of a Spark table: one `smvae predict` per partition, fed and read as a stream of Arrow.

    from smvae_spark import SCHEMA, predict
    posts.select("id", "text").mapInArrow(predict("runs/mine"), SCHEMA).write.parquet("found")

Copy this file; it needs pyarrow on the workers, and there too the program `smvae` and the run folder,
under the same path. What fails fails the task, so that Spark computes the partition again and gives up
after `spark.task.maxFailures` times. It does not add entities to other columns: join by `id`.
"""

import subprocess
import tempfile
import threading

import pyarrow as pa

"""The columns of an answer, one row per post in the order of the posts."""
COLUMNS = {
    "id": "string",
    "image": "string",
    "text": "string",
    "words": "array<string>",
    "entities": "array<struct<start: bigint, end: bigint, text: string, label: string, score: float, "
    "words: array<bigint>>>",
    "words_cut": "bigint",
    "image_missing": "boolean",
    "error": "string",
}
SCHEMA = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
"""Exit codes of success: 3 says that some posts could not be computed; their rows have an `error`."""
SUCCESS = (0, 3)
"""How much of the end of stderr an exception shows, in bytes."""
TAIL = 2000


def predict(model, program="smvae", threads=1, options=()):
    """A function for `DataFrame.mapInArrow`. `model` is a run folder, `threads` the cores of a task
    (`spark.task.cpus`), `options` are more arguments of `smvae predict`.

    The table has a column `text`, or `words` (an array), and perhaps `id` and `image`.
    A partition without rows starts no process.
    """
    command = [program, "predict", "--model", model, "--from", "arrow", "--to", "arrow"]
    command += ["--threads", str(threads), *options]

    def answer_partition(batches):
        first = next(batches, None)
        while first is not None and first.num_rows == 0:
            first = next(batches, None)
        if first is None:
            return
        with tempfile.TemporaryFile() as stderr:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
            feeder = Feeder(child.stdin, first, batches)
            rows, broken = 0, None
            try:
                feeder.start()
                try:
                    with pa.ipc.open_stream(child.stdout) as answers:
                        for batch in answers:
                            rows += batch.num_rows
                            # Spark takes columns by their position, whatever their names are.
                            yield batch.select(list(COLUMNS))
                except (pa.ArrowInvalid, OSError) as error:
                    # The program ended in the middle: its exit code and stderr say why.
                    broken = error
                child.stdout.close()
                code = child.wait()
                feeder.join()
            finally:
                # Also when Spark wants no more rows.
                child.kill()
                child.wait()
            if feeder.error:
                raise feeder.error
            if code not in SUCCESS or broken or rows != feeder.rows:
                why = tail(stderr) or broken or "nothing on stderr"
                raise RuntimeError(
                    f"{program} ended with exit code {code} after {rows} answers to {feeder.rows} posts:\n{why}"
                )

    return answer_partition


class Feeder(threading.Thread):
    """Writes posts into the program while the task reads its answers: neither waits for the other."""

    def __init__(self, pipe, first, rest):
        super().__init__(daemon=True)
        self.pipe, self.first, self.rest = pipe, first, rest
        self.rows, self.error = 0, None

    def run(self):
        try:
            with self.pipe, pa.ipc.new_stream(self.pipe, self.first.schema) as stream:
                batch = self.first
                while batch is not None:
                    self.rows += batch.num_rows
                    stream.write_batch(batch)
                    batch = next(self.rest, None)
        except BrokenPipeError:
            pass  # The program reads no more: its exit code says why, and rows are counted.
        except BaseException as error:
            self.error = error


def tail(stderr):
    stderr.seek(max(0, stderr.seek(0, 2) - TAIL))
    return stderr.read().decode(errors="replace").strip()

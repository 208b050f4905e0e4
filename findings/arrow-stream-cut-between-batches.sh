#!/usr/bin/env bash
# Arrow IPC streams: one that ends between two record batches, because its writer died, is read as a whole one.
#
# Found with pyarrow 26.0.1, Python 3.11.
#
# The format has an end-of-stream mark (8 bytes), but a writer may also just close the stream, so that a reader takes
# the end of the file for the end of the data. A pipe whose writer was killed after its first batch is therefore a
# shorter table, without an error. Only a cut inside a batch is noticed. A table that comes through a pipe is whole if
# the writer's exit code says so, or the rows are counted.
#
# Seen:
#     whole stream: 6 rows
#     cut after the first batch: 2 rows
#     cut inside the second batch: ArrowInvalid: Expected to read 152 metadata bytes, but only read 32
#
# Needs Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$work/venv/bin/python" - <<'PY'
import io, sys
import pyarrow as pa

stream = io.BytesIO()
batch = pa.RecordBatch.from_pydict({"post": ["one", "two"]})
ends = []
with pa.ipc.new_stream(stream, batch.schema) as writer:
    for _ in range(3):
        writer.write_batch(batch)
        ends.append(stream.tell())


def read(n_bytes):
    try:
        return pa.ipc.open_stream(io.BytesIO(stream.getvalue()[:n_bytes])).read_all().num_rows
    except Exception as error:
        return f"{type(error).__name__}: {error}"


whole, between, inside = read(None), read(ends[0]), read(ends[0] + 40)
print("whole stream:", whole, "rows")
print("cut after the first batch:", between, "rows")
print("cut inside the second batch:", inside)
as_found = whole == 6 and between == 2 and isinstance(inside, str)
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

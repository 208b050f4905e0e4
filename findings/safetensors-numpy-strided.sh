#!/usr/bin/env bash
# safetensors for numpy: a row of an array in Fortran order (of a pandas data frame, say) is written as other numbers.
#
# Found with safetensors 0.8.0, numpy 2.4.6, Python 3.11; 0.7.0 writes what it is given. Reported by others as
# safetensors #825, open when this was written.
#
# `save_file` and `save` of safetensors.numpy take the address of an array's first number and as many bytes from there as
# its numbers have, whatever its strides are. The row of an array in Fortran order has its numbers apart, and what lies
# between them is written instead; shape and type are right, and nothing is said. `np.ascontiguousarray` before it helps.
#
# Seen:
#     0.8.0 given [4.0, 5.0, 6.0, 7.0] read back [4.0, 8.0, 1.0, 5.0] from a copy [4.0, 5.0, 6.0, 7.0]
#     0.7.0 given [4.0, 5.0, 6.0, 7.0] read back [4.0, 5.0, 6.0, 7.0] from a copy [4.0, 5.0, 6.0, 7.0]
#
# Needs Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
cat >"$work/rows.py" <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

path, as_given = sys.argv[1], sys.argv[2] == "as given"
# Three rows of four, one column after the other in memory.
rows = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))
save_file({"row": rows[1], "copy": np.ascontiguousarray(rows[1])}, path)
read = load_file(path)
given, row, copy = rows[1].tolist(), read["row"].tolist(), read["copy"].tolist()
print(safetensors.__version__, "given", given, "read back", row, "from a copy", copy)
sys.exit((row == given) != as_given or copy != given)
PY
run() {
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "safetensors==$1" numpy==2.4.6
    "$work/venv/bin/python" "$work/rows.py" "$work/v.safetensors" "$2" || { echo "it behaves otherwise now"; exit 1; }
}
run 0.8.0 "otherwise"
run 0.7.0 "as given"
echo "as found"

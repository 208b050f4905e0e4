#!/usr/bin/env bash
# Runs check.py on a local Spark cluster with the demo's model: examples/spark/run.sh. Takes the program that `cargo test`
# built, or SMVAE_BIN. Spark comes from PyPI, into target/. Needs Java 17 or newer and Python 3.10 or newer; where they
# cannot be had it says that it was skipped. Takes a minute or two, the first time two more.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
    echo "Spark: skipped, $1" >&2
    exit 0
}
target=$(realpath "${CARGO_TARGET_DIR:-target}")
smvae=${SMVAE_BIN:-$target/debug/smvae}
java -version >/dev/null 2>&1 || skip "there is no Java"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip "there is no Python 3.10 or newer"
# As tests/venv.sh has it.
[ -n "${PREPARE:-}" ] || [ -x "$smvae" ] || { echo "there is no $smvae: cargo test builds it" >&2; exit 1; }

# It lasts as long as the requirements stay as they are.
venv=$target/spark-venv
if ! cmp -s examples/spark/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-compile --disable-pip-version-check -r examples/spark/requirements.txt
    cp examples/spark/requirements.txt "$venv"
fi

[ -z "${PREPARE:-}" ] || exit 0

work=$target/spark
rm -rf "$work"
mkdir "$work"
"$smvae" demo --out "$work/demo" >"$work/demo.log" 2>&1
# The cluster is all on this machine, whatever address its name has.
export SPARK_LOCAL_IP=127.0.0.1
# Java processes of a minute: compiling their code well takes longer than it saves.
export JAVA_TOOL_OPTIONS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
if ! "$venv/bin/python" examples/spark/check.py --smvae "$smvae" \
    --model "$work/demo/text-only" --corpus "$work/demo/corpus" --work "$work/tables" 2>"$work/log"; then
    tail -n 40 "$work/log" >&2
    exit 1
fi
# Logs of executors, which Spark leaves where it is installed.
rm -rf "$venv"/lib/python*/site-packages/pyspark/work

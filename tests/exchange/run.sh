#!/usr/bin/env bash
# Checks that other programs read what `smvae` writes, and that it reads what they write: pyarrow, pandas, polars, DuckDB,
# spaCy, Label Studio's SDK, doccano, Hugging Face datasets and hub, TensorBoard and seqeval, all from PyPI, into target/.
# Takes the program that `cargo test` built, or SMVAE_BIN. The first run downloads 400 MB; later ones take a minute. Where
# the packages cannot be had it says that it was skipped; where CI is set, that is a failure.
#
# Also that the packages still write what fixtures/ has, which `cargo test` reads; `run.sh --update` writes that anew.
set -euo pipefail
cd "$(dirname "$0")/../.."

what=exchange
. tests/venv.sh
# doccano wants versions of its own.
venv=$target/exchange-venv doccano=$target/exchange-doccano-venv
make_venv "$venv" tests/exchange/requirements.txt
make_venv "$doccano" tests/exchange/requirements-doccano.txt
prepared

fixtures=tests/exchange/fixtures
if [ "${1:-}" = --update ]; then
    exec "$venv/bin/python" tests/exchange/fixtures.py --doccano "$doccano/bin/python" "$fixtures"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$venv/bin/python" tests/exchange/fixtures.py --doccano "$doccano/bin/python" "$work/fixtures"
diff -r "$fixtures" "$work/fixtures" || { echo "exchange test: other programs write something else now" >&2 && exit 1; }
mkdir "$work/posts"
"$venv/bin/python" tests/exchange/exchange.py --smvae "$smvae" --work "$work/posts" --doccano "$doccano/bin/python"

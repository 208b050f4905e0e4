#!/usr/bin/env bash
# Checks that other programs read what `smvae` writes, and that it reads what they write: pyarrow, pandas, polars, DuckDB,
# spaCy, Label Studio's SDK, Hugging Face datasets and hub, TensorBoard and seqeval, all from PyPI, into target/. Takes the
# program that `cargo test` built, or SMVAE_BIN. The first run downloads 300 MB; later ones take half a minute. Where the
# packages cannot be had it says that it was skipped; where CI is set, that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing() {
    echo "exchange test: skipped, $1" >&2
    [ -z "${CI:-}" ] && exit 0
    exit 1
}

target=${CARGO_TARGET_DIR:-target}
smvae=$(realpath "${SMVAE_BIN:-$target/debug/smvae}")
[ -x "$smvae" ] || missing "there is no $smvae (cargo test builds it)"

venv=$target/exchange-venv
if ! cmp -s tests/exchange/requirements.txt "$venv/installed.txt"; then
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet -r tests/exchange/requirements.txt ||
        missing "the packages cannot be installed"
    cp tests/exchange/requirements.txt "$venv/installed.txt"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$venv/bin/python" tests/exchange/exchange.py --smvae "$smvae" --work "$work" "$@"

#!/usr/bin/env bash
# Checks that smvae and the Python package huggingface_hub share one cache: which folder it is under which variables, that
# each reads offline what the other wrote, and that neither fetches again what is there. The hub is a server on this machine.
# Takes the program that `cargo test` built, or SMVAE_BIN; the package from PyPI goes into target/. Half a minute. Where it
# cannot be had, the test says that it was skipped; where CI is set, that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing() {
    echo "hub test: skipped, $1" >&2
    [ -z "${CI:-}" ] && exit 0
    exit 1
}

target=${CARGO_TARGET_DIR:-target}
smvae=$(realpath "${SMVAE_BIN:-$target/debug/smvae}")
[ -x "$smvae" ] || missing "there is no $smvae (cargo test builds it)"

venv=$target/hub-venv
if ! cmp -s tests/hub/requirements.txt "$venv/installed.txt"; then
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet -r tests/hub/requirements.txt ||
        missing "the package cannot be installed"
    cp tests/hub/requirements.txt "$venv/installed.txt"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$venv/bin/python" tests/hub/shared_cache.py --smvae "$smvae" --work "$work"

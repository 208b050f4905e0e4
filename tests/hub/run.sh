#!/usr/bin/env bash
# Checks that smvae and the Python package huggingface_hub share one cache: which folder it is under which variables, that
# each reads offline what the other wrote, and that neither fetches again what is there. The hub is a server on this machine.
# Takes the program that `cargo test` built, or SMVAE_BIN; the package from PyPI goes into target/. Half a minute. Where it
# cannot be had, the test says that it was skipped; where CI is set, that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

what=hub
. tests/venv.sh
venv=$target/hub-venv
make_venv "$venv" tests/hub/requirements.txt
prepared
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$venv/bin/python" tests/hub/shared_cache.py --smvae "$smvae" --work "$work"

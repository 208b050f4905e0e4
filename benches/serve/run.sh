#!/usr/bin/env bash
# The load of benches/serve, ours and the peer's:
#
#     benches/serve/run.sh RUN POSTS.jsonl [options of load.py]
#
# Builds the program. Settings:
#     ENCODER=../shared/models/all-MiniLM-L6-v2    the peer's text encoder, which is the run's
#     PEER_VENV=DIR                 a virtual environment with benches/serve/requirements.txt, else target/peer/serve-venv
#     PEER=no                       without the peer
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
run=$1 posts=$2
shift 2
what=predict,clients,overload,idle,memory
cargo build --locked --release -p smvae-cli
python=python3
if [ "${PEER:-yes}" != no ]; then
    venv=${PEER_VENV:-target/peer/serve-venv}
    if [ ! -x "$venv/bin/python" ]; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet -r benches/serve/requirements.txt
    fi
    python=$(realpath -s "$venv/bin/python") what+=,peer
fi
python3 benches/serve/load.py --smvae "${CARGO_TARGET_DIR:-target}/release/smvae" --model "$run" --posts "$posts" \
    --what "$what" --peer-python "$python" --encoder "${ENCODER:-../shared/models/all-MiniLM-L6-v2}" "$@"

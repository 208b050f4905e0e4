#!/usr/bin/env bash
# Two programs side by side at `smvae predict`: posts per second, memory, start.
#
#   benches/predict/run.sh OLD NEW RUN POSTS.jsonl [ROUNDS]
#
# OLD and NEW are programs, RUN is a run folder, POSTS.jsonl has at least 20,000 posts. On two threads
# (THREADS says otherwise), without images; OLD and NEW take turns, and the middle of the rounds is
# told, since a machine is never quite quiet. Posts per second are those of the whole process, its
# start included. Needs python3 and nothing else.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,9p' "$0"; exit 2; }
exec python3 "$(dirname "$0")/measure.py" "$1" "$2" "$3" "$4" "${5:-5}" "${THREADS:-2}"

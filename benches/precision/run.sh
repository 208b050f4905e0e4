#!/usr/bin/env bash
# A trained model in f32 beside the same model in other forms: entities, posts per second, memory.
#
#   benches/precision/run.sh SMVAE RUN CORPUS POSTS.jsonl [ROUNDS]
#
# SMVAE is the program, RUN a run folder, CORPUS the corpus whose test split is scored ("" for none),
# POSTS.jsonl posts to predict. On one thread and on two (THREADS="1 2" says otherwise), without
# images. FORMS="f32 bf16 int8" compares more forms than "f32 int8"; f32 is always the first. They
# take turns, and the middle of the rounds is told, since a machine is never quite quiet. Posts per
# second are those of the whole process, its start included. JSON=FILE writes the figures to a file,
# too. Needs python3 and nothing else.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,11p' "$0"; exit 2; }
exec python3 "$(dirname "$0")/measure.py" "$1" "$2" "$3" "$4" "${5:-5}" "${THREADS:-1 2}" "${JSON:-}"

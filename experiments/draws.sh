#!/usr/bin/env bash
# The labelled tweets of the experiments here: draw N of a corpus is drawn by seed N, and with one seed fewer labels are
# part of more. Usage: experiments/draws.sh [PROGRAM [DATA]], from the root of the repository; DATA has the folders of the
# corpora. tests/suite/experiments.rs checks that the committed files are what this makes.
set -euo pipefail
smvae=${1:-smvae}
data=${2:-../shared/data}
for corpus in twitter2015 twitter2017; do
    for labels in 50 100 200; do
        for draw in 0 1 2 3 4 5 6 7 8 9; do
            "$smvae" draw --data "$data/$corpus" --labels "$labels" --seed "$draw" \
                --out "experiments/draws/$corpus-$labels-$draw.json" --overwrite
        done
    done
done

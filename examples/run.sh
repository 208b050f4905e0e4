#!/usr/bin/env bash
# Runs every example and compares what it prints with expected/NAME.txt. Decimals differ from processor to processor, so
# that they are compared as `#`; a line `...` stands for any number of lines. `examples/run.sh --update` writes the files
# anew, decimals as `#`.
set -euo pipefail
cd "$(dirname "$0")"

# With the features of the whole workspace, so that nothing is built that `cargo test` did not build.
(cd .. && cargo build --locked --quiet --workspace --examples)
target=${CARGO_TARGET_DIR:-../target}
failed=0
for example in *.rs; do
    name=$(basename "$example" .rs)
    got=$("$target/debug/examples/$name" </dev/null | sed -E 's/[0-9]+\.[0-9]+(e-?[0-9]+)?/#/g')
    expected=expected/$name.txt
    if [ "${1:-}" = --update ]; then
        printf '%s\n' "$got" >"$expected"
    elif awk '
        NR == FNR { want[++n] = $0; next }
        { got[++m] = $0 }
        END {
            j = 1; any = 0
            for (i = 1; i <= n; i++) {
                if (want[i] == "...") { any = 1; continue }
                while (any && j <= m && got[j] != want[i]) j++
                if (j > m || got[j] != want[i]) { print "line " i ": expected " want[i]; exit 1 }
                j++; any = 0
            }
            if (!any && j <= m) { print "more than expected: " got[j]; exit 1 }
        }' "$expected" <(printf '%s\n' "$got") >&2; then
        echo "$name: as expected"
    else
        printf '%s printed\n%s\n' "$name" "$got" >&2
        failed=1
    fi
done
exit "$failed"

#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for SECONDS each: fuzz/run.sh [SECONDS [TARGET...]]
#
# Begins with what fuzz/corpus keeps; what is found on the way goes to fuzz/found, which git ignores. Ends
# at the first target that crashes, hangs or takes too much memory, and says how to see it again. Needs a
# nightly toolchain and cargo-fuzz (cargo install cargo-fuzz --locked).
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cd fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
cargo +nightly fuzz build
for target in "${targets[@]}"; do
    echo "==> $target, $seconds s"
    mkdir -p "found/$target"
    # A read of a few kilobytes takes milliseconds, and megabytes: ten seconds and two gigabytes are faults.
    cargo +nightly fuzz run "$target" "found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 -max_len=8192 -print_final_stats=1 2>&1 |
        { grep -vE '^#|INFO|Running|Finished|Compiling' || true; }
done

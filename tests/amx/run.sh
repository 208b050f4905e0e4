#!/usr/bin/env bash
# The products by AMX, on a machine without it: in an emulator of a CPU that has it, under Linux.
#
#     tests/amx/run.sh [FILTER]...
#
# Runs the tests of the core's matrix products and of the layers made of them (or those that FILTER names) in the machine of
# machine.sh, and sees that the program finds AMX there. What this shows: that the instructions, the shapes and strides of the
# tiles and the system call are right, and that bf16 has the bits of the portable form. What it does not: speed, other threads
# (the machine has one), what Linux does to a process that has not asked, and the sign of int8's bytes, which this emulator has
# wrong and machine.sh mends: there it is our reading of the manual against our own.
#
# Takes Debian's packages, a C compiler and, the first time, a quarter of an hour for a small kernel; then a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- nn::matrix:: nn::prepared nn::precision
target=${CARGO_TARGET_DIR:-target}

cargo build --locked
tests=$(cargo test --locked --lib --no-run 2>&1 | sed -n 's/.*(\(.*smvae_core-[0-9a-f]*\)).*/\1/p')
[ -x "$tests" ] || { echo "amx: the tests of smvae-core were not built" >&2; exit 1; }

version=$(tests/amx/machine.sh "$target/debug/smvae" --version)
grep '^CPU\|on this CPU' <<<"$version"
grep -q 'bf16 on this CPU: AMX' <<<"$version" || { echo "amx: the program does not find AMX" >&2; exit 1; }

# One test at a time: the machine has one CPU.
output=$(tests/amx/machine.sh --env RUST_TEST_THREADS=1 --env PROPTEST_CASES=12 "$tests" --nocapture "$@" | tee /dev/stderr)
if grep -q 'skipped: this CPU has no AMX' <<<"$output"; then
    echo "amx: tests of AMX were skipped" >&2
    exit 1
fi

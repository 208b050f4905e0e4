#!/usr/bin/env bash
# Packs the crates that are to be published, as `cargo publish` would, and fails where one is larger
# than LIMIT bytes or lacks what a registry shows. They are not built from their packages again, which
# takes most of an hour: drop --no-verify before a release.
set -euo pipefail
cd "$(dirname "$0")/.."
# Sources of today's largest crate take 213 kB, kernels as PTX less; what must not get in is data and pictures.
LIMIT=${LIMIT:-300000}
crates=(smvae-kernels smvae-core smvae-data smvae-encoders smvae smvae-serve smvae-cli)
packages=${CARGO_TARGET_DIR:-target}/package
rm -f "$packages"/*.crate
cargo package --locked --offline --quiet --allow-dirty --no-verify "${crates[@]/#/--package=}"
for crate in "${crates[@]}"; do
    package=$(ls "$packages/$crate"-[0-9]*.crate)
    bytes=$(stat -c %s "$package")
    echo "$crate: $bytes bytes"
    [ "$bytes" -le "$LIMIT" ] || { echo "more than $LIMIT: see include in its Cargo.toml" >&2; exit 1; }
    files=$(tar tf "$package")
    for file in README.md LICENSE-MIT LICENSE-APACHE; do
        grep -q "/$file\$" <<<"$files" || { echo "there is no $file in it" >&2; exit 1; }
    done
done

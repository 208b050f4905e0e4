#!/usr/bin/env bash
# Checks `smvae report` and the page of `smvae serve` in a real Chromium: tests/browser/run.sh [report|serve [options of
# report.py or serve.py]]. Takes the program that `cargo test` built, or SMVAE_BIN. Chromium comes from the system
# (SMVAE_CHROMIUM, or chromium on the PATH; as root it is installed with apt-get), playwright from PyPI and axe-core from npm,
# both into target/. Where they cannot be had it says that it was skipped; where CI is set, that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

what=browser
. tests/venv.sh
find_browser() { command -v "${SMVAE_CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome; }
if ! find_browser >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    (apt-get update && apt-get install -y --no-install-recommends chromium) >"$target/chromium.log" 2>&1 || true
fi
browser=$(find_browser) || missing "there is no Chromium (apt-get install chromium)"

venv=$target/browser-venv
make_venv "$venv" tests/browser/requirements.txt

# Rules of accessibility; a page is also checked without them, but for that.
axe=$target/axe-core-4.10.3.min.js
get_axe() {
    command -v npm >/dev/null || return 1
    (cd "$target" && npm pack --silent axe-core@4.10.3 >/dev/null && tar xzf axe-core-4.10.3.tgz package/axe.min.js &&
        mv package/axe.min.js "${axe##*/}" && rm -r package axe-core-4.10.3.tgz)
}

[ -f "$axe" ] || get_axe || [ -z "${CI:-}" ] || missing "axe-core cannot be had (npm)"
prepared

check() {
    local page=$1
    shift
    [ ! -f "$axe" ] || set -- --axe "$axe" "$@"
    "$venv/bin/python" "tests/browser/$page.py" --smvae "$smvae" --chromium "$browser" "$@"
}

if [ $# -gt 0 ]; then
    check "$@"
else
    check report
    check serve
fi

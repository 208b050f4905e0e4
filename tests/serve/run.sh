#!/usr/bin/env bash
# A service beside other programs: schemathesis asks every route of /openapi.json for what it should and should not be
# asked, and the clients of Triton and KServe ask the model. tests/serve/run.sh [RUN] takes the program that `cargo test`
# built, or SMVAE_BIN, and the small run that the tests of smvae-serve left. The clients come from PyPI, into target/ (560
# MB, a minute or two); after that it takes 15 seconds. Where they cannot be had it says that it was skipped; where CI is
# set, that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

what=service
. tests/venv.sh
venv=$target/serve-venv
make_venv "$venv" tests/serve/requirements.txt
prepared
run=${1:-$target/tmp/smvae-serve/run}
[ -f "$run/config.json" ] || missing "there is no $run (cargo test makes it)"

work=$(mktemp -d)
"$smvae" serve --model "$run" --port 0 --log off >"$work/address" &
service=$!
trap 'kill $service 2>/dev/null; wait $service 2>/dev/null; rm -rf "$work"' EXIT
for _ in {1..200}; do
    [ -s "$work/address" ] && break
    kill -0 $service 2>/dev/null || { echo "the service does not start" >&2; exit 1; }
    sleep 0.1
done
url=$(cat "$work/address")

"$venv/bin/python" tests/serve/clients.py "$url"
# Not every rule of a post can be said in a schema, such as that its text holds its words: a request that the schema allows
# may be refused. POST /v1/reload is forbidden without a key.
(cd "$work" && "$venv/bin/schemathesis" run "$url/openapi.json" --seed 1 --max-examples 25 --phases examples,coverage,fuzzing \
    --exclude-checks positive_data_acceptance --generation-database none --request-timeout 60 --no-color >"$work/log" 2>&1) ||
    { cat "$work/log" >&2; exit 1; }
grep -E "generated|Tested" "$work/log"

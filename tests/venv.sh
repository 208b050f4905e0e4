# Sourced in the repository's root by tests that need packages of PyPI: `what` names the test. Sets `target` and `smvae`, and
# skips the test where something is missing; where CI is set, that is a failure. With PREPARE=1 a test gets what it needs and
# ends there (`prepared`): .ci/run does that while Rust compiles.
missing() {
    echo "$what test: skipped, $1" >&2
    [ -z "${CI:-}" ] && exit 0
    exit 1
}

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
smvae=$(realpath -m "${SMVAE_BIN:-$target/debug/smvae}")
[ -n "${PREPARE:-}" ] || [ -x "$smvae" ] || missing "there is no $smvae (cargo test builds it)"

# make_venv FOLDER REQUIREMENTS: an environment with these packages, made anew when the file changes.
make_venv() {
    cmp -s "$2" "$1/installed.txt" && return
    rm -rf "$1"
    # What is imported is compiled then, which is a small part.
    python3 -m venv "$1" && "$1/bin/pip" install --quiet --no-compile -r "$2" || missing "the packages of $2 cannot be installed"
    cp "$2" "$1/installed.txt"
}

prepared() {
    [ -z "${PREPARE:-}" ] || exit 0
}

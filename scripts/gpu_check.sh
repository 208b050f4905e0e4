#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: does it compute what the CPU does, how fast, and in how much memory?
#
#     scripts/gpu_check.sh first        a minute: what is there, and every operation on the GPU against the CPU
#     scripts/gpu_check.sh              that, and if it passed the rest, within eight minutes
#
# Needs the sources, what gpu_pack.sh left in target/gpu-pack, a driver, and cuBLAS 13 and cuRAND 10: on the library path, in
# a CUDA folder, or in the nvidia packages of a Python. For the comparison a Python with torch and transformers; for pictures
# also torchvision and PIL; for errors that nothing else shows compute-sanitizer. What is missing is said first, and rows of
# the table say that they were left out. No compiler, no network.
#
# The rest are, in this order: the suite's gradients, goldens, resuming and runs on the GPU; one seed twice and a run that was
# stopped and resumed, weights compared bit by bit; speed and memory of training steps and evaluation beside PyTorch eager,
# both in TF32; features of pictures beside torchvision, both in bf16; compute-sanitizer; the suite's other tests.
#
# Leaves table.md, table.json and the logs in OUT. Exit code 1 if something computed wrongly, 3 if nothing can be run; speed
# alone fails nothing. Settings:
#     OUT=target/gpu-check         PACK=target/gpu-pack         PYTHON=python3
#     LIMIT=460                    seconds for all of it: what does not fit is left out
#     SIZES="minilm base"          STEPS=30 PICTURES=10000      of the comparison
#     THREADS=                     of both sides; the number of cores
#     DEVICE=cuda                  or cpu, which tries this script with a pack made by FEATURES= gpu_pack.sh
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=$(realpath -m "${OUT:-target/gpu-check}") PACK=${PACK:-target/gpu-pack} PYTHON=${PYTHON:-python3}
LIMIT=${LIMIT:-460} SIZES=${SIZES:-minilm base} STEPS=${STEPS:-30} PICTURES=${PICTURES:-10000}
THREADS=${THREADS:-$(nproc)} DEVICE=${DEVICE:-cuda}
what=${1:-all}
case $what in first | all) ;; *) echo "usage: scripts/gpu_check.sh [first]" >&2 && exit 2 ;; esac
rm -rf "$OUT"
mkdir -p "$OUT"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0

# Rows of the table, which is written after each, so that it is there when the time is over.
# row CHECK RESULT PEER RATIO WANTED VERDICT
row() {
    local cells=("$@" "$SECONDS")
    (IFS=$'\t' && printf '%s\n' "${cells[*]}" >>"$OUT/rows")
    printf '%4s s  %s: %s%s%s  %s\n' "$SECONDS" "$1" "$2" "${3:+, peer $3}" "${4:+, ratio $4 (wanted $5)}" "$6"
    [ "$6" != WRONG ] || wrong=1
    {
        printf '%s\n\n' "$(head -n 1 "$OUT/facts")"
        echo '| check | result | peer | ratio | wanted | verdict | after, s |'
        echo '|---|---|---|---|---|---|---|'
        sed 's/\t/ | /g; s/^/| /; s/$/ |/' "$OUT/rows"
    } >"$OUT/table.md"
    # Cells are numbers and words of this script: of what JSON escapes, facts alone may have quotes.
    {
        printf '{"facts": ['
        sed 's/[\\"]//g; s/.*/"&"/' "$OUT/facts" | paste -sd, -
        printf '], "rows": [\n'
        awk -F'\t' '{ printf "%s{\"check\": \"%s\", \"result\": \"%s\", \"peer\": \"%s\", \"ratio\": \"%s\", \"wanted\": \"%s\", \"verdict\": \"%s\", \"after_s\": %s}",
            NR == 1 ? "" : ",\n", $1, $2, $3, $4, $5, $6, $7 }' "$OUT/rows"
        printf '\n]}\n'
    } >"$OUT/table.json"
}
fact() { echo "$*" | tee -a "$OUT/facts"; }
none() {
    echo "gpu_check: $*" >&2
    exit 3
}
left() { echo $((LIMIT - SECONDS)); }
# What is said of a command that failed: it may be the time that was over.
failure() { [ "$(left)" -gt 5 ] && echo WRONG || echo "no time"; }
# within SECONDS COMMAND...: 124 if they, or what is left of all of them, are over.
within() {
    local most=$1
    shift
    [ "$(left)" -gt 5 ] || return 124
    timeout --kill-after 5 "$((most < $(left) ? most : $(left)))" "$@"
}
# number NAME: of one line of JSON.
number() { sed -n "s/.*\"$1\": *\(-\{0,1\}[0-9][-+.0-9eE]*\).*/\1/p"; }
rounded() { awk '{ printf "%.1f", $1 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
# verdict RATIO at-least|at-most WANTED
verdict() { awk -v r="$1" -v w="$3" -v sign="$2" 'BEGIN { print (sign == "at-least" ? r >= w : r <= w) ? "reached" : "missed" }'; }

# What is there.

find_libraries() {
    local name folder found path=${LD_LIBRARY_PATH:-}
    for name in libcublas.so.13 libcublasLt.so.13 libcurand.so.10; do
        found=$(ldconfig -p 2>/dev/null | awk -v name="$name" '$1 == name { print $NF; exit }') || true
        for folder in ${path//:/ } /usr/local/cuda*/lib64 /usr/local/cuda*/targets/x86_64-linux/lib $nvidia; do
            [ -z "$found" ] && [ -e "$folder/$name" ] && found=$folder/$name
        done
        [ -n "$found" ] || { missing+=" $name" && continue; }
        case ":${LD_LIBRARY_PATH:-}:" in
        *":${found%/*}:"*) ;;
        *) export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${found%/*} ;;
        esac
    done
}

look() {
    local missing="" nvidia="" gpu="no GPU: a trial on the processor"
    [ -f "$PACK/pack.tar.xz" ] || none "there is no $PACK/pack.tar.xz: scripts/gpu_pack.sh makes it"
    if ! tar -C "$work" -xf "$PACK/pack.tar.xz" 2>"$OUT/unpack.log"; then
        "$PYTHON" -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$PACK/pack.tar.xz" "$work" ||
            none "the pack cannot be opened: $(head -n 1 "$OUT/unpack.log")"
    fi
    python=$("$PYTHON" -c 'import torch, transformers, safetensors, tokenizers
print(torch.__version__, torch.cuda.is_available())' 2>"$OUT/python.log") || python=""
    if [ "$DEVICE" != cpu ]; then
        ! grep -q '^features none$' "$work/about" || none "this pack is for the processor: scripts/gpu_pack.sh without FEATURES="
        gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | head -n 1) ||
            none "nvidia-smi does not work: $gpu"
        nvidia=$("$PYTHON" -c 'import glob, nvidia
print(*(d for p in nvidia.__path__ for d in glob.glob(p + "/*/lib")))' 2>/dev/null) || true
        find_libraries
        [ -z "$missing" ] || none "these libraries were not found:$missing (LD_LIBRARY_PATH, /usr/local/cuda*, Python's packages)"
        if [ -n "$python" ] && [ "${python#* }" != True ]; then
            echo "PyTorch ${python% *} sees no GPU" >&2
            python=""
        fi
    fi
    version=$("$work/bin/smvae" --version 2>&1 | head -n 1) || none "the program does not start: $version"
    fact "$gpu; $(nproc) cores, $THREADS threads"
    fact "$version; $(paste -sd, "$work/about")"
    fact "PyTorch: ${python:-none, nothing is compared (see python.log)}"
    sanitizer=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer) || true
    fact "compute-sanitizer: ${sanitizer:-none}"
    shared=$work/shared
    [ -d "$shared/data" ] || { shared="" && fact "the pack has no shared data: nothing is compared with PyTorch"; }
}

# What it computes.

# tests NAME SECONDS COMMAND...: tests of a binary, with what they passed and failed; by each test's own line where the time cut
# the summary off. Tests that need the shared data are left out: the pack has a part of it.
tests() {
    local name=$1 most=$2 status=0 log passed failed
    shift 2
    log=$OUT/${name//[^a-z]/-}.log
    # The backward pass walks the graph recursively, and tests run on threads with small stacks. The suite looks for files
    # beside the folder that cargo would name.
    within "$most" env SMVAE_DEVICE="$DEVICE" RUST_MIN_STACK=$((256 << 20)) CARGO_MANIFEST_DIR="$PWD/tests" \
        SMVAE_SHARED=/nowhere "$@" >"$log" 2>&1 || status=$?
    read -r passed failed < <(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/p' "$log") || true
    passed=${passed:-$(grep -c '^test .* ok$' "$log" || true)} failed=${failed:-$(grep -c '^test .* FAILED$' "$log" || true)}
    if [ "$status" = 124 ]; then
        row "$name" "$passed passed, $failed failed, then the time was over" "" "" "" "$([ "$failed" = 0 ] && echo unfinished || echo WRONG)"
    elif [ "$status" = 0 ] && [ "$passed" -gt 0 ]; then
        row "$name" "$passed passed" "" "" "" passed
    else
        tail -n 30 "$log" >&2
        row "$name" "$passed passed, $failed failed, exit code $status" "" "" "" WRONG
    fi
}

# Loss and norm of the gradients of one step on both devices, in f32.
same_loss() {
    local size=$1 option on_cpu got want off
    for option in "" --semi; do
        # shellcheck disable=SC2086,SC2015 # no word where there is no option; the row is for either failure.
        on_cpu=$(ours check $option --run "$work/$size" --device cpu) && got=$(ours check $option --run "$work/$size" --device "$DEVICE") ||
            { row "$size, one step${option:+, semi}" "error (ours.log)" "" "" "" "$(failure)" && continue; }
        off=$(for name in loss grad_norm; do
            want=$(number $name <<<"$on_cpu")
            awk -v a="$(number $name <<<"$got")" -v b="$want" 'BEGIN { d = (a - b) / b; print d < 0 ? -d : d }'
        done | sort -g | tail -n 1)
        row "$size, one step${option:+, semi}, against the CPU" "differs by $off" "" "" "at most 1e-4" \
            "$(awk -v d="$off" 'BEGIN { print d <= 1e-4 ? "passed" : "WRONG" }')"
    done
}

# One seed twice, and stopped after three steps of six and resumed.
same_bits() {
    local train=("$work/bin/smvae" train --quiet --data "$work/corpus" --image-features "$work/corpus/features.safetensors"
        --text-encoder tiny --labelled 40 --semi --batch-size 8 --epochs 2 --max-steps 6 --checkpoint-every 3 --device "$DEVICE")
    local run twice="other bits" resumed="other bits" pid
    for run in one two; do
        within 60 "${train[@]}" --out "$work/$run" >>"$OUT/bits.log" 2>&1 || { row "same seed twice" "error (bits.log)" "" "" "" "$(failure)" && return; }
    done
    cmp -s "$work/one/weights.safetensors" "$work/two/weights.safetensors" && twice="the same bits"
    row "same seed twice" "$twice" "" "" "" "$([ "$twice" = "the same bits" ] && echo passed || echo WRONG)"
    # A kill leaves the folder as it is at that moment: the first checkpoint is the moment.
    "${train[@]}" --out "$work/killed" >>"$OUT/bits.log" 2>&1 &
    pid=$!
    until [ -e "$work/killed/checkpoint/state.json" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    if [ -e "$work/killed/checkpoint" ]; then
        # On the device where it began.
        within 60 "$work/bin/smvae" train --quiet --resume "$work/killed" >>"$OUT/bits.log" 2>&1 || resumed="error (bits.log)"
        cmp -s "$work/one/weights.safetensors" "$work/killed/weights.safetensors" && resumed="the same bits"
        row "killed and resumed" "$resumed" "" "" "" "$([ "$resumed" = "the same bits" ] && echo passed || echo WRONG)"
    else
        row "killed and resumed" "it was done before it could be killed" "" "" "" "left out"
    fi
}

sanitize() {
    local tool status=0 log
    [ "$DEVICE" != cpu ] && [ -n "$sanitizer" ] || { row compute-sanitizer "" "" "" "" "left out"; return; }
    for tool in memcheck racecheck; do
        log=$OUT/$tool.log status=0
        SMVAE_DEVICE=$DEVICE RUST_MIN_STACK=$((256 << 20)) within 70 "$sanitizer" --tool $tool --error-exitcode 9 \
            "$work/bin/core_tests" device_tests --test-threads 1 >"$log" 2>&1 || status=$?
        if [ $status = 0 ]; then
            row "compute-sanitizer $tool" "$(grep -c '^test .* ok$' "$log") tests clean" "" "" "" passed
        elif grep -q 'Device not supported\|LibraryNotLoaded' "$log"; then
            row "compute-sanitizer $tool" "refuses this device" "" "" "" "left out"
        elif [ $status = 124 ]; then
            row "compute-sanitizer $tool" "$(grep -c '^test .* ok$' "$log" || true) tests, then the time was over" "" "" "" \
                "$(grep -q '^========= .*Invalid\|hazard' "$log" && echo WRONG || echo unfinished)"
        else
            row "compute-sanitizer $tool" "errors, exit code $status" "" "" "" WRONG
        fi
    done
}

# How fast.

ours() { RAYON_NUM_THREADS=$THREADS CANDLE_NUM_THREADS=1 within 120 "$work/bin/peer_ours" "$@" --shared "$shared" 2>>"$OUT/ours.log"; }
peer() {
    OMP_NUM_THREADS=$THREADS TOKENIZERS_PARALLELISM=true within 120 "$PYTHON" benches/peer/peer.py "$@" \
        --threads "$THREADS" --shared "$shared" 2>>"$OUT/peer.log"
}
# watched COMMAND...: one line of JSON, then the most memory in MiB: of the GPU, all programs, or on a CPU of the process.
watched() {
    local line watcher
    if [ "$DEVICE" = cpu ]; then
        line=$("$@") || return 1
        printf '%s\n%s\n' "$line" "$(number peak_mib <<<"$line")"
        return
    fi
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 50 >"$work/memory" 2>/dev/null &
    watcher=$!
    line=$("$@") || { kill $watcher; return 1; }
    kill $watcher
    wait $watcher 2>/dev/null || true
    printf '%s\n%s\n' "$line" "$(sort -n "$work/memory" | tail -n 1)"
}

# compare SIZE WORK PEER_VARIANT WANTED OURS_LINES PEER_OPTIONS...
compare() {
    local name="$1, $2, $3" wanted=$4 mine=$5 theirs a b
    shift 5
    a=$(number tweets_per_s <<<"$mine" | rounded)
    if [ -z "$python" ] || ! theirs=$(watched peer "$@" --device "$DEVICE"); then
        row "$name: tweets/s" "$a" "" "" "$wanted" "$([ -z "$python" ] && echo "no peer" || { [ "$(left)" -gt 5 ] && echo "peer failed" || echo "no time"; })"
        return
    fi
    b=$(number tweets_per_s <<<"$theirs" | rounded)
    row "$name: tweets/s" "$a" "$b" "$(ratio "$a" "$b")" "at least $wanted" "$(verdict "$(ratio "$a" "$b")" at-least "$wanted")"
    [ "$1" != evaluate ] || return 0
    a=$(tail -n 1 <<<"$mine" | rounded) b=$(tail -n 1 <<<"$theirs" | rounded)
    row "$name: MiB" "$a" "$b" "$(ratio "$a" "$b")" "at most 1.00" "$(verdict "$(ratio "$a" "$b")" at-most 1)"
}

speed() {
    local size semi mine name shuffled run
    [ -n "$shared" ] || { row "speed beside PyTorch" "" "" "" "" "left out" && return; }
    for size in $SIZES; do
        run=$work/$size
        [ "$size" = base ] && shuffled=1.2 || shuffled=1.5
        for semi in "" --semi; do
            name="step${semi:+, semi-supervised}"
            # shellcheck disable=SC2086 # no word where there is no option.
            mine=$(watched ours train --run "$run" --device "$DEVICE" --steps "$STEPS" $semi) ||
                { row "$size, $name" "error (ours.log)" "" "" "" "$(failure)" && continue; }
            # shellcheck disable=SC2086
            compare "$size" "$name" "the same batches" $shuffled "$mine" train --run "$run" --steps "$STEPS" $semi
            # shellcheck disable=SC2086
            compare "$size" "$name" sorted 1.0 "$mine" train --run "$run" --steps "$STEPS" $semi --sorted
        done
        mine=$(watched ours evaluate --run "$run" --device "$DEVICE") || { row "$size, evaluation" "error (ours.log)" "" "" "" "$(failure)" && continue; }
        compare "$size" evaluation sorted 1.2 "$mine" evaluate --run "$run"
    done
}

pictures() {
    local name mine theirs start peer=("$PYTHON" benches/vision/pictures.py) dtype=bf16
    [ "$DEVICE" != cpu ] || dtype=f32
    "${peer[@]}" make "$work/pictures" "$PICTURES" "$work" 2>"$OUT/pictures.log" || { row "features of pictures" "" "" "" "" "left out" && return; }
    for name in resnet50 vit_b_16; do
        start=$(date +%s.%N)
        within 90 "$work/bin/smvae" features --quiet --images "$work/pictures" --vision "$work/$name.safetensors" --dtype $dtype \
            --batch 64 --threads "$THREADS" --device "$DEVICE" --out "$work/$name.vectors.safetensors" >>"$OUT/pictures.log" 2>&1 ||
            { row "features, $name" "error or no time (pictures.log)" "" "" "" unfinished && continue; }
        mine=$(date +%s.%N | awk -v n="$PICTURES" -v start="$start" '{ printf "%.1f", n / ($1 - start) }')
        theirs=$(within 90 "${peer[@]}" run "$name" "$work/pictures" "$work" "$DEVICE" "$THREADS" 2>>"$OUT/pictures.log" | number pictures_per_s) || theirs=""
        [ -n "$theirs" ] || { row "features, $name: pictures/s" "$mine" "" "" 1.0 "peer failed" && continue; }
        row "features, $name: pictures/s" "$mine" "$theirs" "$(ratio "$mine" "$theirs")" "at least 1.00" \
            "$(verdict "$(ratio "$mine" "$theirs")" at-least 1)"
    done
}

look
tests "operations and steps against the CPU" 60 "$work/bin/core_tests" device_tests
if [ -n "$shared" ]; then
    for size in $SIZES; do
        [ "$what" = all ] || [ "$size" = minilm ] || continue
        ours prepare --size "$size" --run "$work/$size" >/dev/null || none "random weights cannot be made: see $OUT/ours.log"
        same_loss "$size"
    done
fi
if [ "$what" = all ] && [ $wrong = 0 ]; then
    # One at a time: memory of the GPU is watched by nobody here, but each test trains on it.
    tests "suite: gradients, goldens, resuming, runs" 90 "$work/bin/suite" gradients parity_golden minilm_golden resume runs --test-threads 1
    same_bits
    speed
    pictures
    sanitize
    # The rest, as far as the time goes: tests that read files of the house are no matter of the device.
    tests "suite: everything else" 120 "$work/bin/suite" --skip gradients --skip parity_golden --skip minilm_golden --skip resume \
        --skip runs --skip tidy --skip figures --test-threads 1
fi
cat "$OUT/table.md"
exit $wrong

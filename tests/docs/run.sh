#!/usr/bin/env bash
# Runs the commands of the documents as a reader would who copies them: every ```sh block of
# README.md, RESULTS.md, experiments/README.md, docs/*.md and the pages of examples/, page by page,
# in a temporary folder, with the program that `cargo test` built (or SMVAE_BIN). Needs no network,
# no data and no model. Takes one to two minutes.
#
# A page's folder has `my-corpus`, the corpus that the README's demo makes, with a few invented
# images. A block that cannot be run has the line `<!-- not run: REASON -->` before it; of its
# commands the options alone are checked, against `--help`. A block of another language that follows
# `<!-- file: NAME -->` is that file. Three things stand in for what a reader has:
# - models of the hub are small ones, in a cache of their own and without a connection;
# - `smvae train` ends after a few steps;
# - `cargo run --release --bin smvae --` is the built program, and `cargo test` and `cargo install`
#   do nothing: .ci/run has these.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
pages=(README.md RESULTS.md experiments/README.md docs/*.md examples/*.md examples/*/*.md)
smvae=$(realpath "${SMVAE_BIN:-${CARGO_TARGET_DIR:-target}/debug/smvae}")
[ -x "$smvae" ] || { echo "there is no $smvae: cargo test builds it" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/home"
ran=0 left_out=0

main() {
    write_stand_ins
    mkdir "$work/README.md"
    # Dangling until the demo has been run.
    ln -s runs/demo-0/corpus "$work/README.md/my-corpus"
    for page in "${pages[@]}"; do
        if [ "$page" != README.md ]; then
            mkdir -p "$work/$page"
            cp -r "$work/corpus" "$work/$page/my-corpus"
        fi
        check_links "$page"
        run_page "$page"
        [ "$page" != README.md ] || corpus_with_images
    done
    echo "documents: $ran blocks of commands ran, $left_out have a reason not to"
}

fail() {
    echo "$*" >&2
    exit 1
}

# Reads a page and does what its blocks ask for.
run_page() {
    local page=$1 number=0 begin=0 comment="" fence="" block="" line
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        if [ -n "$fence" ]; then
            if [ "$line" = '```' ]; then
                do_block "$page:$begin" "$fence" "$comment" "$block"
                fence="" comment=""
            else
                block+=$line$'\n'
            fi
        elif [[ $line == '```'* ]]; then
            fence=${line#'```'} block="" begin=$number
            [ -n "$fence" ] || fail "$page:$number: a block must name its language"
        elif [[ $line =~ ^'    '(smvae|cargo|python|scripts/|echo) ]]; then
            fail "$page:$number: commands stand in blocks of sh"
        elif [[ $line == '<!-- not run: '* || $line == '<!-- file: '* ]]; then
            comment=$line
        else
            [ -z "$comment" ] || fail "$page:$((number - 1)): this line must stand right before a block"
        fi
    done <"$page"
}

do_block() {
    local at=$1 language=$2 comment=$3 block=$4 place log
    place=$work/${at%:*}
    if [[ $comment == '<!-- file: '* ]]; then
        comment=${comment#'<!-- file: '}
        printf '%s' "$block" >"$place/${comment%' -->'}"
    elif [ "$language" != sh ]; then
        return 0
    elif [ -n "$comment" ]; then
        [[ $comment =~ ^'<!-- not run: '.{8,}' -->'$ ]] || fail "$at: why is it not run?"
        check_options "$at" "$block"
        left_out=$((left_out + 1))
    else
        log=$work/log
        if ! (cd "$place" && env -u HF_TOKEN -u HF_ENDPOINT -u HF_HUB_CACHE PATH="$work/bin:$PATH" HOME="$work/home" HF_HOME="$work/hub" \
            HF_HUB_OFFLINE=1 XDG_CACHE_HOME="$work/cache" bash -euo pipefail -c "$block" >"$log" 2>&1 </dev/null); then
            cat "$log" >&2
            fail "$at: these commands do not work:"$'\n'"$block"
        fi
        [[ $block != *'-- demo'* ]] || { compare_demo "$log" && try_next "$log" "$place"; }
        ran=$((ran + 1))
    fi
}

# Says where this machine's demo has other figures than the README, which is no mistake: sums are
# rounded otherwise. The last column is seconds.
compare_demo() {
    local row
    while IFS= read -r row; do
        grep -qF "${row% *}" "$1" || echo "note: the demo of this machine has no row: ${row% *}"
    done < <(grep '^text .*[0-9]$' README.md)
}

# Runs what the demo suggests, as it stands there, and sees that the model of the last command is as
# good as the demo says.
try_next() {
    local line commands=0 f1
    while IFS= read -r line; do
        (cd "$2" && bash -c "'$smvae' ${line#*smvae }" >"$work/next" 2>&1 </dev/null) ||
            { cat "$work/next" >&2 && fail "the demo suggests what does not work: $line"; }
        commands=$((commands + 1))
    done < <(sed -n '/^Next/,$ s/^  smvae /smvae /p' "$1")
    [ $commands -ge 4 ] || fail "the demo suggests $commands commands"
    f1=$(cd "$2" && "$smvae" eval --model runs/mine --data runs/demo-0/corpus |
        awk '$1 == "overall" { print $4 }')
    [ "${f1%.*}" -ge 70 ] || fail "the last command that the demo suggests has F1 $f1 on test, not above 70"
    rm -r "$2/runs/mine"
}

# Whether the program knows the options of commands that are not run.
check_options() {
    local at=$1 block=${2//\\$'\n'/ } line words option help
    while IFS= read -r line; do
        read -ra words <<<"$line"
        [ "${words[0]:-}" = smvae ] || continue
        [[ ${words[1]} != --* ]] || words=(smvae train "${words[@]:1}")
        help=$("$smvae" "${words[1]}" --help) || fail "$at: there is no command ${words[1]}"
        for option in "${words[@]:2}"; do
            # That one is hidden: it means nothing here.
            [[ $option == --* && $option != --save_model ]] || continue
            grep -q -e "$option\b" <<<"$help" || fail "$at: smvae ${words[1]} has no option $option"
        done
    done <<<"$block"
}

# Links to files of the repository lead to files.
check_links() {
    local target
    while IFS= read -r target; do
        [[ $target != http* && $target != '#'* ]] || continue
        [ -e "$(dirname "$1")/${target%%#*}" ] || fail "$1: there is no $target"
    done < <(grep -o ']([^)]*)' "$1" | sed 's/^](//; s/)$//')
}

# The demo's corpus and, for some of its posts, a picture of one pixel.
corpus_with_images() {
    local id
    cp -r "$work/README.md/runs/demo-0/corpus" "$work/corpus"
    mkdir "$work/corpus/images"
    for id in $(sed -n 's/^IMGID://p' "$work"/corpus/{train,valid,test}.txt | awk 'NR % 20 == 1'); do
        # BMP: a header of 54 bytes, a pixel of 24 bits, filled up to four bytes.
        printf 'BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0' >"$work/corpus/images/$id.bmp"
        printf '\0%.0s' {1..24} >>"$work/corpus/images/$id.bmp"
        printf "\\x$(printf %02x $((RANDOM % 256)))\\x64\\xc8\\0" >>"$work/corpus/images/$id.bmp"
    done
}

write_stand_ins() {
    cat >"$work/bin/smvae" <<EOF
#!/usr/bin/env bash
case " \$* " in
*" --resume "* | *" --mode test "* | *" --help "*) ;;
" train "* | " --"*) set -- "\$@" --max-steps 6 ;;
esac
exec "$smvae" "\$@"
EOF
    cat >"$work/bin/cargo" <<EOF
#!/usr/bin/env bash
case "\$*" in
"run --release --bin smvae -- "*) shift 5 && exec smvae "\$@" ;;
test) ;;
"install --path crates/smvae-cli --locked") [ -f "$root/crates/smvae-cli/Cargo.toml" ] ;;
*) echo "tests/docs/run.sh does not know: cargo \$*" >&2 && exit 1 ;;
esac
EOF
    chmod +x "$work/bin/smvae" "$work/bin/cargo"
    cp "$root"/tests/golden/hf_families/bert/{config,tokenizer,tokenizer_config}.json \
        "$root/tests/golden/hf_families/bert/model.safetensors" "$(in_hub sentence-transformers/all-MiniLM-L6-v2)"
    small_resnet "$(in_hub microsoft/resnet-50)"
}

# The folder of a model in the hub's cache.
in_hub() {
    local commit=0123456789012345678901234567890123456789 folder=$work/hub/hub/models--${1//\//--}
    mkdir -p "$folder/refs" "$folder/snapshots/$commit"
    printf '%s' $commit >"$folder/refs/main"
    echo "$folder/snapshots/$commit"
}

# A ResNet of one block, as transformers has it, with the same number everywhere.
small_resnet() {
    local header="" at=0 layer norm
    tensor() {
        header+="\"$1\":{\"dtype\":\"F32\",\"shape\":[$2],\"data_offsets\":[$at,$((at + 4 * $3))]},"
        at=$((at + 4 * $3))
    }
    for layer in embedder.embedder encoder.stages.0.layers.0.layer.0 encoder.stages.0.layers.0.layer.1; do
        if [ $layer = embedder.embedder ]; then tensor $layer.convolution.weight 4,3,7,7 588; else
            tensor $layer.convolution.weight 4,4,3,3 144
        fi
        for norm in weight bias running_mean running_var; do tensor $layer.normalization.$norm 4 4; done
    done
    header="{${header%,}}"
    {
        printf "\\x$(printf %02x $((${#header} % 256)))\\x$(printf %02x $((${#header} / 256)))\0\0\0\0\0\0%s" "$header"
        # Four signs = are the number 0.046.
        head -c $at /dev/zero | tr '\0' '='
    } >"$1/model.safetensors"
    echo '{"model_type": "resnet", "layer_type": "basic", "depths": [1], "embedding_size": 4, "hidden_sizes": [4],
        "hidden_act": "relu", "num_channels": 3, "downsample_in_first_stage": false}' >"$1/config.json"
    echo '{"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875, "size": {"shortest_edge": 8}, "resample": 3,
        "do_resize": true, "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}' >"$1/preprocessor_config.json"
}

main

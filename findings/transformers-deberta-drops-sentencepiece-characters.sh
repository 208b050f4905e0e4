#!/usr/bin/env bash
# transformers 5: DeBERTa-v2's and -v3's tokenizer leaves out the character map of its sentencepiece model.
#
# Found with transformers 5.24.0, tokenizers 0.23.3, sentencepiece 0.2.3, Python 3.11; 4.57.6 keeps the map.
#
# A model of sentencepiece carries a map of characters (nmt_nfkc, as DeBERTaV3's has), which is applied before pieces are
# looked up: ligatures, full-width letters and digits and the like become plain ones. `DebertaV2Tokenizer` of transformers 5
# builds its normalizer anew, with NFC in its place, both from `spm.model` and from a `tokenizer.json` that has the map.
# What the model was trained to see as "fine 12" is then unknown, without a word.
#
# Seen:
#     sentencepiece ▁fine ▁1 2
#     transformers 4.57.6 ▁fine ▁1 2 unknown 0
#     transformers 5.24.0 ▁ ﬁ n e ▁ １２ unknown 2
#
# Needs Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
cat >"$work/pieces.py" <<'PY'
import json
import sys
from pathlib import Path

import sentencepiece
import transformers
from transformers import AutoTokenizer

folder, keeps = Path(sys.argv[1]), sys.argv[2] == "keeps"
text = "\ufb01ne \uff11\uff12"
if not folder.exists():
    folder.mkdir()
    (folder / "text").write_text("a fine day of 12 or 21 names\nfine things begin in 1 or 2 days\nno name is fine\n" * 20)
    special = dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "spm"), vocab_size=40, hard_vocab_limit=False,
        unk_piece="[UNK]", normalization_rule_name="nmt_nfkc", minloglevel=2, **special,
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "deberta-v2"}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
spm = sentencepiece.SentencePieceProcessor(str(folder / "spm.model"))
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = tokenizer(text, add_special_tokens=False)["input_ids"]
print("sentencepiece", *spm.encode(text, out_type=str))
print("transformers", transformers.__version__, *tokenizer.tokenize(text), "unknown", ids.count(tokenizer.unk_token_id))
sys.exit((ids == spm.encode(text)) != keeps)
PY
run() {
    pip "$@"
    "$work/venv/bin/python" "$work/pieces.py" "$work/model" "$keeps" 2>"$work/errors" || {
        tail -3 "$work/errors"
        echo "it behaves otherwise now"
        exit 1
    }
}
pip sentencepiece==0.2.3 protobuf==7.36.2
keeps=keeps run transformers==4.57.6
keeps=drops run transformers==5.24.0
echo "as found"

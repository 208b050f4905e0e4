#!/usr/bin/env bash
# spaCy: `spacy convert -c ner` takes columns in IOBES, too, and makes an entity of each word.
#
# Found with spaCy 3.8.18, Python 3.11.
#
# The converter reads IOB and, since L- and U- pass through, BILUO. What begins with another letter is for it a B- of its
# own: in IOBES, the scheme of many taggers, B-PER E-PER becomes two people, S-LOC one place. There is no error and no
# warning, the number of labelled words is right, and only entities of several words are wrong.
#
# Seen:
#     B-PER I-PER I-PER O B-LOC: Ana Maria Silva (PER), Oslo (LOC)
#     B-PER I-PER L-PER O U-LOC: Ana Maria Silva (PER), Oslo (LOC)
#     B-PER I-PER E-PER O S-LOC: Ana Maria (PER), Silva (PER), Oslo (LOC)
#     B-PER E-PER O O S-LOC: Ana (PER), Maria (PER), Oslo (LOC)
#
# Needs Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check spacy==3.8.18
cd "$work"
mkdir docs
python=$work/venv/bin/python
columns() { paste <(printf 'Ana\nMaria\nSilva\nin\nOslo\n') <(printf '%s\n' $1); }
as_found=1
check() {
    columns "$1" > post.conll
    "$python" -m spacy convert post.conll docs -c ner -n 0 > log 2>&1
    got=$("$python" - <<'PY'
import spacy
from spacy.tokens import DocBin

(doc,) = DocBin().from_disk("docs/post.spacy").get_docs(spacy.blank("xx").vocab)
print(", ".join(f"{entity.text} ({entity.label_})" for entity in doc.ents))
PY
    )
    echo "$1: $got"
    [ "$got" = "$2" ] || as_found=0
}
check "B-PER I-PER I-PER O B-LOC" "Ana Maria Silva (PER), Oslo (LOC)"
check "B-PER I-PER L-PER O U-LOC" "Ana Maria Silva (PER), Oslo (LOC)"
check "B-PER I-PER E-PER O S-LOC" "Ana Maria (PER), Silva (PER), Oslo (LOC)"
check "B-PER E-PER O O S-LOC" "Ana (PER), Maria (PER), Oslo (LOC)"
if [ $as_found = 1 ]; then echo "as found"; else echo "it behaves otherwise now"; exit 1; fi

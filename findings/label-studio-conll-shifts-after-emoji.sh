#!/usr/bin/env bash
# Label Studio's CoNLL export: labels after emoji shift to other words, two labels within one of its words become one, tasks
# that nobody labelled are all O, and a task that two people labelled stands there twice.
#
# Found with label-studio-sdk 2.1.2, Python 3.11.
#
# Its page counts UTF-16 code units; the export takes them for characters of Python, of which an emoji is one unit and not
# two, and a family of three five and not eight. It splits the text by rules of the Penn Treebank, and a word has the first
# label that touches it. A task without an annotation is written with O for every word, like one that was submitted without
# a region, and of a task with two annotations both are written. So what is a sentence that nobody has read, or one that is
# labelled in two ways, cannot be told from the file. The JSON export has all of it.
#
# Seen:
#     👩‍👩‍👧 Mia Fox sings: O O B-PER I-PER
#     Oslo-Rome flight: B-LOC O
#     nobody labelled it: O O O
#     in Oslo: O B-LOC / O O
#
# Needs Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check label-studio-sdk==2.1.2
"$work/venv/bin/python" - "$work" <<'PY'
import json, pathlib, sys

from label_studio_sdk.converter import Converter

work = pathlib.Path(sys.argv[1])
config = '<View><Labels name="label" toName="text"><Label value="LOC"/></Labels><Text name="text" value="$text"/></View>'


def region(text, mention, label):
    """A region as the page makes it."""
    start = len(text[: text.index(mention)].encode("utf-16-le")) // 2
    value = {"start": start, "end": start + len(mention), "text": mention, "labels": [label]}
    return {"id": label, "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def tags(text, *annotations):
    made = [
        {"id": i, "completed_by": i, "created_at": f"2026-01-0{i + 1}", "result": [region(text, *part) for part in parts]}
        for i, parts in enumerate(annotations)
    ]
    (work / "tasks.json").write_text(json.dumps([{"id": 1, "data": {"text": text}, "annotations": made}]))
    Converter(config, str(work)).convert_to_conll2003(str(work / "tasks.json"), str(work / "out"), is_dir=False)
    lines = (work / "out" / "result.conll").read_text().split("\n", 1)[1]
    blocks = [block for block in lines.split("\n\n") if block]
    return " / ".join(" ".join(line.split()[-1] for line in block.splitlines()) for block in blocks)


as_found = True
for text, annotations, seen in [
    ("👩\u200d👩\u200d👧 Mia Fox sings", [[("Mia Fox", "PER")]], "O O B-PER I-PER"),
    ("Oslo-Rome flight", [[("Oslo", "LOC"), ("Rome", "ORG")]], "B-LOC O"),
    ("nobody labelled it", [], "O O O"),
    ("in Oslo", [[], [("Oslo", "LOC")]], "O B-LOC / O O"),
]:
    got = tags(text, *annotations)
    print(f"{text}: {got}")
    as_found = as_found and got == seen
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

#!/usr/bin/env bash
# Label Studio's JSON_MIN: a task's own "id" is replaced by Label Studio's number, and a task that nobody labelled has
# the fields of one that was labelled.
#
# Found with label-studio-sdk 2.1.2, Python 3.11.
#
# JSON_MIN lays the fields of `data` beside those of the annotation. A post's own `id`, which is a field of `data`, is
# written over by the number that Label Studio gave the task, so that labels cannot be joined to the posts they are of,
# or are joined to others where posts are numbered, too. A task without an annotation stands there as well, with
# `"annotation_id": null` and no list of regions; one that was submitted without a region has a number there. Whoever
# looks whether the field is there takes posts that nobody has seen for posts without entities. The JSON export has both.
#
# Seen:
#     labelled post-17: id 1, annotation_id 5
#     unlabelled post-18: id 2, annotation_id None
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
oslo = {"id": "a", "from_name": "label", "to_name": "text", "type": "labels",
        "value": {"start": 3, "end": 7, "text": "Oslo", "labels": ["LOC"]}}


def task(number, own_id, annotations):
    return {"id": number, "data": {"text": "in Oslo", "id": own_id}, "annotations": annotations}


tasks = [task(1, "post-17", [{"id": 5, "completed_by": 1, "result": [oslo]}]), task(2, "post-18", [])]
(work / "tasks.json").write_text(json.dumps(tasks))
Converter(config, str(work)).convert_to_json_min(str(work / "tasks.json"), str(work / "out"), is_dir=False)
labelled, unlabelled = json.loads((work / "out" / "result.json").read_text())
print(f"labelled post-17: id {labelled['id']}, annotation_id {labelled['annotation_id']}")
print(f"unlabelled post-18: id {unlabelled['id']}, annotation_id {unlabelled['annotation_id']}")
as_found = (labelled["id"], labelled["annotation_id"]) == (1, 5) and unlabelled["id"] == 2
as_found = as_found and "annotation_id" in unlabelled and unlabelled["annotation_id"] is None
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

#!/usr/bin/env bash
# doccano: of spans that overlap, its import keeps the one that begins first and drops the others, without a word.
#
# Found with doccano 1.8.4, Django 4.2, SQLite, Python 3.11.
#
# Unless the project allows overlapping, spans are sorted by their start alone and each that begins before the end of the
# last one kept is left out. So "New" wins over "New York" where it stands first in the list, and "Bank of Oslo" over
# "Oslo". The import reports no error, and an export has fewer labels than the file.
#
# Seen:
#     Bank of Oslo: [[0, 12, 'ORG'], [8, 12, 'LOC']] -> [[0, 12, 'ORG']]
#     New York: [[0, 3, 'X'], [0, 8, 'LOC']] -> [[0, 3, 'X']]
#     errors: []
#
# Needs Python 3.10 or 3.11 and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    doccano==1.8.4 marshmallow==3.26.2 numpy==1.26.4 setuptools==65.5.0
"$work/venv/bin/python" - "$work" <<'PY'
import json, os, pathlib, sys
from importlib.util import find_spec

os.environ.update(DJANGO_SETTINGS_MODULE="config.settings.development", DATABASE_URL="sqlite:///:memory:")
sys.path.insert(0, find_spec("backend").submodule_search_locations[0])
import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)
from data_import.datasets import load_dataset
from data_import.pipeline.catalog import create_file_format
from data_import.pipeline.readers import FileName
from django.contrib.auth.models import User
from labels.models import Span
from projects.models import ProjectType, SequenceLabelingProject

posts = [
    ("Bank of Oslo", [[0, 12, "ORG"], [8, 12, "LOC"]], [[0, 12, "ORG"]]),
    ("New York", [[0, 3, "X"], [0, 8, "LOC"]], [[0, 3, "X"]]),
]
file = pathlib.Path(sys.argv[1]) / "posts.jsonl"
file.write_text("".join(json.dumps({"text": text, "label": spans}) + "\n" for text, spans, _ in posts))
user = User.objects.create_user("ann")
project = SequenceLabelingProject.objects.create(
    name="posts", project_type=ProjectType.SEQUENCE_LABELING, created_by=user
)
files = [FileName(full_path=str(file), generated_name="posts.jsonl", upload_name="posts.jsonl")]
dataset = load_dataset("SequenceLabeling", create_file_format("JSONL"), files, project)
dataset.save(user)
as_found = dataset.errors == []
for example, (text, spans, seen) in zip(project.examples.order_by("id"), posts, strict=True):
    kept = [[s.start_offset, s.end_offset, s.label.text] for s in Span.objects.filter(example=example).order_by("id")]
    print(f"{text}: {spans} -> {kept}")
    as_found = as_found and kept == seen
print(f"errors: {dataset.errors}")
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

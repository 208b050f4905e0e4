#!/usr/bin/env bash
# doccano: a JSONL file of which some lines lack a field that others have cannot be imported, whatever the field is.
#
# Found with doccano 1.8.4, Django 4.2, pandas 1.5.3, SQLite, Python 3.11.
#
# A batch of lines becomes a pandas table, in which a field that a line lacks is NaN. Fields beside text and labels are
# kept as metadata, in a JSON column of the database, and NaN is no JSON: SQLite, doccano's default, refuses it by a check
# ("JSON_VALID"), and not that line but the whole batch is lost. The message names neither the line nor the field, and the
# task that imports is tried again, to the same end. A field with null on the other lines is taken.
#
# Seen:
#     a field on every line: 2 posts
#     a field on some lines: IntegrityError, 0 posts
#     null on the others: 2 posts
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
from django.db import transaction
from examples.models import Example
from projects.models import ProjectType, SequenceLabelingProject

user = User.objects.create_user("ann")
work = pathlib.Path(sys.argv[1])


def imported(what, lines):
    project = SequenceLabelingProject.objects.create(
        name=what, project_type=ProjectType.SEQUENCE_LABELING, created_by=user
    )
    file = work / "posts.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = [FileName(full_path=str(file), generated_name="posts.jsonl", upload_name="posts.jsonl")]
    error = ""
    try:
        with transaction.atomic():
            dataset = load_dataset("SequenceLabeling", create_file_format("JSONL"), files, project)
            dataset.save(user)
    except Exception as raised:
        error = f"{type(raised).__name__}, "
    n = Example.objects.filter(project=project).count()
    print(f"{what}: {error}{n} posts")
    return error, n


posts = [{"text": "in Oslo", "label": [[3, 7, "LOC"]], "source": "a"}, {"text": "so tired", "label": [], "source": "b"}]
every = imported("a field on every line", posts)
del posts[1]["source"]
some = imported("a field on some lines", posts)
posts[1]["source"] = None
null = imported("null on the others", posts)
as_found = (every, null) == (("", 2), ("", 2)) and some == ("IntegrityError, ", 0)
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

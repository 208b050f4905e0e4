"""doccano's own import and export of one file, without its server: what its project has of the file, as it exports it.

    doccano.py IN.jsonl OUT.jsonl [--encoding Auto] [--overlapping] [--approved LINE,...]

Prints what its import says of lines that it left out, as JSON.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--encoding", default="Auto")
    parser.add_argument("--overlapping", action="store_true")
    parser.add_argument("--approved")
    args = parser.parse_args()
    work = tempfile.mkdtemp()
    try:
        begin(work)
        print(json.dumps(through(args, work)))
    finally:
        shutil.rmtree(work)


def begin(work):
    """A database in memory, and the folder of the package on the path, as its own command has it."""
    os.environ.update(DJANGO_SETTINGS_MODULE="config.settings.development", DATABASE_URL="sqlite:///:memory:")
    sys.path.insert(0, find_spec("backend").submodule_search_locations[0])
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.MEDIA_ROOT = os.path.join(work, "media")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("create_roles", verbosity=0)


def through(args, work):
    from data_export.celery_tasks import create_individual_dataset
    from data_export.pipeline.factories import create_formatter, create_writer
    from data_import.datasets import load_dataset
    from data_import.pipeline.catalog import create_file_format
    from data_import.pipeline.readers import FileName
    from django.contrib.auth.models import User
    from examples.models import Example, ExampleState
    from projects.models import ProjectType, SequenceLabelingProject

    user = User.objects.create_user("ann")
    project = SequenceLabelingProject.objects.create(
        name="posts", project_type=ProjectType.SEQUENCE_LABELING, created_by=user, allow_overlapping=args.overlapping
    )
    project.add_admin()
    file = FileName(full_path=args.input, generated_name="posts.jsonl", upload_name="posts.jsonl")
    dataset = load_dataset(
        "SequenceLabeling", create_file_format("JSONL"), [file], project,
        column_data="text", column_label="label", encoding=args.encoding,
    )
    dataset.save(user)
    if args.approved:
        examples = list(Example.objects.order_by("id"))
        for line in map(int, args.approved.split(",")):
            ExampleState.objects.create(example=examples[line - 1], confirmed_by=user)
    create_individual_dataset(
        project, work, bool(args.approved), create_formatter(project, "JSONL"), create_writer("JSONL")
    )
    shutil.copyfile(os.path.join(work, "ann.jsonl"), args.output)
    return [str(error.dict()) for error in dataset.errors]


main()

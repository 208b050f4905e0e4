"""What other programs' own packages write of some invented posts: the files in fixtures/, which tests/suite/exchange.rs
reads back.

    fixtures.py --doccano PYTHON OUT      PYTHON has doccano's package (requirements-doccano.txt)

`posts.json` has the posts as they must be read: id, text, what became of it, and its spans in characters.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
LABELLED, SKIPPED, OPEN = "labelled", "skipped", "unlabelled"
# Text, what became of it, and the entities: emoji before, between and within, a link, characters that combine, white space.
POSTS = [
    ("🎉 Ana Silva lands in Oslo", LABELLED, [("Ana Silva", "PER"), ("Oslo", "LOC")]),
    ("so tired today 😴 https://t.co/x1", LABELLED, []),
    ("what a day", SKIPPED, []),
    ("nobody has looked at Oslo", OPEN, []),
    ("e\u0301t in Zu\u0308rich now #fun @ana_s", LABELLED, [("Zu\u0308rich", "LOC"), ("@ana_s", "PER")]),
    ("back in Lima 👩\u200d👩\u200d👧 with  Mia Fox", LABELLED, [("Lima", "LOC"), ("Mia Fox", "PER")]),
    ('"Rio Verde" \\ <b> & co', LABELLED, [('"Rio Verde"', "LOC")]),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--doccano", required=True)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True)
    posts = [post(i, *row) for i, row in enumerate(POSTS)]
    write(args.out / "posts.json", [json.dumps(row, ensure_ascii=False) for row in posts], "[\n", ",\n", "\n]\n")
    label_studio(args.out, posts)
    spacy_documents(args.out, posts)
    hugging_face(args.out, posts)
    doccano(args.out, posts, args.doccano)


def post(i, text, state, entities):
    spans = [[text.index(mention), text.index(mention) + len(mention), label] for mention, label in entities]
    return {"id": f"post-{i}", "text": text, "state": state, "spans": spans}


def write(path, rows, before="", between="\n", after="\n"):
    path.write_text(before + between.join(rows) + after)


def label_studio(out, posts):
    """Tasks as its page leaves them, through its converter: JSON, JSON_MIN and CoNLL."""
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    config = """<View><Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
        <Text name="text" value="$text"/></View>"""
    interface = LabelInterface(config)
    tasks = []
    for i, row in enumerate(posts):
        result = [region(row["text"], j, span) for j, span in enumerate(row["spans"])]
        one = annotation(i, result, "2026-01-02T10:00:00Z")
        one["was_cancelled"] = row["state"] == SKIPPED
        annotations = [] if row["state"] == OPEN else [one]
        # Somebody else had said before that there is nothing.
        if "Lima" in row["text"]:
            annotations.insert(0, annotation(100 + i, [], "2026-01-01T10:00:00Z"))
        assert all(interface.validate_annotation(made) for made in annotations)
        data = {"text": row["text"], "id": row["id"]}
        tasks.append({"id": i + 1, "data": data, "annotations": annotations, "predictions": []})
    source = out / "label-studio.json"
    write(source, [json.dumps(task, ensure_ascii=False) for task in tasks], "[\n", ",\n", "\n]\n")
    converter = Converter(config, str(out))
    for convert, name in ((converter.convert_to_json_min, "label-studio-min.json"), (converter.convert_to_conll2003, "label-studio.conll")):
        convert(str(source), str(out / "made"), is_dir=False)
        (made,) = (out / "made").iterdir()
        made.replace(out / name)
    (out / "made").rmdir()


def annotation(number, result, date):
    return {"id": number, "completed_by": 1, "result": result, "was_cancelled": False, "created_at": date}


def region(text, number, span):
    """A region in UTF-16 code units, as the page counts."""
    start, end, label = span
    units = lambda at: len(text[:at].encode("utf-16-le")) // 2
    value = {"start": units(start), "end": units(end), "text": text[start:end], "labels": [label]}
    return {"id": str(number), "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def spacy_documents(out, posts):
    """Through a DocBin, as `spacy train` has it. A document without entities either knows of none, or nobody has looked."""
    import spacy
    from spacy.tokens import DocBin

    nlp = spacy.blank("xx")
    docs = DocBin()
    for row in posts:
        doc = nlp.make_doc(row["text"])
        if row["state"] == LABELLED:
            doc.set_ents([doc.char_span(start, end, label=label, alignment_mode="expand") for start, end, label in row["spans"]])
        docs.add(doc)
    read = DocBin().from_bytes(docs.to_bytes()).get_docs(nlp.vocab)
    write(out / "spacy.jsonl", [json.dumps(doc.to_json(), ensure_ascii=False) for doc in read])


def hugging_face(out, posts):
    """Words at white space with their tags, by name and by number."""
    import datasets

    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    rows = [tagged(row) for row in posts if row["state"] == LABELLED]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    text = datasets.Dataset.from_dict(columns)
    text.to_json(out / "datasets-names.jsonl")
    labels = datasets.List(datasets.ClassLabel(names=names))
    numbers = {**columns, "ner_tags": [[names.index(tag) for tag in row["ner_tags"]] for row in rows]}
    datasets.Dataset.from_dict(numbers, features=datasets.Features({**text.features, "ner_tags": labels})).to_json(
        out / "datasets-numbers.jsonl"
    )


def tagged(row):
    words, tags, at = row["text"].split(), [], 0
    for word in words:
        at = row["text"].index(word, at)
        (tag,) = [f"{'B' if at == start else 'I'}-{label}" for start, end, label in row["spans"] if start <= at < end] or ["O"]
        tags.append(tag)
        at += len(word)
    return {"id": row["id"], "tokens": words, "ner_tags": tags}


def doccano(out, posts, python):
    """Imported with their labels, and exported again: all of them, and those that were approved."""
    source = out / "source.jsonl"
    # In ASCII: its import takes UTF-8 with an emoji for another encoding (findings/).
    write(source, [json.dumps({"id": row["id"], "text": row["text"], "label": row["spans"]}) for row in posts])
    approved = ",".join(str(i + 1) for i, row in enumerate(posts) if row["state"] == LABELLED)
    for name, more in (("doccano.jsonl", []), ("doccano-approved.jsonl", ["--approved", approved])):
        command = [python, str(Path(__file__).with_name("doccano.py")), str(source), str(out / name), *more]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert json.loads(done.stdout.splitlines()[-1]) == [], done.stdout
    source.unlink()


main()

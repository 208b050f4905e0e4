"""Other programs read what `smvae` writes, and it reads what they write.

A tiny model is trained on invented sentences; whatever it finds in some posts as JSON lines, it must find in every
format that comes in, and every format that goes out must hold, read by the program it is for.
"""

import argparse
import io
import json
import os
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
PEOPLE = ["Ann Bo", "Ida Lund", "Zarko", "Mia Fox", "Ola Nordmann"]
PLACES = ["Oslo", "Rio Verde", "Bergen", "Lima"]
# How a project of Label Studio shows its tasks.
VIEW = """<View><Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
    <Text name="text" value="$text"/></View>"""
# White space of all kinds, an emoji before the entities, characters that combine.
POSTS = [
    "🎉 Ann Bo lands in Oslo",
    "met  Zarko\nin Lima .",
    "Ida Lund  and   Mia Fox in Rio Verde ",
    " nothing here",
    "",
    "e\u0301 Ola Nordmann in Bergen 👩\u200d👩\u200d👧 .",
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smvae", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--doccano", required=True, help="a Python that has its package")
    args = parser.parse_args()
    through_doccano = os.path.join(os.path.dirname(os.path.abspath(__file__)), "doccano.py")
    os.chdir(args.work)
    smvae = Program(args.smvae, [args.doccano, through_doccano])
    smvae.train()
    with open("posts.jsonl", "w") as file:
        file.writelines(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(POSTS))
    answers = [json.loads(line) for line in smvae.predict("--input", "posts.jsonl").splitlines()]
    found = [entities(answer["entities"]) for answer in answers]
    if sum(map(len, found)) < 5:
        sys.exit(f"the model finds too little to compare: {found}")
    readers = (arrow_and_parquet, spacy_reads, label_studio_reads, doccano_reads, labels_go_out, seqeval_reads)
    for check in (*readers, inputs, broken_inputs, run_folder):
        check(smvae, answers, found)
        print(f"{check.__name__}: passed")


class Program:
    def __init__(self, path, doccano):
        self.path = path
        self.doccano = doccano

    def run(self, *words, stdin=b"", code=0):
        done = subprocess.run([self.path, *words], input=stdin, capture_output=True)
        if done.returncode != code:
            sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr.decode()}")
        return done

    def predict(self, *words):
        return self.run("predict", "--model", "run", *words).stdout.decode()

    def through_doccano(self, name):
        """What doccano has of a file after its import, and the lines that it refused."""
        done = subprocess.run([*self.doccano, name, "doccano.jsonl"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"doccano refuses {name}: {done.stderr}")
        errors = json.loads(done.stdout.splitlines()[-1])
        return [json.loads(line) for line in open("doccano.jsonl")], errors

    def train(self):
        os.mkdir("corpus")
        rows = []
        for i, person in enumerate(PEOPLE * 8):
            place = PLACES[i % len(PLACES)]
            parts = [("met", "O"), (person, "PER"), ("in", "O"), (place, "LOC"), (".", "O")]
            words, tags = [], []
            for part, label in parts:
                for j, word in enumerate(part.split()):
                    words.append(word)
                    tags.append("O" if label == "O" else f"{'BI'[j > 0]}-{label}")
            rows.append(json.dumps({"words": words, "tags": tags}) + "\n")
        for split in ("train", "valid", "test"):
            with open(f"corpus/{split}.jsonl", "w") as file:
                file.writelines(rows)
        words = "train --data corpus --text-encoder tiny --hidden-dim 16 --latent-dim 4 --max-width 3 --epochs 12 --lr 0.01 --tensorboard --out run"
        self.run(*words.split())


def entities(items, start="start", end="end", label="label"):
    return [(item[start], item[end], item[label]) for item in items]


def same(got, want, what):
    if got != want:
        sys.exit(f"{what}: {got}\nexpected {want}")


def arrow_and_parquet(smvae, answers, found):
    import duckdb
    import pandas
    import polars
    import pyarrow as pa
    import pyarrow.parquet

    for name in ("found.arrow", "found.parquet"):
        smvae.predict("--input", "posts.jsonl", "--output", name)
    tables = {
        "pyarrow, stream": pa.ipc.open_stream(open("found.arrow", "rb").read()).read_all().to_pylist(),
        "pyarrow, Parquet": pyarrow.parquet.read_table("found.parquet").to_pylist(),
        "polars": polars.read_parquet("found.parquet").to_dicts(),
        "pandas": pandas.read_parquet("found.parquet").to_dict("records"),
    }
    for what, rows in tables.items():
        same([entities(row["entities"]) for row in rows], found, what)
        same([row["id"] for row in rows], [str(answer["id"]) for answer in answers], what)
        same([list(row["words"]) for row in rows], [answer["words"] for answer in answers], what)
        pairs = [[list(entity["words"]) for entity in row["entities"]] for row in rows]
        same(pairs, [[entity["words"] for entity in answer["entities"]] for answer in answers], what)
    sql = "select id, unnest(entities, recursive := true) from 'found.parquet'"
    rows = duckdb.sql(f"select id, start, \"end\", label from ({sql}) order by cast(id as int), start").fetchall()
    same(rows, [(str(i), *entity) for i, post in enumerate(found) for entity in post], "DuckDB")


def spacy_reads(smvae, answers, found):
    import spacy
    from spacy.tokens import Doc

    vocab = spacy.blank("xx").vocab
    lines = smvae.predict("--input", "posts.jsonl", "--to", "spacy").splitlines()
    for line, post, want in zip(lines, POSTS, found, strict=True):
        doc = Doc(vocab).from_json(json.loads(line), validate=True)
        same(doc.text, post, "spaCy")
        same([(e.start_char, e.end_char, e.label_) for e in doc.ents], want, "spaCy")
        same(entities(doc.to_json()["ents"]), want, "spaCy, written again")


def label_studio_reads(smvae, answers, found):
    from label_studio_sdk.label_interface import LabelInterface

    tasks = json.loads(smvae.predict("--input", "posts.jsonl", "--to", "label-studio"))
    for task, post, want in zip(tasks, POSTS, found, strict=True):
        interface = LabelInterface(VIEW)
        # It cannot validate a task with predictions: its own call lacks an argument.
        same(interface.validate_task({"data": task["data"]}), True, "Label Studio")
        (prediction,) = task["predictions"]
        same(interface.validate_prediction(prediction, return_errors=True), [], "Label Studio")
        # Its page counts UTF-16 code units.
        units = post.encode("utf-16-le")
        for result, (start, end, label) in zip(prediction["result"], want, strict=True):
            value = result["value"]
            part = units[2 * value["start"] : 2 * value["end"]].decode("utf-16-le")
            same((part, value["text"], value["labels"]), (post[start:end], post[start:end], [label]), "Label Studio")


def doccano_reads(smvae, answers, found):
    smvae.predict("--input", "posts.jsonl", "--to", "doccano", "--output", "found.jsonl")
    rows, errors = smvae.through_doccano("found.jsonl")
    # It has no place for a post without text.
    want = [(str(i), post, found[i]) for i, post in enumerate(POSTS) if post]
    same([(row["id"], row["text"], [tuple(span) for span in row["label"]]) for row in rows], want, "doccano")
    same(len(errors), 1, "doccano, posts without text")
    smvae.run(*"suggest --pool posts.jsonl --n 4 --for-dev 1 --model run --to doccano --output next.jsonl".split())
    lines = [json.loads(line) for line in open("next.jsonl")]
    rows, errors = smvae.through_doccano("next.jsonl")
    same(errors, [], "doccano")
    same([{name: row[name] for name in line} for row, line in zip(rows, lines, strict=True)], lines, "doccano, suggestions")
    smvae.run(*"import doccano.jsonl --to labelled.jsonl --dev dev.jsonl --words whitespace --misfits move".split())
    same(sum(1 for _ in open("dev.jsonl")), 1, "doccano, suggestions for dev")


def labels_go_out(smvae, answers, found):
    """A corpus, as other programs read it, and back."""
    import datasets
    import pandas
    import spacy
    from label_studio_sdk.label_interface import LabelInterface
    from spacy.tokens import Doc

    rows = [json.loads(line) for line in open("corpus/test.jsonl")]
    smvae.run(*"export corpus --split test --to label-studio --output tasks.json".split())
    for task in json.load(open("tasks.json")):
        (annotation,) = task["annotations"]
        same(LabelInterface(VIEW).validate_annotation(annotation), True, "Label Studio, annotations")
    smvae.run(*"export corpus --split test --to spacy --output docs.jsonl".split())
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab).from_json(json.loads(line), validate=True) for line in open("docs.jsonl")]
    same([[token.text for token in doc] for doc in docs], [row["words"] for row in rows], "spaCy, words")
    iob = [[f"{t.ent_iob_}-{t.ent_type_}".rstrip("-") for t in doc] for doc in docs]
    same(iob, [row["tags"] for row in rows], "spaCy, tags")
    smvae.run(*"export corpus --split test --to huggingface --output hf.jsonl".split())
    loaded = datasets.Dataset.from_json("hf.jsonl")
    same([row["tokens"] for row in loaded], [row["words"] for row in rows], "datasets")
    same([row["ner_tags"] for row in loaded], [row["tags"] for row in rows], "datasets")
    smvae.run(*"export corpus --split test --output sheet.csv".split())
    table = pandas.read_csv("sheet.csv", keep_default_na=False)
    same([words.split() for words in table["words"]], [row["words"] for row in rows], "pandas")
    smvae.run(*"export corpus --split test --to doccano --output doccano-in.jsonl".split())
    approved, _ = smvae.through_doccano("doccano-in.jsonl")
    same([row["text"] for row in approved], [" ".join(row["words"]) for row in rows], "doccano, labels")
    for name in ("tasks.json", "docs.jsonl", "doccano.jsonl"):
        smvae.run("import", name, "--to", "back.conll", "--words", "whitespace", "--overwrite")
        back = [block.splitlines() for block in open("back.conll").read().split("\n\n") if block]
        tags = [[line.split("\t")[1] for line in block if "\t" in line] for block in back]
        # Posts that say the same with the same id are one.
        distinct = [list(t) for t in dict.fromkeys((tuple(r["words"]), tuple(r["tags"])) for r in rows)]
        same(tags, [list(tags) for _, tags in distinct], f"{name}, imported")


def seqeval_reads(smvae, answers, found):
    from seqeval.metrics import f1_score
    from seqeval.metrics.sequence_labeling import get_entities

    # Without the post that has no words, which columns have no place for.
    with open("words.jsonl", "w") as file:
        file.writelines(json.dumps({"words": answer["words"]}) + "\n" for answer in answers if answer["words"])
    text = smvae.predict("--input", "words.jsonl", "--to", "conll")
    tags = [[line.split("\t")[1] for line in block.splitlines()] for block in text.split("\n\n") if block]
    spans = [[(a, b + 1, label) for label, a, b in get_entities(post)] for post in tags]
    want = [[(*entity["words"], entity["label"]) for entity in answer["entities"]] for answer in answers if answer["words"]]
    same(spans, want, "seqeval")
    same(f1_score(tags, tags), 1.0, "seqeval")


def inputs(smvae, answers, found):
    import datasets
    import pandas
    import polars
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    ids = list(range(len(POSTS)))
    table = pa.table({"id": ids, "text": POSTS})
    for codec in ("none", "snappy", "gzip", "zstd", "lz4"):
        pyarrow.parquet.write_table(table, f"{codec}.parquet", compression=codec)
    polars.DataFrame({"id": ids, "text": POSTS}).write_parquet("polars.parquet")
    frame = pandas.DataFrame({"id": ids, "text": pandas.Categorical(POSTS)})
    frame.to_parquet("pandas.parquet")
    frame.to_feather("pandas.feather")
    pyarrow.feather.write_feather(table, "zstd.feather", compression="zstd")
    polars.DataFrame({"id": ids, "text": POSTS}).write_ipc("polars.arrow", compression="zstd")
    polars.DataFrame({"id": ids, "text": POSTS}).write_ipc_stream("polars.arrows")
    with pa.ipc.new_stream("large.arrow", pa.schema({"id": pa.string(), "text": pa.large_string()})) as stream:
        for i in ids:
            stream.write_table(pa.table({"id": [str(i)], "text": pa.array([POSTS[i]], pa.large_string())}))
    written = [name for name in sorted(os.listdir()) if name.endswith((".parquet", ".feather", ".arrow", ".arrows"))]
    for name in written:
        lines = smvae.predict("--input", name).splitlines()
        same([entities(json.loads(line)["entities"]) for line in lines], found, name)
    # A table of Hugging Face with numbers for tags is a corpus by its metadata.
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    rows = [json.loads(line) for line in open("corpus/train.jsonl")]
    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(datasets.ClassLabel(names=names))}
    )
    columns = {"tokens": [row["words"] for row in rows], "ner_tags": [[names.index(tag) for tag in row["tags"]] for row in rows]}
    os.mkdir("hub")
    for split in ("train", "dev", "test"):
        datasets.Dataset.from_dict(columns, features=features).to_parquet(f"hub/{split}.parquet")
    stats = json.loads(smvae.run("stats", "--data", "hub", "--json").stdout)
    of_lines = json.loads(smvae.run("stats", "--data", "corpus", "--json").stdout)
    for split in ("train", "dev", "test"):
        got, want = stats["splits"][split], of_lines["splits"][split]
        same(got["entities"], want["entities"], "stats of Parquet")
        same(got["words"], want["words"], "stats of Parquet")


def broken_inputs(smvae, answers, found):
    import pyarrow as pa

    table = pa.table({"id": ["a", "b"], "text": ["in Oslo", None]})
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as stream:
        stream.write_table(table)
    predict = ("predict", "--model", "run", "--from", "arrow", "--to", "arrow")
    done = smvae.run(*predict, stdin=buffer.getvalue(), code=3)
    rows = pa.ipc.open_stream(done.stdout).read_all().to_pylist()
    same([(row["id"], row["error"] is None) for row in rows], [("a", True), ("b", False)], "a row without a text")
    for cut in (8, 16, 100):
        smvae.run(*predict, stdin=buffer.getvalue()[:-cut], code=1)
    smvae.run(*predict, stdin=b"", code=1)
    smvae.run(*predict, stdin=b'{"text": "a"}\n', code=1)


def run_folder(smvae, answers, found):
    """The events for TensorBoard are the numbers of metrics.jsonl, and the model card is one of the hub."""
    from huggingface_hub import ModelCard
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    epochs = [json.loads(line) for line in open("run/metrics.jsonl")]
    events = EventAccumulator("run")
    events.Reload()
    wanted = {
        "train/loss": lambda epoch: epoch["train"]["loss"],
        "labelled/kl_fused": lambda epoch: epoch["train"]["labelled"]["kl_fused"],
        "rate/encoder": lambda epoch: epoch["encoder_lr"],
        "dev/f1": lambda epoch: epoch["dev"]["f1"],
        "dev_f1/PER": lambda epoch: epoch["dev"]["types"]["PER"]["f1"],
    }
    for tag, number in wanted.items():
        got = [(event.step, event.value) for event in events.Scalars(tag)]
        # The events have 24 bits of each number.
        near = [abs(value - number(epoch)) <= 1e-6 * abs(number(epoch)) for (_, value), epoch in zip(got, epochs)]
        same([step for step, _ in got], [epoch["step"] for epoch in epochs], tag)
        same(near, [True] * len(epochs), tag)
    card = ModelCard.load("run/README.md")
    same((card.data.pipeline_tag, card.data.library_name), ("token-classification", "smvae"), "model card")
    best = [epoch for epoch in epochs if epoch["best"]][-1]
    results = {result.metric_type: (result.metric_value, result.dataset_split) for result in card.data.eval_results}
    same(results["f1"], (round(best["dev"]["f1"] / 100, 4), "validation"), "model card")


main()

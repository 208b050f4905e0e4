#!/usr/bin/env bash
# PySpark: mapInArrow takes columns by position and ignores their names; mapInPandas takes them by name.
#
# Found with PySpark 4.3.0, pyarrow 26.0.1, Python 3.11, Java 17.
#
# A function that yields {"text": .., "id": ..} for the schema "id string, text string" gives a table whose `id` is the
# text and whose `text` is the id, without an error or a warning, as long as the types are the same. The
# same holds for the fields of a struct. A column too many at the end is dropped. The same rows from mapInPandas come
# out under their names. So a program that adds or moves a column of its Arrow output silently shifts the values of
# whoever reads it in Spark: yield `batch.select([...])`.
#
# Seen:
#     mapInArrow  Row(id='the text', text='the id')
#     mapInPandas Row(id='the id', text='the text')
#     mapInArrow, struct Row(id='the text', text='the id')
#     mapInArrow, a column too many Row(id='the id')
#
# Needs Java 17 or newer, Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.3.0 pyarrow==26.0.1 pandas==2.3.3
cat >"$work/swap.py" <<'PY'
import os, sys

os.environ["PYSPARK_PYTHON"] = sys.executable
import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession

quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
spark = SparkSession.builder.master("local[1]").config(map=quiet).getOrCreate()
spark.sparkContext.setLogLevel("OFF")
one = spark.range(1).coalesce(1)
swapped = {"text": ["the text"], "id": ["the id"]}


def first(frame):
    return frame.collect()[0]


def arrow(columns, schema):
    return first(one.mapInArrow(lambda _: iter([pa.RecordBatch.from_pydict(columns)]), schema))


by_arrow = arrow(swapped, "id string, text string")
print("mapInArrow ", by_arrow)
by_pandas = first(one.mapInPandas(lambda _: iter([pd.DataFrame(swapped)]), "id string, text string"))
print("mapInPandas", by_pandas)
struct = pa.array([{"text": "the text", "id": "the id"}], pa.struct({"text": pa.string(), "id": pa.string()}))
in_struct = arrow({"a": struct}, "a struct<id: string, text: string>").a
print("mapInArrow, struct", in_struct)
more = arrow({"id": ["the id"], "more": ["lost"]}, "id string")
print("mapInArrow, a column too many", more)
spark.stop()
as_found = (
    (by_arrow.id, by_arrow.text) == ("the text", "the id")
    and (by_pandas.id, by_pandas.text) == ("the id", "the text")
    and (in_struct.id, in_struct.text) == ("the text", "the id")
    and more.asDict() == {"id": "the id"}
)
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY
SPARK_LOCAL_IP=127.0.0.1 "$work/venv/bin/python" "$work/swap.py" 2>"$work/log" || { tail -n 5 "$work/log"; exit 1; }

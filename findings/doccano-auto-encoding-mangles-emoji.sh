#!/usr/bin/env bash
# doccano: with the encoding "Auto", its default, a small file in UTF-8 with an emoji is imported as Windows-1252.
#
# Found with doccano 1.8.4 and chardet 4.0.0, Python 3.11.
#
# JSON is UTF-8, but its import guesses an encoding for JSON and JSONL as for text. A file of less than 8 KiB goes to
# chardet as a whole, for which one emoji in much ASCII is rather Windows-1252 or -1254 than UTF-8; a longer one that chardet
# is not sure of is read as UTF-8. So the few posts with which somebody tries it are mangled, without an error, and the
# hundred later ones are not: an emoji becomes four characters, and the labels of what follows it point to other characters.
# Where a byte is none of the guessed encoding the import fails. A file in ASCII, with \u escapes, or the encoding "utf_8",
# is safe.
#
# Seen:
#     guessed Windows-1252: 'ðŸŽ‰ Ana in Oslo', where [2, 5] is 'Ž‰ '
#     named utf_8: '🎉 Ana in Oslo', where [2, 5] is 'Ana'
#     escaped: '🎉 Ana in Oslo', where [2, 5] is 'Ana'
#     a file of 9000 bytes: '🎉 Ana in Oslo', where [2, 5] is 'Ana'
#     the first post alone, guessed Windows-1254: UnicodeDecodeError
#
# Needs Python 3.10 or 3.11 and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check doccano==1.8.4 chardet==4.0.0 numpy==1.26.4
"$work/venv/bin/python" - "$work" <<'PY'
import json, pathlib, sys
from importlib.util import find_spec

sys.path.insert(0, find_spec("backend").submodule_search_locations[0])
from data_import.pipeline.parsers import DEFAULT_ENCODING, JSONLParser, detect_encoding

file = pathlib.Path(sys.argv[1]) / "posts.jsonl"
posts = [{"text": "🎉 Ana in Oslo", "label": [[2, 5, "PER"]]}, {"text": "so tired today", "label": []}]


def imported(what, posts, encoding=DEFAULT_ENCODING, ensure_ascii=False):
    file.write_text("".join(json.dumps(post, ensure_ascii=ensure_ascii) + "\n" for post in posts), encoding="utf-8")
    what = what.format(detect_encoding(str(file)))
    try:
        row = next(JSONLParser(encoding=encoding).parse(str(file)))
    except UnicodeDecodeError as error:
        print(f"{what}: {type(error).__name__}")
        return None
    start, end, _ = row["label"][0]
    print(f"{what}: {row['text']!r}, where [{start}, {end}] is {row['text'][start:end]!r}")
    return row["text"][start:end]


seen = [
    imported("guessed {}", posts),
    imported("named utf_8", posts, "utf_8"),
    imported("escaped", posts, ensure_ascii=True),
    imported("a file of 9000 bytes", posts * 100),
    imported("the first post alone, guessed {}", posts[:1]),
]
as_found = seen == ["\u017d\u2030 ", "Ana", "Ana", "Ana", None]
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

#!/usr/bin/env bash
# spaCy: biluo_to_iob changes the name of a label that has "U-" or "L-" in it.
#
# Found with spaCy 3.8.18, Python 3.11.
#
# The prefixes are replaced by tag.replace("U-", "B-", 1).replace("L-", "I-", 1), which takes the first "U-" or "L-"
# anywhere in the tag: that of the label, where the tag itself begins with another prefix. EU-ORG becomes EB-ORG in entities
# of several words and stays as it is in those of one; SOCIAL-MEDIA becomes SOCIAI-MEDIA but for a last word. Whoever takes
# tags through this function trains and scores two labels where there was one, and no tag is ill-formed.
#
# Seen:
#     B-EU-ORG -> B-EB-ORG
#     L-EU-ORG -> I-EB-ORG
#     U-EU-ORG -> B-EU-ORG
#     U-SOCIAL-MEDIA -> B-SOCIAI-MEDIA
#     L-SOCIAL-MEDIA -> I-SOCIAL-MEDIA
#
# Needs Python 3.10 or newer and PyPI. Exits with 1 if it behaves otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check spacy==3.8.18
"$work/venv/bin/python" - <<'PY'
import sys

from spacy.training import biluo_to_iob

as_found = True
for tag, seen in [
    ("B-EU-ORG", "B-EB-ORG"),
    ("L-EU-ORG", "I-EB-ORG"),
    ("U-EU-ORG", "B-EU-ORG"),
    ("U-SOCIAL-MEDIA", "B-SOCIAI-MEDIA"),
    ("L-SOCIAL-MEDIA", "I-SOCIAL-MEDIA"),
]:
    (iob,) = biluo_to_iob([tag])
    print(f"{tag} -> {iob}")
    as_found = as_found and iob == seen
print("as found" if as_found else "it behaves otherwise now")
sys.exit(not as_found)
PY

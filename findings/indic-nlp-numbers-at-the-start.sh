#!/usr/bin/env bash
# indic-nlp-library 0.92 keeps a number together only if it has ASCII digits and a blank before it. At the start of a
# line, and in the digits of the language, `trivial_tokenize` cuts it at commas, full stops and colons, and
# `trivial_detokenize` does not join it again. Seen: "1,234.5 रुपये" comes back as "1, 234. 5 रुपये".
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check indic-nlp-library==0.92
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from indicnlp.tokenize.indic_detokenize import trivial_detokenize
from indicnlp.tokenize.indic_tokenize import trivial_tokenize

print("indic-nlp-library", version("indic-nlp-library"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for text, expected in (
    ("समय 10:30 बजे है।", "समय 10:30 बजे है।"),
    ("10:30 बजे आओ।", "10: 30 बजे आओ।"),
    ("1,234.5 रुपये", "1, 234. 5 रुपये"),
    ("समय १०:३० बजे है।", "समय १०: ३० बजे है।"),
):
    expect(text, trivial_detokenize(" ".join(trivial_tokenize(text, "hi")), "hi"), expected)
END

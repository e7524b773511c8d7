#!/usr/bin/env bash
# opus-fast-mosestokenizer 0.0.8.11 removes spacing vowel signs (Unicode category Mc) of Hindi, Bengali, Tamil and other
# languages of India, without a warning. Moses' own script keeps them. Seen: of "वह आया।", "वह आय ।" is left, and of a
# Bengali sentence about half. It also separates the full stop of German ordinal numbers ("3."), which the script does not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check opus-fast-mosestokenizer==0.0.8.11
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from mosestokenizer import MosesTokenizer

print("opus-fast-mosestokenizer", version("opus-fast-mosestokenizer"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for language, text, expected in (
    ("hi", "वह आया।", ["वह", "आय", "।"]),
    ("hi", "हिन्दी में", ["ह", "न्द", "में"]),
    ("bn", "সে এসেছে।", ["স", "এস", "ছ", "।"]),
    ("ta", "நான் வந்தேன்.", ["ந", "ன்", "வந்த", "ன்", "."]),
    ("de", "Am 3. Mai kam er.", ["Am", "3", ".", "Mai", "kam", "er", "."]),
):
    expect(f"{language}, {text}", MosesTokenizer(language).tokenize(text), expected)
END

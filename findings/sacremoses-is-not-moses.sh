#!/usr/bin/env bash
# sacremoses 0.2.0 and the Moses scripts of mosestokenizer 1.2.1 (needs perl) cut differently. sacremoses leaves the
# ideographic full stop inside a Chinese or Japanese text, though it cuts at full-width colons; Moses cuts there. Moses
# cuts Hindi words at the virama (a sign between two consonants); sacremoses does not. BLEU of tokenised text made by
# one is not that of the other. Seen: 5 tokens and 7 for a Chinese line, 5 and 7 for a Hindi one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacremoses==0.2.0 mosestokenizer==1.2.1 "setuptools<81"
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import mosestokenizer
import sacremoses

print("sacremoses", version("sacremoses"), "and mosestokenizer", version("mosestokenizer"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for language, line, by_sacremoses, by_moses in (
    ("zh", "我去学校。他说：“好”", ["我去学校。他说", "：", "“", "好", "”"], ["我去学校", "。", "他说", "：", "“", "好", "”"]),
    ("hi", "हिन्दी में है।", ["हिन्दी", "में", "है", "।"], ["हिन", "्", "दी", "में", "है", "।"]),
):
    expect(f"sacremoses, {language}", sacremoses.MosesTokenizer(lang=language).tokenize(line), by_sacremoses)
    with mosestokenizer.MosesTokenizer(language) as cut:
        expect(f"Moses, {language}", cut(line), by_moses)
END

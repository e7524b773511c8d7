#!/usr/bin/env bash
# pysbd 0.3.4 and blingfire 0.1.8: a Chinese sentence that ends inside curly quotation marks ends before the closing mark,
# and the mark begins the next sentence. In English, with straight quotation marks, both put it at the end. sentencex
# 1.0.32 does so in Chinese, too; it takes the ordinal numbers of German and `M.` in French for ends of sentences.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  pysbd==0.3.4 blingfire==0.1.8 numpy==2.4.6 sentencex==1.0.32
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import blingfire
import pysbd
import sentencex

print(*(f"{name} {version(name)}" for name in ("pysbd", "blingfire", "sentencex")))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def by_pysbd(language, text):
    return [sentence.strip() for sentence in pysbd.Segmenter(language=language, clean=False).segment(text)]


def by_blingfire(language, text):
    return blingfire.text_to_sentences(text).split("\n")


def by_sentencex(language, text):
    return [sentence.strip() for sentence in sentencex.segment(language, text)]


chinese = "他说：“走吧。”然后走了。"
torn, whole = ["他说：“走吧。", "”然后走了。"], ["他说：“走吧。”", "然后走了。"]
expect("Chinese, pysbd", by_pysbd("zh", chinese), torn)
expect("Chinese, blingfire", by_blingfire("zh", chinese), torn)
expect("Chinese, sentencex", by_sentencex("zh", chinese), whole)
english = 'He said: "Come in." Then he left.'
for split in (by_pysbd, by_blingfire, by_sentencex):
    expect(f"English, {split.__name__}", split("en", english), ['He said: "Come in."', "Then he left."])
german = "Das ist die 2. Auflage. Sie ist neu."
expect("German, sentencex", by_sentencex("de", german), ["Das ist die 2.", "Auflage.", "Sie ist neu."])
expect("German, pysbd", by_pysbd("de", german), ["Das ist die 2. Auflage.", "Sie ist neu."])
expect("French, sentencex", by_sentencex("fr", "M. Dupont est là."), ["M.", "Dupont est là."])
END

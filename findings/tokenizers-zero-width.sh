#!/usr/bin/env bash
# sacremoses 0.2.0 cuts Persian words at the zero-width non-joiner (U+200C), and its detokenizer leaves blanks around
# it. The normaliser of indic-nlp-library 0.92 removes it, and the zero-width joiner, from Hindi, where they change how
# a word is written. Seen: a Persian verb is three tokens and does not come back; two Hindi words lose their joiners.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacremoses==0.2.0
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  --no-deps indic-nlp-library==0.92
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from indicnlp.normalize.indic_normalize import IndicNormalizerFactory
from sacremoses import MosesDetokenizer, MosesTokenizer

print("sacremoses", version("sacremoses"), "and indic-nlp-library", version("indic-nlp-library"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


tokens = MosesTokenizer(lang="fa").tokenize("می\u200cخواهم بروم.")
expect("Persian tokens", tokens, ["می", "\u200c", "خواهم", "بروم", "."])
expect("put together again", MosesDetokenizer(lang="fa").detokenize(tokens), "می \u200c خواهم بروم.")
hindi = IndicNormalizerFactory().get_normalizer("hi")
for name, sign in (("joiner", "\u200d"), ("non-joiner", "\u200c")):
    expect(f"Hindi with a zero-width {name}", hindi.normalize(f"र{sign}य"), "रय")
END

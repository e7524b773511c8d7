#!/usr/bin/env bash
# jiwer 4.0.0: the word error rate against an empty reference is the number of words of the hypothesis, and of two empty
# texts it is 0. In a list such lines add errors and no words. A list of references that was read one line off, or an
# empty file, gives a number. Seen: 2 for two words, 1 for two lines one of which is right.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  jiwer==4.0.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import jiwer

print("jiwer", version("jiwer"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


expect("no reference, two words", jiwer.wer("", "a b"), 2)
expect("nothing against nothing", jiwer.wer("", ""), 0)
expect("one empty reference of two", jiwer.wer(["", "a b"], ["x y", "a b"]), 1.0)
expect("an empty hypothesis", jiwer.wer("a b", ""), 1.0)
END

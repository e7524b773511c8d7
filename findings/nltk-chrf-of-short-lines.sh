#!/usr/bin/env bash
# nltk 3.10.4: chrF counts 0 for every n-gram length that a line is too short for, so that a line of fewer than six
# characters never reaches 1; sacrebleu 2.6.0 leaves these lengths out. Chinese and Japanese answers are often that
# short, and corpus_chrf is a mean over lines. Seen: 0.333 for a correct line of two characters, 100 by sacrebleu.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  nltk==3.10.4 sacrebleu==2.6.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from nltk.translate.chrf_score import corpus_chrf, sentence_chrf
from sacrebleu.metrics import CHRF

print("nltk", version("nltk"), "and sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for line, value in (("はい", 0.333), ("好的。", 0.5), ("谢谢你们！", 0.833), ("谢谢你们大家！", 1.0)):
    expect(f"nltk, {line} against itself", round(sentence_chrf(line, line), 3), value)
    expect(f"sacrebleu, {line} against itself", round(CHRF(beta=3).sentence_score(line, [line]).score, 3), 100.0)
lines = ["はい", "谢谢你们大家！"]
expect("nltk, both lines", round(corpus_chrf(lines, lines), 3), 0.667)
END

#!/usr/bin/env bash
# torchmetrics 1.9.0: SacreBLEUScore has no smoothing unless smooth=True, which adds one to every count, while sacrebleu
# 2.6.0 smooths exponentially; its CHRFScore counts word pairs (chrF++), and gives short lines 0 for the n-grams they
# cannot have. Seen: BLEU 0 for 49.8, chrF 37.5 for 100.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torchmetrics==1.9.0 sacrebleu==2.6.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import sacrebleu
from torchmetrics.text import CHRFScore, SacreBLEUScore

print("torchmetrics", version("torchmetrics"), "and sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


hypothesis, reference = ["they went home late"], ["they went home very late"]
expect("sacrebleu, BLEU", round(sacrebleu.corpus_bleu(hypothesis, [reference]).score, 1), 49.8)
expect("torchmetrics, BLEU", round(100 * SacreBLEUScore()(hypothesis, [reference]).item(), 1), 0.0)
expect("sacrebleu, chrF", round(sacrebleu.corpus_chrf(["はい"], [["はい"]]).score, 1), 100.0)
expect("torchmetrics, chrF as it comes", round(100 * CHRFScore()(["はい"], [["はい"]]).item(), 1), 37.5)
expect("torchmetrics, chrF without words", round(100 * CHRFScore(n_word_order=0)(["はい"], [["はい"]]).item(), 1), 33.3)
END

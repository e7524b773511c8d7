#!/usr/bin/env bash
# torchmetrics 1.9.0: an empty hypothesis has a translation edit rate of 0, which is that of a perfect one, and its
# reference counts for nothing. sacrebleu 2.6.0 counts each word of the reference. A system with many empty answers is
# then better than one that tries. Seen: TER 0 for two sentences of which one is empty, 66.7 by sacrebleu.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torchmetrics==1.9.0 sacrebleu==2.6.0 torch==2.13.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from sacrebleu.metrics import TER
from torchmetrics.text import TranslationEditRate

print("torchmetrics", version("torchmetrics"), "and sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def by_torchmetrics(hypotheses, references):
    metric = TranslationEditRate()
    metric.update(hypotheses, [[line] for line in references])
    return round(100 * float(metric.compute()), 1)


def by_sacrebleu(hypotheses, references):
    return round(TER().corpus_score(hypotheses, [references]).score, 1)


for hypotheses, references, theirs, ours in (
    (["a small dog"], ["the small dog"], 33.3, 33.3),
    ([""], ["the small dog"], 0.0, 100.0),
    (["", "it sleeps"], ["the old man left", "it sleeps"], 0.0, 66.7),
    (["the man", "it sleeps"], ["the old man left", "it sleeps"], 33.3, 33.3),
):
    expect(f"torchmetrics, {hypotheses} against {references}", by_torchmetrics(hypotheses, references), theirs)
    expect("sacrebleu", by_sacrebleu(hypotheses, references), ours)
END

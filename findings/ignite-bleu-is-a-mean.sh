#!/usr/bin/env bash
# pytorch-ignite 0.5.5: by default, Bleu is the mean of BLEU without smoothing of each sentence (average="macro"), so a
# sentence without a common 4-gram counts 0. `average="micro"` is the BLEU of papers and of sacrebleu 2.6.0. Seen: 25.0
# for 52.9.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  pytorch-ignite==0.5.5 sacrebleu==2.6.0 torch==2.13.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import sacrebleu
from ignite.metrics import Bleu

print("pytorch-ignite", version("pytorch-ignite"), "and sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


hypotheses = ["the cat sat on the mat near the door", "a small dog", "he went home yesterday evening"]
references = ["the cat sat on the mat near a door", "a small dog barked loudly at me", "he went home last evening"]


def by_ignite(**options):
    metric = Bleu(**options)
    for hypothesis, reference in zip(hypotheses, references):
        metric.update(([hypothesis.split()], [[reference.split()]]))
    return round(100 * float(metric.compute()), 1)


expect("ignite", by_ignite(), 25.0)
expect("ignite, average='micro'", by_ignite(average="micro"), 52.9)
expect("sacrebleu", round(sacrebleu.corpus_bleu(hypotheses, [references], tokenize="none").score, 1), 52.9)
END

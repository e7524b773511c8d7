#!/usr/bin/env bash
# lighteval 0.13.0 gives sacrebleu 2.6.0 the references of chrF, chrF++ and TER with rows and columns exchanged: one stream
# per sentence, in place of one stream with all sentences. So the score of a corpus is that of its first sentence, against
# the references of all. For BLEU, it does not. Seen: of three translations only the first is right; chrF is 100 (38.7 by
# sacrebleu alone), and TER is 0 (60.0).
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  lighteval==0.13.0 sacrebleu==2.6.0 transformers==5.23.0 torch==2.13.0
"$place/venv/bin/python" -W ignore - <<'END'
from importlib.metadata import version

from lighteval.metrics.metrics_corpus import CorpusLevelTranslationMetric
from lighteval.metrics.sample_preparator import GenerativeCorpusMetricInput
from sacrebleu.metrics import CHRF, TER

print("lighteval", version("lighteval"), "sacrebleu", version("sacrebleu"))
references = ["The cat sat on the mat.", "He went home early in May.", "Prices rose again."]
hypotheses = ["The cat sat on the mat.", "Nothing here is right at all.", "Purple numbers sleep."]
items = [
    GenerativeCorpusMetricInput(golds=[reference], preds=[hypothesis])
    for reference, hypothesis in zip(references, hypotheses, strict=True)
]
for name, metric, expected in (
    ("chrf", CHRF(), (100.0, 38.7)),
    ("chrf++", CHRF(word_order=2), (100.0, 40.3)),
    ("ter", TER(), (0.0, 60.0)),
):
    own = metric.corpus_score(hypotheses, [references]).score
    seen = CorpusLevelTranslationMetric(name).compute_corpus(items)
    print(f"{name}: lighteval {seen:.1f}, sacrebleu {own:.1f}")
    assert (round(seen, 1), round(own, 1)) == expected, f"this has changed: {expected} was seen before"
END

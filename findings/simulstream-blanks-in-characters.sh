#!/usr/bin/env bash
# simulstream 1.0.0 with mweralign 1.4.1: with `--latency-unit char`, blanks of a translation come out of the division into
# sentences as U+2581, and underscores as blanks, since mweralign writes U+2581 for a blank and simulstream expects an
# underscore. The text is scored in this form. Guess: a translation that equals its reference has BLEU 100. Seen: with a
# blank on each side of English names in Chinese text, 53.2; 100 by words. StreamLAAL does not change, since it counts
# characters alone. COMET, which simulstream imports for another metric, is replaced by an empty module.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  mweralign==1.4.1 sentencepiece==0.2.3 sacrebleu==2.6.0 PyYAML==6.0.4
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps simulstream==1.0.0
"$place/venv/bin/python" - <<'END' 2> /dev/null
import sys
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

sys.modules["comet"] = comet = ModuleType("comet")
comet.download_model = comet.load_from_checkpoint = None

from simulstream.metrics.scorers.quality import QualityScoringSample
from simulstream.metrics.scorers.quality.sacrebleu import SacreBLEUScorer

print(*(f"{name} {version(name)}" for name in ("simulstream", "mweralign", "sacrebleu")))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


REFERENCE = ["我们在 Linux 上训练了 BERT 模型。", "文件的名字是 read_me，请先看它。"]


def scored(unit, blank):
    """BLEU of the reference itself as the translation of a recording, and its sentences as they are scored."""
    scorer, divided = SacreBLEUScorer(SimpleNamespace(latency_unit=unit, tokenizer="zh")), []
    score = scorer._do_score
    scorer._do_score = lambda samples: divided.extend(samples) or score(samples)
    value = scorer.score([QualityScoringSample("talk.wav", blank.join(REFERENCE), REFERENCE)])
    return round(value, 1), [line.strip() for line in divided[0].hypothesis]


expect("by words: BLEU, text", scored("word", " "), (100.0, REFERENCE))
changed = ["我们在▁Linux▁上训练了▁BERT▁模型。", "文件的名字是▁read me，请先看它。"]
expect("by characters: text", scored("char", "")[1], changed)
expect("by characters: BLEU", scored("char", "")[0], 53.2)
END

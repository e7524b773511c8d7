#!/usr/bin/env bash
# sacrebleu 2.6.0: TER(asian_support=True) alone changes no score, and yet its signature says asian:yes: it acts with
# normalized or no_punct only. With normalized it cuts Chinese characters and kanji, and neither kana nor hangul, so
# that Japanese and Korean are scored by runs of these. Seen: 100.0 with and without asian_support for a Chinese
# sentence with one of ten characters wrong, 10.0 with both.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacrebleu==2.6.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from sacrebleu.metrics import TER
from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

print("sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


hypothesis, reference = "他今天在花园里睡觉。", "他今天在公园里睡觉。"
for options, score in (({}, 100.0), ({"asian_support": True}, 100.0), ({"asian_support": True, "normalized": True}, 10.0)):
    metric = TER(**options)
    expect(f"TER with {options}", round(metric.corpus_score([hypothesis], [[reference]]).score, 1), score)
    expect("  its signature says", "asian:yes" in str(metric.get_signature()), bool(options))
cut = TercomTokenizer(normalized=True, asian_support=True)
expect("Japanese", cut("本を読みました。").split(), ["本", "を", "読", "みました", "。"])
expect("Korean", cut("나는 학생입니다.").split(), ["나는", "학생입니다", "."])
END

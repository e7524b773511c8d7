#!/usr/bin/env bash
# sacrebleu 2.6.0 (mecab-python3 1.0.12, ipadic 1.0.0): a number in full-width digits is one token a digit for
# ja-mecab and zh, in ASCII digits it is one token. Neither is turned into the other, so the same sentence scores
# about half. Seen: ２０２３ is four tokens and 2023 one; BLEU 50.0 (ja-mecab), 57.7 (char), chrF 49.9 for a sentence with
# two numbers.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacrebleu==2.6.0 mecab-python3==1.0.12 ipadic==1.0.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from sacrebleu.metrics import BLEU, CHRF

print("sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def bleu(tokenize, hypothesis, reference):
    return round(BLEU(tokenize=tokenize).corpus_score([hypothesis], [[reference]]).score, 1)


def tokens(tokenize, line):
    return BLEU(tokenize=tokenize).tokenizer(line).split()

expect("ja-mecab, ２０２３年", tokens("ja-mecab", "２０２３年"), ["２", "０", "２", "３", "年"])
expect("ja-mecab, 2023年", tokens("ja-mecab", "2023年"), ["2023", "年"])
expect("zh, ２０２３年", tokens("zh", "２０２３年"), ["２", "０", "２", "３", "年"])
expect("zh, 2023年", tokens("zh", "2023年"), ["2023", "年"])
ascii_digits = "私は2023年に東京で12冊の本を買いました。"
full_width = "私は２０２３年に東京で１２冊の本を買いました。"
expect("BLEU, ja-mecab", bleu("ja-mecab", ascii_digits, full_width), 50.0)
expect("BLEU, char", bleu("char", ascii_digits, full_width), 57.7)
expect("chrF", round(CHRF().corpus_score([ascii_digits], [[full_width]]).score, 1), 49.9)
END

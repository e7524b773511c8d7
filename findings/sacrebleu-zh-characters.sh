#!/usr/bin/env bash
# sacrebleu 2.6.0: the tokenizer zh does not make a token of every Chinese character. Characters beyond U+FFFF (rare
# ones, found in names and places) and those added to Unicode since 2005 stay together, and so do kana and hangul; but
# a curly apostrophe, dashes and arrows are cut out of words as if they were Chinese. The limits \u20000 and \u2a6d6
# of its table are two characters each to Python, so that U+2001 to U+2A6D, general punctuation and symbols, count as
# Chinese. Seen: 𠀋𡈽𠮷 and 鿏鿫 are one token, don’t is three, これは is one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacrebleu==2.6.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from sacrebleu.metrics import BLEU

print("sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def tokens(tokenize, line):
    return BLEU(tokenize=tokenize).tokenizer(line).split()

expect("他今天", tokens("zh", "他今天"), ["他", "今", "天"])
expect("three characters of CJK extension B", tokens("zh", "𠀋𡈽𠮷"), ["𠀋𡈽𠮷"])
expect("two characters of Unicode 8 and later", tokens("zh", "鿏鿫"), ["鿏鿫"])
expect("kana", tokens("zh", "これは"), ["これは"])
expect("hangul", tokens("zh", "한국어"), ["한국어"])
expect("don’t, with a curly apostrophe", tokens("zh", "don’t"), ["don", "’", "t"])
expect("don’t, 13a", tokens("13a", "don’t"), ["don’t"])
expect("α→β", tokens("zh", "α→β"), ["α", "→", "β"])
END

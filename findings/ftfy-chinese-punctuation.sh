#!/usr/bin/env bash
# ftfy 6.3.1: fix_text makes ASCII of the full-width comma, brackets, colon and question mark of Chinese and Japanese
# (fix_character_width), and leaves the ideographic full stop. Parallel text that was cleaned with it has a mixture that
# no reference has; BLEU with zh counts each such sign as wrong. It also makes quotation marks straight, German ones
# too. Seen: BLEU 38 for a correct sentence.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ftfy==6.3.1 sacrebleu==2.6.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import ftfy
import sacrebleu

print("ftfy", version("ftfy"), "and sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


chinese = "你好，世界（地球）：我来了。你呢？"
expect("Chinese", ftfy.fix_text(chinese), "你好,世界(地球):我来了。你呢?")
expect("its BLEU", round(sacrebleu.corpus_bleu([ftfy.fix_text(chinese)], [[chinese]], tokenize="zh").score, 1), 37.7)
expect("without fix_character_width", ftfy.fix_text(chinese, fix_character_width=False), chinese)
expect("German", ftfy.fix_text("„Gut“, sagte er."), '"Gut", sagte er.')
END

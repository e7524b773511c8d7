#!/usr/bin/env bash
# nagisa 0.3.0 returns words of another text than its input: the text is put into Unicode's compatibility form (NFKC), and
# blanks become ideographic ones. sudachipy 0.7.0 with its core dictionary returns the characters of the input. Seen:
# full-width letters and exclamation marks become ASCII, half-width katakana full-width, and ① becomes 1.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check nagisa==0.3.0 sudachipy==0.7.0 sudachidict-core==20261015
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import nagisa
from sudachipy import Dictionary

print("nagisa", version("nagisa"), "sudachipy", version("sudachipy"))
sudachi = Dictionary().tokenizer()


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for text, expected in (
    ("彼はＡＢＣ社の株を買った。", "彼はABC社の株を買った。"),
    ("もらった！", "もらった!"),
    ("これは ﾃｽﾄ です。", "これは　テスト　です。"),
    ("①と②", "1と2"),
):
    expect(f"sudachipy, {text}", "".join(word.surface() for word in sudachi.tokenize(text)), text)
    expect(f"nagisa, {text}", "".join(nagisa.tagging(text).words), expected)
END

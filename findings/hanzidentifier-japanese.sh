#!/usr/bin/env bash
# hanzidentifier 1.3.0 looks only at characters that its Chinese lists have and passes over all others: a Japanese
# sentence is Chinese in both scripts. It cannot tell whether a translation is Chinese. Seen: Japanese is MIXED or BOTH.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  hanzidentifier==1.3.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import hanzidentifier

print("hanzidentifier", version("hanzidentifier"))
names = {value: name for name, value in vars(hanzidentifier).items() if name.isupper() and isinstance(value, int)}


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for line, kind in (
    ("我们去学校", "SIMPLIFIED"),
    ("我們去學校", "TRADITIONAL"),
    ("日本語を学ぶ", "MIXED"),
    ("発展", "BOTH"),
    ("只有", "BOTH"),
    ("Hello", "UNKNOWN"),
):
    expect(line, names[hanzidentifier.identify(line)], kind)
END

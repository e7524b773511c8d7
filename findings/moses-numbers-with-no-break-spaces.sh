#!/usr/bin/env bash
# sacremoses 0.2.0: MosesPunctNormalizer writes a full stop, or for German, French, Spanish and Czech a comma, where a
# no-break space groups the digits of a number. In English and in these four that is the decimal sign: ten thousand
# becomes ten. Seen: 10 000 is 10.000 in English and 10,000 in French.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacremoses==0.2.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from sacremoses import MosesPunctNormalizer

print("sacremoses", version("sacremoses"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


number = "10\u00a0000 km"
for language, written in (("en", "10.000 km"), ("it", "10.000 km"), ("fr", "10,000 km"), ("de", "10,000 km"), ("cs", "10,000 km")):
    expect(f"ten thousand in {language}", MosesPunctNormalizer(lang=language).normalize(number), written)
expect("with an ordinary blank", MosesPunctNormalizer(lang="fr").normalize("10 000 km"), "10 000 km")
expect("between words", MosesPunctNormalizer(lang="fr").normalize("a\u00a0b"), "a\u00a0b")
END

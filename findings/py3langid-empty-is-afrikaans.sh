#!/usr/bin/env bash
# py3langid 0.4.0: an empty text is Afrikaans, with the lowest number that a float can be as its score; among
# languages chosen with set_languages it is the first in the alphabet. Empty translations into such a language count
# as being in it. Seen: af among all languages, de among German and English, fr among French and Italian.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  py3langid==0.4.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import py3langid

print("py3langid", version("py3langid"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"

language, score = py3langid.classify("")
expect("an empty text", language, "af")
expect("  its score is below -3e38", score < -3e38, True)
for chosen, answer in ((["en", "de"], "de"), (["it", "fr"], "fr")):
    py3langid.set_languages(chosen)
    expect(f"an empty text, of {' and '.join(chosen)}", py3langid.classify("")[0], answer)
END

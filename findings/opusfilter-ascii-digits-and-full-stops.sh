#!/usr/bin/env bash
# opusfilter 3.3.1 counts only ASCII digits as numerals and only ASCII marks as the end of a sentence. Seen: the filter
# NonZeroNumeralsFilter rejects correct pairs whose numbers are written in the digits of the target language, or full-width,
# and TerminalPunctuationFilter counts "。" and "।" as a missing full stop.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check opusfilter==3.3.1
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from opusfilter.filters import NonZeroNumeralsFilter, TerminalPunctuationFilter

print("opusfilter", version("opusfilter"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


numerals, marks = NonZeroNumeralsFilter(), TerminalPunctuationFilter()
for english, other, kept in (
    ("He came in 1990.", "他１９９０年来。", False),
    ("He came in 1990.", "他1990年来。", True),
    ("He said it in 1990.", "قالها في عام ١٩٩٠.", False),
    ("He came in May 2020.", "वह मई २०२० में आया।", False),
):
    expect(f"numerals of {english} and {other} are equal", numerals.accept(next(numerals.score([(english, other)]))), kept)
for english, other, score in (("He came.", "Er kam.", 0), ("He came.", "他来了。", -0.693), ("He came.", "वह आया।", -0.693)):
    expect(f"end of {english} and {other}", round(next(marks.score([(english, other)])), 3) + 0, score)
END

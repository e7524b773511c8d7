#!/usr/bin/env bash
# webvtt-py 0.5.1 takes tags and voices out of a caption's text and leaves entities (&amp;, &lt;) in it. pysubs2 1.8.1
# leaves them, too, and reads a NOTE of a WebVTT file as the end of the caption before it. Sources made of subtitles
# then hold comments and markup that the references do not have. Seen: "Hello &amp; you", and a caption that ends in
# "NOTE a note".
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  webvtt-py==0.5.1 pysubs2==1.8.1
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import pysubs2
import webvtt

print("webvtt-py", version("webvtt-py"), "and pysubs2", version("pysubs2"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


text = (
    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<v Bob>Hello &amp; <i>you</i>\n\n"
    "NOTE a note\n\n00:00:03.000 --> 00:00:04.000\nBye\n"
)
expect("webvtt-py", [caption.text for caption in webvtt.from_string(text)], ["Hello &amp; you", "Bye"])
read = [event.plaintext for event in pysubs2.SSAFile.from_string(text)]
expect("pysubs2", read, ["Hello &amp; you\n\nNOTE a note", "Bye"])
END

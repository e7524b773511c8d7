#!/usr/bin/env bash
# datasets 5.2.0: load_dataset("text") ends a line at a lone carriage return, too, and not at U+2028 or U+0085. Two
# sides of a parallel corpus, one of which has a carriage return inside a sentence, are out of step from there on,
# without a message. Seen: three lines of a file that has two.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  datasets==5.2.0
"$place/venv/bin/python" - <<'END'
import tempfile
from importlib.metadata import version
from pathlib import Path

from datasets import load_dataset
from datasets.utils.logging import disable_progress_bar

disable_progress_bar()
print("datasets", version("datasets"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "a.txt")
    for name, sign, lines in (
        ("carriage return", "\r", ["one", "two", "three"]),
        ("U+2028", "\u2028", ["one\u2028two", "three"]),
        ("U+0085", "\x85", ["one\x85two", "three"]),
    ):
        file.write_bytes(f"one{sign}two\nthree\n".encode())
        expect(name, list(load_dataset("text", data_files=str(file), split="train", cache_dir=folder)["text"]), lines)
END

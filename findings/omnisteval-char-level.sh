#!/usr/bin/env bash
# OmniSTEval 0.1.10: a log with one delay a word, scored with --char_level, is no error: references are counted in
# characters, and the delays go with the first of them. On text, where elapsed times are 0, the computation-aware values
# are negative numbers under the same name. Seen: AL 1.0 by words, 1.8 by characters, -1.0 computation-aware.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  OmniSTEval==0.1.10
"$place/venv/bin/python" - <<'END'
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

print("OmniSTEval", version("OmniSTEval"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


row = {"index": 0, "prediction": "the dog sleeps", "delays": [1, 2, 3], "elapsed": [0, 0, 0], "prediction_length": 3}
row |= {"reference": "the dog sleeps", "source": "le chien dort", "source_length": 3}


def lag(option):
    with tempfile.TemporaryDirectory() as folder:
        log, reference = Path(folder, "log"), Path(folder, "reference")
        log.write_text(json.dumps(row) + "\n")
        reference.write_text(row["reference"] + "\n")
        command = [Path(sys.executable).with_name("omnisteval"), "shortform", option]
        command += ["--hypothesis_file", log, "--ref_sentences_file", reference]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [float(re.search(rf"^ *AL \({kind}\) +(\S+)", shown, re.M)[1]) for kind in ("CU", "CA")]


expect("by words: AL, and computation-aware", lag("--word_level"), [1.0, -1.0])
expect("by characters: AL", round(lag("--char_level")[0], 1), 1.8)
END

#!/usr/bin/env bash
# SimulEval 1.1.4: with --computation-aware the columns AL, LAAL and DAL hold the computation-aware values, too, the
# same as AL_CA, LAAL_CA and DAL_CA, and the plain values are nowhere. Tables made with that option compare elapsed
# times with delays. Seen: AL 1000 without the option, 1200 with it, for one log.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  simuleval==1.1.4 "setuptools<81"
"$place/venv/bin/python" - <<'END'
import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

print("simuleval", version("simuleval"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


delays = [1000, 2000, 3000]
row = {"index": 0, "prediction": "le chien dort", "delays": delays, "elapsed": [1200, 2200, 3200], "prediction_length": 3}
row |= {"reference": "le chien dort", "source": ["a.wav"], "source_length": 3000}


def scores(*options):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "instances.log").write_text(json.dumps(row) + "\n")
        Path(folder, "config.yaml").write_text("source_type: speech\ntarget_type: text\n")
        program = Path(sys.executable).with_name("simuleval")
        command = [program, "--score-only", "--output", folder, "--source-type", "speech", "--target-type", "text"]
        command += ["--latency-metrics", "AL", "DAL", *options]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()
        names, values = shown[-2].split(), shown[-1].split()[1:]
        return {name: float(value) for name, value in zip(names, values, strict=True) if name != "BLEU"}


expect("as it comes", scores(), {"AL": 1000.0, "DAL": 1000.0})
expect(
    "with --computation-aware",
    scores("--computation-aware"),
    {"AL": 1200.0, "AL_CA": 1200.0, "DAL": 1200.0, "DAL_CA": 1200.0},
)
END

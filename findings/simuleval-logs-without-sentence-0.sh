#!/usr/bin/env bash
# SimulEval 1.1.4: a log whose first sentence is not number 0, as --start-index writes it, cannot be scored with
# --score-only (KeyError: 0), although the run itself has printed scores; and --continue-unfinished after a complete run
# ends with the same error. A log that lacks a sentence in the middle is taken for whole. Seen: KeyError twice, and
# scores for three sentences of four.
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
AGENT = """
from simuleval.agents import TextToTextAgent
from simuleval.agents.actions import ReadAction, WriteAction
from simuleval.utils import entrypoint


@entrypoint
class Copy(TextToTextAgent):
    def policy(self):
        if not self.states.source_finished:
            return ReadAction()
        return WriteAction(" ".join(self.states.source), finished=True)
"""


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def run(folder, *options):
    command = [Path(sys.executable).with_name("simuleval"), "--output", "out", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return lines[-1].strip()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "agent.py").write_text(AGENT)
    (folder / "text").write_text("a b c d\ne f g h\ni j k l\nm n o p\n")
    whole = ["--agent", "agent.py", "--source", "text", "--target", "text"]
    log = folder / "out" / "instances.log"
    expect("the run", run(folder, *whole, "--start-index", "1", "--end-index", "3")[:5], "100.0")
    expect("scored again", run(folder, "--score-only"), "KeyError: 0")
    run(folder, *whole)
    expect("continued when it is complete", run(folder, *whole, "--continue-unfinished"), "KeyError: 0")
    rows = log.read_text().splitlines(keepends=True)
    log.write_text("".join(rows[:2]).replace(rows[1], "") + rows[2])
    expect("continued without sentence 1", run(folder, *whole, "--continue-unfinished")[:5], "100.0")
    numbers = [json.loads(row)["index"] for row in log.read_text().splitlines()]
    expect("sentences in the log", numbers, [0, 2, 3])
END

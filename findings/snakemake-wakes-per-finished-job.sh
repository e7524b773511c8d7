#!/usr/bin/env bash
# Snakemake 9.27.1, on one machine with its default of at most 100 jobs a second: while a job runs and others wait, the
# scheduler goes through all jobs that are ready once a second, and once more for every job that has ended since the
# start. So the work between two jobs grows with the number of jobs done: in a run of 700 jobs it took more CPU time
# than starting them. Seen, in the 8 seconds of one job while 30 others wait: 7 rounds when it is the first, 39 when 4
# jobs have ended before it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  snakemake==9.27.1
"$place/venv/bin/python" - <<'END'
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

print("snakemake", version("snakemake"))
RULES = """
BEFORE = {before}
rule all:
    input: "long", expand("early-{{n}}", n=range(BEFORE)), expand("late-{{n}}", n=range(30))
rule early:
    output: touch("early-{{n}}")
    priority: 3
rule long:
    output: touch("long")
    priority: 2
    shell: "echo LONG BEGINS >&2; sleep 8; echo LONG ENDS >&2"
rule late:
    output: touch("late-{{n}}")
"""


def rounds(before):
    """How often the scheduler looks for jobs while the long one runs."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(RULES.format(before=before))
        command = [Path(sys.executable).with_name("snakemake"), "--cores", "1", "--verbose"]
        done = subprocess.run(command, check=True, cwd=folder, stderr=subprocess.PIPE, text=True)
        text = done.stderr.partition("\nLONG BEGINS\n")[2].partition("\nLONG ENDS\n")[0]
        return text.count("Resources before job selection")


few, many = rounds(0), rounds(4)
print(f"rounds in 8 seconds: {few} with no job done before, {many} with 4 jobs done before")
assert few <= 12, "this has changed: about one round a second was seen before"
assert many >= 2 * few, "this has changed: rounds grew with the jobs done"
END

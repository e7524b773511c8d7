#!/usr/bin/env bash
# Snakemake 9.27.1: with retries, a resource that grows with the attempt grows in the shell command, and a value under
# params that is computed from it (lambda wildcards, resources: ...) keeps what it was at the first attempt. A batch
# size or a heap size taken from params is that of the attempt that failed. Seen: 100 100, 200 100, 300 100.
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
rule grow:
    output: "done"
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt
    params: heap=lambda wildcards, resources: resources.mem_mb
    retries: 2
    shell: "echo {resources.mem_mb} {params.heap} >> tries; test {resources.mem_mb} = 300 && touch {output}"
"""


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


with tempfile.TemporaryDirectory() as folder:
    Path(folder, "Snakefile").write_text(RULES)
    command = [Path(sys.executable).with_name("snakemake"), "--cores", "1", "--quiet", "all"]
    subprocess.run(command, check=True, cwd=folder)
    expect("resource and parameter", Path(folder, "tries").read_text().splitlines(), ["100 100", "200 100", "300 100"])
END

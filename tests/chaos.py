#!/usr/bin/env python3
"""Kill a run of the workflow at random moments, again and again, and see that its result is not changed by it.

    python tests/chaos.py --rounds 20 --seed 1

A round starts Snakemake and, after a random time, sends SIGKILL to Snakemake and all its jobs, or to one job alone;
then the workflow is run to its end. Every file that does not hold a time of day must have the bytes of an undisturbed
run. `make chaos` does it; a round takes as long as one run of the smoke configuration and some.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from test_workflow import contents  # noqa: E402


def start(folder: Path, config: Path, cores: int) -> subprocess.Popen[bytes]:
    """Snakemake in a session of its own, so that all its jobs can be found."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--configfile", config]
    command += ["--cores", str(cores), "--rerun-incomplete", "--nolock", "--quiet", "all"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with open(folder / "snakemake.log", "ab") as log:
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )


def finish(folder: Path, config: Path, cores: int) -> None:
    """Run to the end."""
    if start(folder, config, cores).wait() != 0:
        sys.exit(f"a run failed that nobody disturbed: see {folder}/snakemake.log")


def processes_of(session: int, text: str = "") -> list[int]:
    """Process ids of a session whose command lines hold a text."""
    said = subprocess.run(["ps", "-s", str(session), "-o", "pid=,args="], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in said.splitlines() if text in line]


def disturb(run: subprocess.Popen[bytes], rng: random.Random) -> str:
    """Kill something of a run: a single job, or everything; what it was."""
    jobs = processes_of(run.pid, f"{REPOSITORY}/scripts/")
    alone = bool(jobs) and rng.random() < 0.5
    for pid in [rng.choice(jobs)] if alone else processes_of(run.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.wait()
    return "a job" if alone else "Snakemake and its jobs"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=REPOSITORY / "config" / "smoke.yaml")
    parser.add_argument("--results", default="results/smoke", help="the `results` of that configuration")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    config, rng = arguments.config.resolve(), random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        quiet = Path(name) / "quiet"
        quiet.mkdir()
        began = time.monotonic()
        finish(quiet, config, arguments.cores)
        usual = time.monotonic() - began
        expected = contents(quiet / arguments.results)
        print(f"undisturbed: {len(expected)} files, {usual:.0f} s", flush=True)
        for number in range(1, arguments.rounds + 1):
            folder = Path(name) / f"round-{number}"
            folder.mkdir()
            run = start(folder, config, arguments.cores)
            moment = rng.uniform(0, usual)
            try:
                run.wait(timeout=moment)
                what = "nothing: it was over by then"
            except subprocess.TimeoutExpired:
                what = disturb(run, rng)
            finish(folder, config, arguments.cores)
            found = contents(folder / arguments.results)
            wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            if wrong:
                sys.exit(f"round {number}: killed {what} after {moment:.0f} s; not as undisturbed: {', '.join(wrong)}")
            print(f"round {number}: killed {what} after {moment:.0f} s; the same bytes", flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Kill a run of the workflow at random moments, again and again, and see that its result is not changed by it.

    python tests/chaos.py --rounds 5 --kills 4 --seed 1
    python tests/chaos.py --rounds 5 --kills 4 --slurm

A round gives the README's commands, `make smoke` and plain `snakemake` in turn, in a copy of the checkout. After a
random time SIGKILL is sent to one job, to Snakemake alone (its jobs continue), or to every process of the run. Then the
next command is given, and so on; the last one runs to its end. Every file that does not hold a time of day must have
the bytes of an undisturbed run. With `--slurm`, a small run goes through a SLURM that is started here (root, Debian).
There, a job of the cluster is killed, or Snakemake, whose jobs are then cancelled. `make chaos` does the first.
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

from conftest import copy_checkout  # noqa: E402
from support import workflow  # noqa: E402

COMMANDS = [["make", "smoke"], ["snakemake", "--cores", "all", "--configfile", "config/smoke.yaml"]]
"""As the README has them."""
CLUSTER = ["snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", "config.yaml"]
CLUSTER += ["--workflow-profile", str(workflow.PROFILE), *workflow.ALONE]


def prepared(folder: Path, slurm: bool) -> Path:
    """A working directory with the configuration, and what it names."""
    folder.mkdir()
    if slurm:
        return workflow.given(folder)
    copy_checkout(folder)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (folder / ".venv" / ".ready").touch()  # newer than the lists that were copied, so `make` makes no environment
    return folder


def results(folder: Path, slurm: bool) -> dict[str, str]:
    """Every result, by name, and its digest."""
    return workflow.contents(folder / ("results" if slurm else "results/smoke"))


def start(folder: Path, slurm: bool, number: int = 0) -> subprocess.Popen[bytes]:
    """Give the nth command in a session of its own, so that all its processes can be found."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    options = {"cwd": folder, "stderr": subprocess.STDOUT, "env": environment, "start_new_session": True}
    with open(folder / "snakemake.log", "ab") as log:
        return subprocess.Popen(CLUSTER if slurm else COMMANDS[number % len(COMMANDS)], stdout=log, **options)


def finish(folder: Path, slurm: bool, number: int = 0) -> None:
    """Run to the end."""
    if start(folder, slurm, number).wait() != 0:
        sys.exit(f"a run failed that nobody disturbed:\n{(folder / 'snakemake.log').read_text()[-5000:]}")


def processes_of(session: int, text: str = "") -> list[str]:
    """Process ids of a session whose command lines hold a text."""
    said = subprocess.run(["ps", "-s", str(session), "-o", "pid=,args="], capture_output=True, text=True).stdout
    return [line.split()[0] for line in said.splitlines() if text in line]


def queued(*options: str) -> list[str]:
    """Ids of the cluster's jobs."""
    said = subprocess.run(["squeue", "--noheader", "--format", "%A", *options], capture_output=True, text=True).stdout
    return said.split()


def killed(pids: list[str]) -> None:
    """End processes at once."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def disturb(run: subprocess.Popen[bytes], rng: random.Random, slurm: bool, folder: Path) -> str:
    """Kill something of a run, a single job, Snakemake or everything, and wait until it has ended; what it was."""
    jobs = queued("--states", "RUNNING") if slurm else processes_of(run.pid, f"{folder}/scripts/")
    choice = rng.random()
    if not slurm and choice < 1 / 3:
        killed(processes_of(run.pid, "bin/snakemake "))
        run.wait()
        return "Snakemake"
    if jobs and choice < 2 / 3:
        job = rng.choice(jobs)
        if slurm:
            subprocess.run(["scancel", "--signal", "KILL", job], check=False)
        else:
            killed([job])
        run.wait()
        return "a job"
    killed(processes_of(run.pid))
    run.wait()
    if slurm:
        while remaining := queued():
            subprocess.run(["scancel", *remaining], check=False)
            time.sleep(0.5)
    return "Snakemake and its jobs"


def round_of(folder: Path, slurm: bool, kills: int, usual: float, rng: random.Random) -> str:
    """Disturb one run so often, then let it end; what was done to it."""
    done = []
    for number in range(kills):
        run, moment = start(folder, slurm, number), rng.uniform(0, 2 * usual / (kills + 1))
        try:
            run.wait(timeout=moment)
            done.append("nothing (it was over)")
        except subprocess.TimeoutExpired:
            done.append(f"{disturb(run, rng, slurm, folder)} after {moment:.0f} s")
    finish(folder, slurm, kills)
    return ", ".join(done)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=4, help="in each round")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--slurm", action="store_true", help="a small run, through a SLURM that is started for it")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, contextlib.ExitStack() as stack:
        if given.slurm:
            subprocess.run([workflow.SCRIPT, "start"], check=True)
            stack.callback(subprocess.run, [workflow.SCRIPT, "stop"], check=True)
        quiet = prepared(Path(name) / "quiet", given.slurm)
        began = time.monotonic()
        finish(quiet, given.slurm)
        usual = time.monotonic() - began
        expected = results(quiet, given.slurm)
        print(f"undisturbed: {len(expected)} files, {usual:.0f} s", flush=True)
        for number in range(1, given.rounds + 1):
            folder = prepared(Path(name) / f"round-{number}", given.slurm)
            what = round_of(folder, given.slurm, given.kills, usual, rng)
            found = results(folder, given.slurm)
            wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            if wrong:
                sys.exit(f"round {number}: killed {what}; not as undisturbed: {', '.join(wrong)}")
            print(f"round {number}: killed {what}; the same bytes", flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Several processes for one training: the command starts itself again, once per device, on one machine or several."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys

PORTS = range(20_000, 30_000)
"""At which nodes find each other: below those that systems hand out."""


def together(devices: int) -> None:
    """Become `devices` processes that run this very command; does nothing in one of them, or where one is enough.

    By hand, under Snakemake and in a SLURM job alike. In a job of several nodes each gets its share of the processes;
    torchrun finds a free port and ends all when one fails.

    Raises:
        ValueError: the job's nodes cannot have equal shares, or SLURM's programs are missing.
    """
    if "LOCAL_RANK" in os.environ:
        if not first():
            logging.getLogger().setLevel(logging.WARNING)
    elif devices > 1:
        program, *arguments = command(devices, nodes(), [sys.executable, *sys.argv])
        sys.stdout.flush()
        os.execv(program, [program, *arguments])


def command(devices: int, nodes: list[str], script: list[str]) -> list[str]:
    """The command line that runs a script in so many processes.

    Args:
        devices: processes, on all nodes together.
        nodes: names of the SLURM job's nodes; one or none means this machine.
        script: Python, the script and its arguments.

    Raises:
        ValueError: the nodes cannot have equal shares, or there is no srun.
    """
    python, *rest = script
    torchrun = [python, "-m", "torch.distributed.run"]
    if len(nodes) < 2:
        return [*torchrun, "--standalone", f"--nproc-per-node={devices}", *rest]
    if devices % len(nodes):
        raise ValueError(
            f"devices ({devices}) must be a multiple of the nodes of this SLURM job ({len(nodes)}): ask for as many "
            "nodes as share them equally"
        )
    job = os.environ["SLURM_JOB_ID"]
    # one torchrun a node. What the job has is theirs, though the step that started this one has it, too (--overlap),
    # and all of a node's cores, not those of one task (--cpu-bind).
    srun = [_program("srun"), f"--nodes={len(nodes)}", f"--ntasks={len(nodes)}", "--ntasks-per-node=1"]
    srun += ["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1"]
    torchrun += [f"--nnodes={len(nodes)}", f"--nproc-per-node={devices // len(nodes)}", f"--rdzv-id={job}"]
    # jobs that share a node must not meet; job numbers that follow each other give different ports
    torchrun += ["--rdzv-backend=c10d", f"--rdzv-endpoint={nodes[0]}:{PORTS[int(job) % len(PORTS)]}"]
    return [*srun, *torchrun, *rest]


def nodes() -> list[str]:
    """Names of the nodes of the SLURM job that this runs in; none outside of one."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return []
    # Snakemake's jobs of several nodes are told their number and nothing else
    listed = os.environ.get("SLURM_JOB_NODELIST") or _said("squeue", "--noheader", "--jobs", job, "--format", "%N")
    return _said("scontrol", "show", "hostnames", listed).split()


def _said(program: str, *arguments: str) -> str:
    done = subprocess.run([_program(program), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        raise ValueError(f"SLURM_JOB_ID is set, but there is no {name} on the PATH; add the folder of SLURM's programs")
    return found


def world() -> tuple[int, int]:
    """Number of this process, from 0, and of all."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process is the one that writes."""
    return world()[0] == 0

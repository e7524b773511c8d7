"""Starts the processes of one training: the command runs itself again, once per device, on one or several machines."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys

PORTS = range(20_000, 30_000)
"""Ports at which nodes find each other; they are below the ports that operating systems assign automatically."""


def together(devices: int) -> None:
    """Replace this process by `devices` processes that run the same command. Does nothing in one of these processes, or
    if one process is enough.

    This works in a terminal, under Snakemake and in a SLURM job. In a job with several nodes, each node gets an equal
    number of processes. torchrun finds a free port, and ends all processes when one fails.

    Raises:
        ValueError: the processes cannot be divided equally among nodes, or SLURM's programs are missing.
    """
    if "LOCAL_RANK" in os.environ:
        if not first():
            logging.getLogger().setLevel(logging.WARNING)
    elif devices > 1:
        program, *arguments = command(devices, nodes(), [sys.executable, *sys.argv])
        sys.stdout.flush()
        os.execv(program, [program, *arguments])


def command(devices: int, nodes: list[str], script: list[str]) -> list[str]:
    """The command line that runs a script in several processes.

    Args:
        devices: number of processes on all nodes together.
        nodes: names of the SLURM job's nodes; with one or none, all processes run on this machine.
        script: Python, the script and its arguments.

    Raises:
        ValueError: the processes cannot be divided equally among nodes, or there is no srun.
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
    # One torchrun per node. --overlap: the step that runs this command already holds the job's resources, and the new
    # step uses the same ones. --cpu-bind=none: torchrun's processes may use all cores of their node.
    srun = [_program("srun"), f"--nodes={len(nodes)}", f"--ntasks={len(nodes)}", "--ntasks-per-node=1"]
    srun += ["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1"]
    torchrun += [f"--nnodes={len(nodes)}", f"--nproc-per-node={devices // len(nodes)}", f"--rdzv-id={job}"]
    # jobs on the same node need different ports, and consecutive job numbers give different ones
    torchrun += ["--rdzv-backend=c10d", f"--rdzv-endpoint={nodes[0]}:{PORTS[int(job) % len(PORTS)]}"]
    return [*srun, *torchrun, *rest]


def nodes() -> list[str]:
    """Names of the nodes of the SLURM job that this process runs in; empty outside of a job."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return []
    # in Snakemake's jobs with several nodes, SLURM_JOB_NODELIST is not set
    listed = os.environ.get("SLURM_JOB_NODELIST") or _said("squeue", "--noheader", "--jobs", job, "--format", "%N")
    return _said("scontrol", "show", "hostnames", listed).split()


def _said(program: str, *arguments: str) -> str:
    done = subprocess.run([_program(program), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _program(name: str) -> str:
    if (path := shutil.which(name)) is None:
        raise ValueError(f"SLURM_JOB_ID is set, but there is no {name} on the PATH; add the folder of SLURM's programs")
    return path


def world() -> tuple[int, int]:
    """(rank of this process, number of processes)."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process has rank 0; only this one writes results."""
    return world()[0] == 0

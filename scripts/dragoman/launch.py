"""Several processes for one training: the command starts itself again, once per device of this machine."""

from __future__ import annotations

import logging
import os
import sys


def together(devices: int) -> None:
    """Become `devices` processes that run this very command; does nothing in one of them, or where one is enough.

    By hand, under Snakemake and in a SLURM job alike: torchrun finds a free port and ends all when one fails.
    """
    if "LOCAL_RANK" in os.environ:
        if not first():
            logging.getLogger().setLevel(logging.WARNING)
    elif devices > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
        sys.stdout.flush()
        os.execv(sys.executable, [*command, *sys.argv])


def world() -> tuple[int, int]:
    """Number of this process, from 0, and of all."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process is the one that writes."""
    return world()[0] == 0

"""Whether disk and memory have room for something large, seen before any work is done."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil


def check_disk(folder: Path, size: int, what: str) -> None:
    """Refuse to write what the disk has no room for.

    Args:
        folder: on that disk; it need not be there yet.
        size: bytes.
        what: for the message.

    Raises:
        ValueError: there is too little room.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ValueError(
            f"{what} takes {gigabytes(size)} in {folder.resolve()}, which has {gigabytes(free)} left; make room there, "
            "or name another folder as `results`"
        )


def check_memory(size: int, what: str) -> None:
    """Refuse what main memory has no room for.

    Raises:
        ValueError: there is too little room.
    """
    free = psutil.virtual_memory().available
    if free < size:
        raise ValueError(
            f"{what} takes about {gigabytes(size)} of memory, and {gigabytes(free)} are free; run it where there is "
            "more, or take a smaller model"
        )


def gigabytes(size: float) -> str:
    """`1.3 GB`, `0.002 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e9:.2g} GB"

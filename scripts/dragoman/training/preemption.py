"""A training that is told to make room: SIGTERM, which clusters send some seconds before they end a job."""

from __future__ import annotations

import logging
import signal
from types import FrameType, TracebackType
from typing import Any

import torch
import torch.distributed as dist
from transformers import TrainerCallback

log = logging.getLogger(__name__)


class Notice(TrainerCallback):
    """As a context, takes SIGTERM for a request: the training saves and stops at its next logged step.

    Not before, because the logged loss is a mean over all steps since the last one, and a checkpoint does not hold half
    of it. Whoever does not wait so long finds the checkpoint before.
    """

    CODE = 128 + signal.SIGTERM
    """Exit code of what a signal ended."""

    def __init__(self, label: str) -> None:
        self.label, self.asked, self.obeyed = label, False, False

    def __enter__(self) -> Notice:
        self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        log.info(f"{self.label}: told to stop (SIGTERM); saving at the next logged step")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % args.logging_steps or state.global_step == state.max_steps:
            return
        if self._anyone(args.device):
            self.obeyed = control.should_save = control.should_training_stop = True

    def _anyone(self, device: torch.device) -> bool:
        """Whether this process was told, or another that trains the same model."""
        if not dist.is_initialized():
            return self.asked
        asked = torch.tensor(int(self.asked), device=device)
        dist.all_reduce(asked, dist.ReduceOp.MAX)
        return bool(asked)

"""Preemption: a training saves and stops after SIGTERM, which clusters send some seconds before they end a job."""

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
    """Within this context, SIGTERM makes the training save and stop at its next logged step.

    It waits for a logged step, since the logged loss is a mean over all steps since the previous one, and a checkpoint
    cannot hold a part of it. If the job is ended earlier, training continues from the previous checkpoint.
    """

    CODE = 128 + signal.SIGTERM
    """Exit code of a process that was ended by SIGTERM."""

    def __init__(self, label: str) -> None:
        self.label, self.asked, self.obeyed = label, False, False

    def __enter__(self) -> Notice:
        self.before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        log.info(f"{self.label}: received SIGTERM; saving at the next logged step")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % args.logging_steps or state.global_step == state.max_steps:
            return
        if self._anyone(args.device):
            self.obeyed = control.should_save = control.should_training_stop = True

    def _anyone(self, device: torch.device) -> bool:
        """Whether this process, or another one that trains the same model, has received SIGTERM."""
        if not dist.is_initialized():
            return self.asked
        asked = torch.tensor(int(self.asked), device=device)
        dist.all_reduce(asked, dist.ReduceOp.MAX)
        return bool(asked)

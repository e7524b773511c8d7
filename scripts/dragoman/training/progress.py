"""Progress lines of a training."""

from __future__ import annotations

import logging
import time
from typing import Any

from transformers import TrainerCallback

from dragoman import command

log = logging.getLogger(__name__)


class Progress(TrainerCallback):
    """Logs step, loss, tokens per second and time left, at most once every few seconds."""

    EVERY = 5.0
    """Seconds between two lines."""

    def __init__(self, label: str) -> None:
        self.label, self.last, self.began, self.first_step, self.tokens = label, 0.0, 0.0, 0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.began, self.first_step = time.monotonic(), state.global_step
        self.tokens = state.num_input_tokens_seen

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        now = time.monotonic()
        done = state.global_step - self.first_step
        if not logs or "loss" not in logs or not done:
            return
        if now - self.last < self.EVERY and state.global_step < state.max_steps:
            return
        self.last = now
        elapsed = now - self.began
        left = elapsed / done * (state.max_steps - state.global_step)
        speed = (state.num_input_tokens_seen - self.tokens) / elapsed
        progress = command.bar(state.global_step, state.max_steps, left)
        log.info(f"{self.label} {progress}, loss {logs['loss']:.3f}, {speed:,.0f} tokens/s")

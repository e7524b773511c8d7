"""Training of one model with the Hugging Face Trainer, with exact resume and complete checkpoints.

The order of examples is a pure function of (seed, epoch). The loss is a mean over the tokens of the whole global batch,
for any division into micro-batches. A checkpoint is valid only if it has a manifest. So a run that was stopped and
continued ends with the same weights as an uninterrupted run.

Several processes (`devices`) train one sharded model: each processes a part of every batch, and the first one writes.
"""

from __future__ import annotations

import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from accelerate.data_loader import prepare_data_loader
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader, Subset
from torch.utils.tensorboard import SummaryWriter
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback

from dragoman import room
from dragoman.command import peak_memory
from dragoman.config import Training
from dragoman.methods import Example
from dragoman.models import device, made_with, use_bfloat16
from dragoman.storage import naming_full_disks, read_manifest, write_manifest
from dragoman.training import disk, launch, sharding
from dragoman.training.batches import Batches, Collator
from dragoman.training.losses import Loss, cross_entropy
from dragoman.training.optimizers import muon_with_adamw
from dragoman.training.preemption import Notice
from dragoman.training.progress import Progress
from dragoman.training.trainable import merged, trainable

log = logging.getLogger(__name__)

SCHEDULER = "scheduler.pt"
"""File of a checkpoint with the state of the learning rate schedule."""


class Run(Trainer):
    """A Trainer with our own batches, loss and checkpoints.

    Args:
        batches: the order of examples.
        loss: the loss of a micro-batch, divided by the tokens of the global batch.
        checkpoints: folder of checkpoints `step-N`.
        spent: seconds of earlier attempts, up to the checkpoint from which this one continues.
        horizon: number of steps of the learning rate schedule.
    """

    def __init__(
        self, *, batches: Batches, loss: Loss, checkpoints: Path, spent: float, horizon: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.batches, self.loss, self.checkpoints, self.horizon = batches, loss, checkpoints, horizon
        self.began = time.monotonic() - spent
        self.args.save_only_model = False  # see `fit`
        self.model_accepts_loss_kwargs = True  # our loss is already divided by the tokens of the whole global batch

    @property
    def seconds(self) -> float:
        """Training time so far, including earlier attempts up to their last checkpoint."""
        return time.monotonic() - self.began

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        return super().create_scheduler(self.horizon, optimizer)

    def get_train_dataloader(self) -> DataLoader:
        loader = DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator)
        if not self.sharded:
            return self.accelerator.prepare(loader)
        # prepared as for one process, since `batches` already distributes micro-batches over the processes
        return prepare_data_loader(loader, self.args.device, num_processes=1, process_index=0, put_on_device=True)

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        assert num_items_in_batch is not None
        examples = torch.tensor(self.batches.batch_size, device=num_items_in_batch.device)
        # FSDP averages gradients over processes, but each loss is a part of a sum, so it is multiplied by their number
        loss = self.loss(model, inputs | {"examples": examples}, num_items_in_batch) * self.args.world_size
        return (loss, {}) if return_outputs else loss

    def _save_checkpoint(self, model: PreTrainedModel, trial: Any) -> None:
        """Save under a temporary name, rename, write the manifest, which makes it valid, and remove older checkpoints.
        The last step has no checkpoint, since the finished model is saved next."""
        if self.state.global_step == self.state.max_steps:
            return
        staged = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            with naming_full_disks(self.checkpoints):
                super()._save_checkpoint(model, trial)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)  # it may take gigabytes of a full disk
            raise
        final = self.checkpoints / f"step-{self.state.global_step}"
        self._wait()
        if launch.first():
            self._make_real(staged, final)
        self._wait()

    def _wait(self) -> None:
        if self.sharded:
            dist.barrier()

    def _make_real(self, staged: Path, final: Path) -> None:
        shutil.rmtree(final, ignore_errors=True)
        staged.rename(final)
        write_manifest(final, {"step": self.state.global_step, "seconds": self.seconds})
        for other in self.checkpoints.glob("step-*"):
            if other != final:
                shutil.rmtree(other)

    # The Trainer cannot save models that were already sharded, so `sharding` writes and reads their checkpoints.

    @property
    def sharded(self) -> bool:
        """Whether the model is sharded over several processes."""
        return self.is_distributed_loading_by_transformers

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not self.sharded:
            super().save_model(output_dir, _internal_call)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.sharded:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        sharding.save(self.model, self.optimizer.optimizer, Path(output_dir))
        if launch.first():
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: PreTrainedModel | None = None) -> None:
        if not self.sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        sharding.load_model(self.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.sharded or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        sharding.load_optimizer(self.model, self.optimizer.optimizer, Path(checkpoint))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER, weights_only=True))

    def _defer_fsdp_gradient_reduction(self) -> AbstractContextManager[None]:
        return sharding.unsynchronised(self.model)

    def _clip_grad_norm(self, model: PreTrainedModel) -> torch.Tensor:
        norm = super()._clip_grad_norm(model)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm


def newest_checkpoint(checkpoints: Path) -> Path | None:
    """The newest complete checkpoint; None if there is none. Incomplete checkpoints are removed."""
    newest_first = sorted(
        checkpoints.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")), reverse=True
    )
    whole = None
    for path in newest_first:
        try:
            read_manifest(path)
            whole = whole or path
        except (OSError, ValueError):
            log.info(f"{path} was cut short while it was written; removed")
            shutil.rmtree(path)
    return whole


def drop_long(examples: Sequence[Example], max_length: int) -> Subset[Example]:
    """The examples in which no column is longer than `max_length` tokens, without copying them.

    Raises:
        ValueError: there are no examples, or all of them are longer.
    """
    if not examples:
        raise ValueError("no training examples: the training text is empty, or all of it was dropped (dropped.jsonl)")
    kept = [number for number, example in enumerate(examples) if max(map(len, example.values())) <= max_length]
    if not kept:
        raise ValueError(
            f"none of {len(examples)} training examples has at most max_length = {max_length} tokens; raise it"
        )
    return Subset(examples, kept)  # type: ignore[arg-type]


class Fitted(NamedTuple):
    """A finished training."""

    model: PreTrainedModel
    """The trained model, with its adapter merged."""
    curve: list[dict[str, float]]
    """step, loss, learning_rate and grad_norm of every logged step."""
    timing: dict[str, Any]
    """From `timing_of`; differs between runs."""


def timing_of(run: Run, steps: int) -> dict[str, Any]:
    """Seconds, number of steps and tokens, tokens per second, peak memory in MiB, and device of a finished training."""
    tokens, seconds = int(run.state.num_input_tokens_seen), run.seconds
    memory = torch.cuda.max_memory_allocated() / 2**20 if device() == "cuda" else peak_memory()
    return {
        "seconds": round(seconds, 2),
        "steps": steps,
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
        "peak_memory_mb": round(memory, 1),
        "device": made_with()["device"],
    }


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example] | Subset[Example],
    training: Training,
    *,
    seed: int,
    work: Path,
    label: str,
    loss: Loss | None = None,
    tensorboard: Path | None = None,
) -> Fitted | None:
    """Train `model` on `examples`. If `work` holds a checkpoint, training continues from the newest one.

    With several processes, all call this function with the same arguments, and only the first one gets a result; it is
    None in the others.

    Args:
        model: the model to train; changed in place.
        tokenizer: gives the padding token.
        examples: lists of integers per token, none longer than `training.max_length`. Items may be made on access.
        training: steps, batch, optimizer and so on.
        seed: of the order of examples, of dropout, and of the adapter's initial weights.
        work: folder of this run's checkpoints; no other run may use it.
        label: name of the run in progress lines.
        loss: the loss; None: cross-entropy on `labels`.
        tensorboard: folder for TensorBoard's event files; None: none are written.

    Raises:
        SystemExit: the process received SIGTERM and has saved a checkpoint.
        ValueError: the loss is no longer a number, or the batch cannot be divided into micro-batches.
    """
    set_seed(seed)  # before `trainable`, which draws the initial weights of an adapter
    checkpoints = work / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    rank, world = launch.world()
    micro_batch = training.micro_batch or training.batch_size // world
    lengths = [len(example["input_ids"]) for example in examples]
    packed = training.packing is not None
    batches = Batches(lengths, training.batch_size, micro_batch, seed, rank, world, packed, training.order)
    if batches.left_out and rank == 0:
        log.info(f"{label}: every epoch leaves out {batches.left_out} of {len(lengths)} examples, too few for a batch")
    steps = training.steps or max(1, math.ceil(training.epochs * batches.steps))
    horizon = training.schedule_steps or steps
    every = -(-min(training.checkpoint_every, steps) // training.log_every) * training.log_every
    arguments = TrainingArguments(
        output_dir=str(work / "staging"),
        max_steps=steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=training.batch_size // (micro_batch * world),
        learning_rate=training.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(training.schedule, training.schedule),
        warmup_steps=math.ceil(training.warmup * horizon),
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        optim={"adamw-8bit": "adamw_8bit"}.get(training.optimizer, "adamw_torch_fused"),
        bf16=use_bfloat16(training.precision, model.config.get_text_config().hidden_size),
        use_cpu=device() == "cpu",
        seed=seed,
        logging_steps=training.log_every,
        save_steps=every,
        include_num_input_tokens_seen="non_padding",
        report_to=[],
        remove_unused_columns=False,
        disable_tqdm=True,
        logging_nan_inf_filter=False,
        # the Trainer refuses to save models that were already sharded; `Run` saves them
        save_only_model=world > 1,
    )
    model = trainable(model, training)
    if rank == 0:
        bytes_needed = disk.needed(model, training, (steps - 1) // every, newest_checkpoint(checkpoints) is not None)
        room.check_disk(work, bytes_needed, f"{label} with its checkpoints")
    spare = sharding.shard(model, arguments.device) if world > 1 else None
    optimizer = muon_with_adamw(model, training) if training.optimizer == "muon" else None
    if world > 1:
        if rank == 0:
            newest_checkpoint(checkpoints)  # removes incomplete checkpoints before other processes look for one
        dist.barrier()
    start = newest_checkpoint(checkpoints)
    run = Run(
        model=model,
        args=arguments,
        train_dataset=examples,
        data_collator=Collator(tokenizer.pad_token_id, training.packing),
        optimizers=(optimizer, None),
        callbacks=[Progress(label), notice := Notice(label)],
        batches=batches,
        loss=loss or cross_entropy,
        checkpoints=checkpoints,
        spent=read_manifest(start)["seconds"] if start else 0.0,
        horizon=horizon,
    )
    run.remove_callback(PrinterCallback)
    if tensorboard is not None and rank == 0:
        if start is None:
            shutil.rmtree(tensorboard, ignore_errors=True)  # may hold curves of another configuration
        run.add_callback(TensorBoardCallback(SummaryWriter(str(tensorboard))))
    if start is not None:
        log.info(f"{label}: continuing from {start.name}")
    with notice:
        run.train(resume_from_checkpoint=str(start) if start else None)
    if notice.obeyed:
        log.info(f"{label}: saved and stopped at step {run.state.global_step}; run again to continue")
        sys.exit(Notice.CODE)
    timing = timing_of(run, steps)
    if world > 1:
        model = sharding.gathered(model, spare)
        if model is None:
            return None
    curve = [
        {key: row[key] for key in ("step", "loss", "learning_rate", "grad_norm") if key in row}
        for row in run.state.log_history
        if "loss" in row
    ]
    if not all(math.isfinite(row["loss"]) for row in curve):
        raise ValueError(f"{label}: the loss is no longer a number; lower learning_rate or max_grad_norm and run again")
    if training.adapter is not None:
        model = merged(model)
    return Fitted(model, curve, timing)


def fit_in_memory(
    load: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example] | Subset[Example],
    training: Training,
    **rest: Any,
) -> Fitted | None:
    """As `fit`, but if the device runs out of memory, training continues from the last checkpoint with half the
    micro-batch.

    The batch keeps its size, so the result differs only by rounding. With several processes, running out of memory is
    an error, since it may happen in some of them only.

    Args:
        load: gives the model to train, and is called for every attempt.
        tokenizer, examples, training, rest: as in `fit`.

    Raises:
        torch.OutOfMemoryError: the micro-batch is odd and cannot be halved, or there are several processes.
        SystemExit, ValueError: as in `fit`.
    """
    _, world = launch.world()
    while True:
        try:
            return fit(load(), tokenizer, examples, training, **rest)
        except torch.OutOfMemoryError:
            micro_batch = training.micro_batch or training.batch_size
            if micro_batch % 2 or world > 1:
                raise
        # outside of the handler, in which the error keeps the frames of the failed attempt, and so its tensors, alive
        training = training.model_copy(update={"micro_batch": micro_batch // 2})
        log.info(f"{rest['label']}: out of memory with micro_batch {micro_batch}; continuing with {micro_batch // 2}")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

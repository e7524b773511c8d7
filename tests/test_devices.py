"""One training on two devices: the batch, the loss curve and the weights are those of one, to rounding."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import Training
from dragoman.methods import sft
from dragoman.storage import read_manifest
from dragoman.training import batches, launch, loop, progress
from support.trainings import PROMPT, SENTENCES, TEXT, StoppedError, parameters, spec
from support.workflow import CONFIG, given

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return models.train_tokenizer([side for pair in SENTENCES for side in pair], 320)


def _process(rank: int, port: int, run: Callable[[int], None]) -> None:
    where = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in where.items()})
    AcceleratorState._reset_state(reset_partial_state=True)
    run(rank)


def twice(run: Callable[[int], None]) -> list[int | None]:
    """Call `run(rank)` in two processes; their exit codes. Forked: starting torch anew would be most of the time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_process, args=(rank, port, run)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]


def keep(folder: Path, fitted: loop.Fitted | None, rank: int) -> None:
    """Let the parent see a result, which only the first process has."""
    assert (fitted is None) == (rank > 0)
    if fitted is not None:
        save_file({name: value.clone() for name, value in fitted.model.state_dict().items()}, folder / "weights")
        (folder / "curve.json").write_text(json.dumps(fitted.curve))


def fit(tokenizer: PreTrainedTokenizerBase, folder: Path, architecture: str, **options: object) -> loop.Fitted | None:
    """A short training in float32, so that only the order of sums differs."""
    model = models.build(spec(architecture), tokenizer)
    made = sft.examples([TEXT], PROMPT, tokenizer, sft.Options())
    settings = {"steps": 6, "batch_size": 8, "log_every": 1, "checkpoint_every": 2, "learning_rate": 1e-2} | options
    how = Training(precision="float32", **settings)
    return loop.fit(model, tokenizer, made, how, seed=1, work=folder / "work", label="test")


ON_SHARED = {"rank": 2, "dropout": 0.0, "targets": ["query_key_value", "dense", "word_embeddings"]}
"""An adapter also on the embeddings, whose weight the output layer shares until then."""


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("llama", {"micro_batch": 2}),  # gradients of two micro-batches are added up before they are exchanged
        ("falcon-alibi", {"adapter": ON_SHARED, "gradient_checkpointing": True}),
        ("falcon-alibi", {"micro_batch": 2, "gradient_checkpointing": True, "packing": 512}),
    ],
)
def test_two_devices_are_one(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, architecture: str, options: dict[str, object]
) -> None:
    both = tmp_path / "both"
    assert twice(lambda rank: keep(both, fit(tokenizer, both, architecture, **options), rank)) == [0, 0]
    one = fit(tokenizer, tmp_path / "one", architecture, **options)
    curve = json.loads((both / "curve.json").read_text())
    assert one is not None
    assert [row["step"] for row in curve] == [row["step"] for row in one.curve]
    for row, expected in zip(curve, one.curve, strict=True):
        assert row == pytest.approx(expected, rel=1e-3)
    assert one.curve[-1]["loss"] < one.curve[0]["loss"] - 0.1, "a curve without a slope would prove little"
    before = parameters(models.build(spec(architecture), tokenizer))
    found, expected = load_file(both / "weights"), parameters(one.model)
    for name in found:  # Adam enlarges rounding where a gradient is near 0: see test_training
        moved = (expected[name] - before[name]).norm()
        assert (found[name] - expected[name]).norm() <= 2e-2 * moved + 1e-6, name


def test_resumed_on_two_devices_equals_unbroken(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = {"adapter": {"rank": 2, "dropout": 0.3, "targets": ["q_proj", "lm_head"]}, "steps": 6}
    assert twice(lambda rank: keep(whole, fit(tokenizer, whole, "llama", **options), rank)) == [0, 0]

    def stop(self: progress.Progress, args: object, state: object, *rest: object, **kwargs: object) -> None:
        if state.global_step == 5:  # type: ignore[attr-defined]
            raise StoppedError

    def stopped(rank: int) -> None:
        progress.Progress.on_step_end = stop  # type: ignore[method-assign]
        with pytest.raises(StoppedError):
            fit(tokenizer, broken, "llama", **options)

    assert twice(stopped) == [0, 0]
    (checkpoint,) = (broken / "work" / "checkpoints").iterdir()
    assert checkpoint.name == "step-4"
    assert read_manifest(checkpoint)["step"] == 4, "one manifest, over the parts of both processes"
    assert len(list(checkpoint.glob("*/*.distcp"))) == 4
    assert twice(lambda rank: keep(broken, fit(tokenizer, broken, "llama", **options), rank)) == [0, 0]
    assert (broken / "curve.json").read_text() == (whole / "curve.json").read_text()
    assert (broken / "weights").read_bytes() == (whole / "weights").read_bytes()


def test_one_of_two_that_is_told_to_stop_stops_both(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    def tell(self: progress.Progress, args: object, state: object, *rest: object, **kwargs: object) -> None:
        if state.global_step == 2 and launch.world()[0] == 1:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)

    def told(rank: int) -> None:
        progress.Progress.on_step_begin = tell  # type: ignore[method-assign]
        with pytest.raises(SystemExit):
            fit(tokenizer, tmp_path, "llama", log_every=2, checkpoint_every=6)

    assert twice(told) == [0, 0]
    (checkpoint,) = (tmp_path / "work" / "checkpoints").iterdir()
    assert read_manifest(checkpoint)["step"] == 4


STUBS = {
    # what SLURM's do, on one machine: as many tasks as asked for, and an end to all when one fails
    "srun": """#!/bin/bash
for option; do
  case $option in --ntasks=*) tasks=${option#*=} ;; --*) ;; *) break ;; esac
  echo "$option" >>srun.log
  shift
done
for _ in $(seq "$tasks"); do "$@" & done
for _ in $(seq "$tasks"); do wait -n || { kill $(jobs -p); exit 1; }; done
""",
    "squeue": """#!/bin/bash
[ "$*" = "--noheader --jobs 4711 --format %N" ] && echo "node[1-2]"
""",
    "scontrol": """#!/bin/bash
[ "$*" = "show hostnames node[1-2]" ] && printf 'localhost\\nlocalhost\\n'
""",
}


def test_one_value_and_the_same_command(tmp_path: Path) -> None:
    """`devices: 2`, and the command that Snakemake calls is two processes, on one node or one on each of two."""
    given(tmp_path)
    config = yaml.safe_load(CONFIG)
    config["experiments"]["e"]["tunings"]["sft"]["training"] |= {"devices": 2, "steps": 4, "log_every": 2}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for name, text in STUBS.items():
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "RANK", "LOCAL_RANK"))}
    slurm = alone | {"SLURM_JOB_ID": "4711", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def call(script: str, *arguments: str, environment: dict[str, str] = alone) -> str:
        command = [sys.executable, REPOSITORY / "scripts" / f"{script}.py", "--config", "config.yaml", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stderr

    call("fetch_model", "--model", "tiny")
    call("prepare", "--corpus", "demo", "--pair", "en-fr", "--downloads", "x", "--out", "results/corpora/demo/en-fr")
    folder, found = tmp_path / "results/tunings/e/sft/all/seed-1", []
    for environment in (alone, slurm):
        said = call("finetune", "--experiment", "e", "--tuning", "sft", "--seed", "1", environment=environment)
        assert said.count("4/4") == 1, "one process speaks"
        assert read_manifest(folder)["spec"]["training"]["devices"] == 2
        assert not list((tmp_path / "results/.work").glob("*"))
        assert torch.isfinite(load_file(folder / "model.safetensors")["model.embed_tokens.weight"]).all()
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
        shutil.rmtree(folder)
    assert found[0] == found[1], "where processes run makes no difference"
    assert (tmp_path / "srun.log").read_text().split() == [
        "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1",
    ]  # fmt: skip


def test_command_of_several_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = ["python", "scripts/finetune.py", "--seed", "1"]
    torchrun = ["python", "-m", "torch.distributed.run"]
    for nodes in ([], ["a"]):
        assert launch.command(8, nodes, script) == [*torchrun, "--standalone", "--nproc-per-node=8", *script[1:]]
    monkeypatch.setenv("SLURM_JOB_ID", "1234567")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="there is no srun on the PATH"):
        launch.command(16, ["a", "b"], script)
    (tmp_path / "srun").touch(0o755)
    command = launch.command(16, ["a", "b"], script)
    assert command[:2] == [str(tmp_path / "srun"), "--nodes=2"]
    assert command[command.index("python") :] == [
        *torchrun, "--nnodes=2", "--nproc-per-node=8", "--rdzv-id=1234567", "--rdzv-backend=c10d",
        "--rdzv-endpoint=a:24567", *script[1:],
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"devices \(8\) must be a multiple of the nodes of this SLURM job \(3\)"):
        launch.command(8, ["a", "b", "c"], script)
    monkeypatch.delenv("SLURM_JOB_ID")
    assert launch.nodes() == []


@pytest.mark.parametrize(("order", "count"), [("length", 40), ("random", 40), ("random", 37)])
def test_devices_share_a_batch_out(order: str, count: int) -> None:
    lengths = [i % 7 for i in range(count)]
    alone = batches.Batches(lengths, 8, 2, 1, order=order)
    both = [batches.Batches(lengths, 8, 2, 1, rank, 2, order=order) for rank in range(2)]
    first, second = (list(each) for each in both)
    assert [batch for pair in zip(first, second, strict=True) for batch in pair] == list(alone)
    assert [len(each) for each in (alone, *both)] == [20, 10, 10]


def test_what_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"batch_size \(8\) must be a multiple of micro_batch \(4\) x devices"):
        Training(steps=1, batch_size=8, micro_batch=4, devices=3)
    with pytest.raises(ValidationError, match="optimizer: muon cannot shard a model over devices"):
        Training(steps=1, batch_size=8, optimizer="muon", devices=2)

"""Small trainings."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dragoman import models
from dragoman.config import Pages, Prompt, ScratchModel, Segment, Training
from dragoman.methods import ParallelText, sft
from dragoman.training import loop

SENTENCES = [(f"the cat number {i} sleeps here", f"le chat numéro {i} dort ici") for i in range(60)]
PROMPT = Prompt(
    segments=[
        Segment(role="instruction", text="{source_language} to {target_language}:"),
        Segment(role="source", text=" {source}"),
        Segment(role="mark", text="\nAnswer:"),
        Segment(role="target", text=" {target}"),
    ]
)
TEXT = ParallelText("en-fr", [s for s, _ in SENTENCES], [t for _, t in SENTENCES], [""] * len(SENTENCES))


def spec(architecture: str = "llama") -> ScratchModel:
    pages = Pages(corpus="x", languages=["en", "fr"], count=50)
    return ScratchModel(
        source="scratch", architecture=architecture, text=pages, vocabulary=320, layers=2, width=16, heads=2
    )


def parameters(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def train(
    tokenizer: PreTrainedTokenizerBase,
    work: Path,
    architecture: str = "llama",
    text: ParallelText = TEXT,
    **options: object,
) -> tuple[PreTrainedModel, list[dict[str, float]]]:
    model = models.build(spec(architecture), tokenizer)
    made = sft.examples([text], PROMPT, tokenizer, sft.Options())
    settings = {"steps": 6, "batch_size": 8, "log_every": 1, "checkpoint_every": 2, "learning_rate": 1e-2} | options
    return loop.fit(model, tokenizer, made, Training(**settings), seed=1, work=work, label="test")[:2]


class StoppedError(Exception):
    pass

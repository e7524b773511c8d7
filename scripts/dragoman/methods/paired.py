"""One answer under two prompts: how an example holds both, and their logits from one forward pass.

Beside the columns of ordinary fine-tuning an example has `other_ids`, another prompt followed by the same answer, and
`other_parts`, of the same length: 1 in that prompt, 2 in the answer (the collator pads with 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dragoman.methods import IGNORE, Example
from dragoman.prompts import Piece, joined

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PROMPT, ANSWER = 1, 2


def with_other(example: Example, other: Sequence[Piece]) -> Example:
    """The example, and its answer under another prompt (`other`: pieces of that prompt alone)."""
    prompt = joined(other)
    answer = [label for label in example["labels"] if label != IGNORE]
    parts = [PROMPT] * len(prompt) + [ANSWER] * len(answer)
    return example | {"other_ids": prompt + answer, "other_parts": parts}


def answer_logits(
    model: PreTrainedModel, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits that predict every answer token, under the example's own prompt and under the other, and these tokens.

    Both prompts are rows of one forward pass, so a step takes as long as an ordinary one of twice the batch.

    Args:
        model: any causal language model.
        batch: `input_ids`, `attention_mask`, `labels`, each [batch, length]; `other_ids`, `other_parts`, each
            [batch, other length].

    Returns:
        Twice [answer tokens, vocabulary], float32, and [answer tokens], end-of-sequence tokens among them.
    """
    import torch
    from torch.nn.functional import pad

    width = max(batch["input_ids"].shape[1], batch["other_ids"].shape[1])

    def rows(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.cat([pad(columns.long(), (0, width - columns.shape[1])) for columns in (own, other)])

    answers = rows(batch["labels"] != IGNORE, batch["other_parts"] == ANSWER)[:, 1:].bool()
    first = int(answers.any(0).int().argmax())
    logits = model(
        input_ids=rows(batch["input_ids"], batch["other_ids"]),
        attention_mask=rows(batch["attention_mask"], batch["other_parts"] > 0),
        use_cache=False,
        logits_to_keep=width - first,
    ).logits
    own, other = logits[:, :-1][answers[:, first:]].float().chunk(2)
    labels = batch["labels"][:, 1:]
    return own, other, labels[labels != IGNORE]

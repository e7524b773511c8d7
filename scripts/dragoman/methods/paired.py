"""Examples with two sequences: their columns, the logits of both from one forward pass, and the loss of such methods.

In addition to the columns of ordinary fine-tuning, an example has `other_ids`, a second prompt with an answer, and
`other_parts`, of the same length: 1 in the prompt, 2 in the answer (the collator pads with 0). The second sequence has
the example's own answer in language-aware tuning and consistency, and its own prompt in preference tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dragoman.methods import IGNORE, Example
from dragoman.prompts import Piece, joined

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PROMPT, ANSWER = 1, 2


class Answers(NamedTuple):
    """The answer tokens of a batch, row by row, including end-of-sequence tokens."""

    logits: torch.Tensor
    """Logits of the prediction of each token, [tokens, vocabulary], float32."""
    tokens: torch.Tensor
    """Token ids, [tokens]."""
    rows: torch.Tensor
    """Index of each token's example, [tokens]."""


def with_other(example: Example, prompt: Sequence[Piece], answer: Sequence[int] | None = None) -> Example:
    """The example with a second sequence.

    Args:
        example: an example of ordinary fine-tuning.
        prompt: pieces of the second prompt.
        answer: token ids of the second answer; None: the example's own answer.
    """
    given = joined(prompt)
    written = [label for label in example["labels"] if label != IGNORE] if answer is None else [*answer]
    return example | {"other_ids": given + written, "other_parts": [PROMPT] * len(given) + [ANSWER] * len(written)}


def answers(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> tuple[Answers, Answers]:
    """The answers of the first and of the second sequences of all examples.

    All sequences are rows of one forward pass, so a step takes as long as an ordinary step with twice the batch.

    Args:
        model: any causal language model.
        batch: `input_ids`, `attention_mask`, `labels`, each [batch, length]; `other_ids`, `other_parts`, each
            [batch, other length]; if rows hold several examples, also `documents` and `other_documents`.
    """
    import torch
    from torch.nn.functional import pad

    from dragoman.models import attention, output
    from dragoman.training.entropy import LARGE

    size = len(batch["input_ids"])
    width = max(batch["input_ids"].shape[1], batch["other_ids"].shape[1])

    def rows(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.cat([pad(columns.long(), (0, width - columns.shape[1])) for columns in (own, other)])

    ids = rows(batch["input_ids"], batch["other_ids"])
    # [2 batch, width - 1] True if the next token belongs to an answer
    answer = rows(batch["labels"] != IGNORE, batch["other_parts"] == ANSWER)[:, 1:].bool()
    if "documents" in batch:
        documents = rows(batch["documents"], batch["other_documents"])
        logits = attention.causal(model, ids, documents, pad(answer, (0, 1)))
        examples = documents[:, 1:][answer] - 1
    else:
        first = int(answer.any(0).int().argmax())
        many = answer[:, first:].numel() * output.vocabulary(model) > LARGE
        with output.only(model, pad(answer, (0, 1)) if many else width - first) as last:
            real = rows(batch["attention_mask"], batch["other_parts"] > 0)
            logits = model(input_ids=ids, attention_mask=real, use_cache=False, logits_to_keep=last).logits
        logits = logits if many else logits[:, :-1][answer[:, first:]]
        examples = answer.nonzero()[:, 0] % size
    logits, tokens, own = logits.float(), ids[:, 1:][answer], int(answer[:size].sum())
    return Answers(logits[:own], tokens[:own], examples[:own]), Answers(logits[own:], tokens[own:], examples[own:])


def loss(
    model: PreTrainedModel,
    batch: dict[str, torch.Tensor],
    predicted: torch.Tensor,
    weight: float,
    term: Callable[[Answers, Answers], torch.Tensor],
) -> torch.Tensor:
    """Cross-entropy of the first sequences plus `weight` times a term, per predicted token of the global batch.

    Args:
        model, batch: as for `answers`.
        predicted: as for `losses.cross_entropy`, which is the loss if the weight is 0.
        weight: weight of the term.
        term: (own answers, other answers) -> the term, summed over the batch.
    """
    from dragoman.training import losses
    from dragoman.training.entropy import summed

    if weight == 0:
        return losses.cross_entropy(model, batch, predicted)
    own, other = answers(model, batch)
    return (summed(own.logits, own.tokens) + weight * term(own, other)) / predicted

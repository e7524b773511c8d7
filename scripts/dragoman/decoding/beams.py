"""Beam search over many translations in progress at once: the candidates of policies that compare continuations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import torch

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(int64 [rows x beams], where among them each beam comes from, and its newest token) -> logits [rows x beams,
vocabulary] of the token after it."""


class Candidates(NamedTuple):
    """The result of a search for one row."""

    tokens: list[list[int]]
    """Token ids, the best candidate first; the last id of a candidate may be one that ends an answer."""
    passes: int
    """Number of forward passes of all beams."""


@torch.inference_mode()
def search(
    first: torch.Tensor, step: Step, beams: int, lengths: Sequence[int], ends: Collection[int]
) -> list[Candidates]:
    """The continuations of each row that have the largest mean log probability of their tokens.

    All beams are extended by one token at a time, and the best extensions are kept, by the sum of their log
    probabilities. One that ends is a candidate; one of the greatest length is, too. The search of a row is over when it
    has as many candidates as beams (`early_stopping` of transformers' `generate`). With one beam this is greedy search.

    Args:
        first: logits [rows, vocabulary] of the first token, minus infinity for impossible ones.
        step: feeds tokens; it may be given rows whose search is over.
        beams: candidates of each row; there are fewer if there are fewer possible tokens.
        lengths: the most tokens of a candidate, of each row; 1 at least.
        ends: tokens that end an answer.
    """
    rows, size = first.shape
    found: list[list[tuple[float, list[int]]]] = [[] for _ in range(rows)]
    running: list[list[tuple[float, list[int]]]] = [[(0.0, [])] for _ in range(rows)]
    passes = [0] * rows
    totals = first.log_softmax(-1)  # [rows, beams x vocabulary] after the first token
    for length in range(1, max(lengths) + 1):
        best = totals.topk(min(2 * beams, totals.shape[1]))
        parents, tokens = torch.zeros(rows, beams, dtype=torch.long), torch.zeros(rows, beams, dtype=torch.long)
        scores = torch.full((rows, beams), -torch.inf)
        for row, (values, places) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            going: list[tuple[float, list[int]]] = []
            for rank, (value, place) in enumerate(zip(values, places, strict=True)):
                if not running[row] or value == -torch.inf:
                    break
                parent, token = divmod(place, size)
                text = [*running[row][parent][1], token]
                if token in ends or length == lengths[row]:
                    if rank < beams:
                        found[row].append((value / length, text))
                elif len(going) < beams:
                    parents[row, len(going)], tokens[row, len(going)], scores[row, len(going)] = parent, token, value
                    going.append((value, text))
            found[row].sort(key=lambda each: -each[0])
            running[row] = [] if len(found[row]) >= beams else going
            passes[row] += bool(running[row])
        if not any(running):
            break
        from_where = (parents + beams * torch.arange(rows)[:, None]).flatten().to(first.device)
        logits = step(from_where, tokens.flatten().to(first.device)).float().log_softmax(-1)
        totals = (scores.to(first.device)[:, :, None] + logits.unflatten(0, (rows, beams))).flatten(1)
    return [Candidates([text for _, text in each[:beams]], count) for each, count in zip(found, passes, strict=True)]

"""Divergence of a foundation model and its fine-tuned twin at every position of an answer.

At position t of an answer, p is the twin's distribution of the next token, and q is the foundation model's. There are
two readings, which give different curves:

    teacher   both models read the twin's greedy text, so p and q have the same context
    free      each model reads its own text, and the distributions at the same position of both texts are compared

Prior tokens, if there are any, follow the prompt for both models, and positions are counted from the first token after
them.

The paper's definitions are not public (only the abstract of arXiv 2404.16766 is), so these are working definitions.
Rank and its classes are URIAL's (arXiv 2312.01552; rank 1 unshifted, 2 or 3 marginal, above 3 shifted). All quantities
are computed over the whole vocabulary, in nats, in the models' precision, which must be float32 or better.

Distributions for all positions would not fit into memory. Only the last hidden states of a batch are stored; further
tensors are computed for as many positions at a time as a budget of bytes allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from dragoman.decoding import by_length
from dragoman.decoding.offline import Decoder
from dragoman.metrics import MetricError
from dragoman.metrics.bootstrap import RESAMPLES, interval, resampled_sums
from dragoman.models import output

Reading = Literal["teacher", "free"]

TOP = (1, 5, 10, 20)
ALIVE = 4
"""Largest number of tensors [positions, vocabulary] that are in memory at once."""
BUDGET = 256 * 2**20
"""Default memory for these tensors, in bytes."""


class Answers(NamedTuple):
    """Token ids of a context and of both models' answers."""

    given: Sequence[int]
    """The prompt, and prior tokens after it."""
    twin: Sequence[int]
    """The twin's answer."""
    foundation: Sequence[int] = ()
    """The foundation model's answer, which only the `free` reading needs."""


class Trace(NamedTuple):
    """Quantities at each position of one answer: float64 arrays [positions]."""

    rank: np.ndarray
    """Rank of the twin's most probable token under the foundation model, from 1; tokens with equal probability share a
    rank."""
    probability: np.ndarray
    """Probability of that token under the foundation model."""
    kl_twin: np.ndarray
    """KL(p || q)."""
    kl_foundation: np.ndarray
    """KL(q || p)."""
    jensen_shannon: np.ndarray
    """Half KL(p || m) and half KL(q || m), where m is the mean of p and q; at most log 2."""
    cross_entropy: np.ndarray
    """-sum of p log q."""


def answers(foundation: Decoder, twin: Decoder, prompts: Sequence[Sequence[int]]) -> list[Answers]:
    """The answers of both models, each with its decoder's options. The definitions above assume greedy search.

    Args:
        foundation: decoder of the foundation model; its batch size is used for both.
        twin: decoder of the fine-tuned model.
        prompts: token ids of each prompt.
    """
    texts: dict[int, list[int]] = {}
    for batch in by_length([len(ids) for ids in prompts], foundation.options.batch_size):
        texts |= zip(batch, twin.continuations([prompts[i] for i in batch]), strict=True)
    return _with_foundation(foundation, [Answers(ids, texts[i]) for i, ids in enumerate(prompts)])


def after_prior(foundation: Decoder, rows: Sequence[Answers], n: int) -> list[Answers]:
    """Both models' answers after prior tokens, the first `n` of the twin's answer; rows with no further token are left
    out. The twin goes on as before, so only the foundation model writes anew.
    """
    longer = [Answers([*row.given, *row.twin[:n]], row.twin[n:]) for row in rows if len(row.twin) > n]
    return _with_foundation(foundation, longer)


def _with_foundation(foundation: Decoder, rows: Sequence[Answers]) -> list[Answers]:
    """The rows with the foundation model's answers, which need not be longer than the longest answer of the twin."""
    answered: dict[int, Answers] = {}
    for batch in by_length([len(row.given) for row in rows], foundation.options.batch_size):
        chosen = [rows[i] for i in batch]
        longest = max(len(row.twin) for row in chosen)
        written = foundation.continuations([row.given for row in chosen], longest) if longest else [[] for _ in chosen]
        answered |= {i: rows[i]._replace(foundation=text) for i, text in zip(batch, written, strict=True)}
    return [answered[i] for i in range(len(rows))]


@torch.inference_mode()
def traced(
    foundation: PreTrainedModel,
    twin: PreTrainedModel,
    rows: Sequence[Answers],
    reading: Reading = "teacher",
    *,
    budget: int = BUDGET,
    batch_size: int = 32,
) -> list[Trace]:
    """One trace per row, in order. Its length is the length of the twin's text, or, with `free`, of the shorter text.

    Args:
        foundation: in evaluation mode, on the same device as the twin.
        twin: a model with the same vocabulary.
        rows: prompts and answers.
        reading: the text that the foundation model reads: `teacher` or `free`.
        budget: memory for all tensors [positions, vocabulary] of both models, in bytes.
        batch_size: number of answers whose hidden states are computed together.

    Raises:
        ValueError: the models have different vocabularies or a lower precision than float32, the budget is too small
            for one position, or a row has no token before the answer.
        MetricError: a model's logits are not finite.
    """
    positions = _positions_at_once(foundation, twin, budget)
    for number, row in enumerate(rows):
        if not row.given:
            raise ValueError(f"row {number} gives no token before the answer, so no model could expect anything")
    if rows:
        for model in (foundation, twin):
            _check_head(model, rows[0].given)
    traces: dict[int, Trace] = {}
    for batch in by_length([len(row.given) + len(row.twin) for row in rows], batch_size):
        own = [rows[i].twin if reading == "teacher" else rows[i].foundation for i in batch]
        counts = [min(len(rows[i].twin), len(text)) for i, text in zip(batch, own, strict=True)]
        contexts = [rows[i].given for i in batch]
        states_q = _hidden(foundation, contexts, own, counts)
        states_p = _hidden(twin, contexts, [rows[i].twin for i in batch], counts)
        columns = [np.empty((len(Trace._fields), 0))]
        for q, p in zip(states_q.split(positions), states_p.split(positions), strict=True):
            columns.append(_measure(foundation, twin, q, p).double().cpu().numpy())
        pieces = np.split(np.concatenate(columns, axis=1), np.cumsum(counts)[:-1], axis=1)
        traces |= {i: Trace(*piece) for i, piece in zip(batch, pieces, strict=True)}
    return [traces[i] for i in range(len(rows))]


def _positions_at_once(foundation: PreTrainedModel, twin: PreTrainedModel, budget: int) -> int:
    heads = [model.get_output_embeddings().weight for model in (foundation, twin)]
    sizes, types = [len(head) for head in heads], [head.dtype for head in heads]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"the foundation model has {sizes[0]} vocabulary entries and its twin {sizes[1]}; "
            "expectations can only be compared over one vocabulary"
        )
    if min(torch.finfo(kind).bits for kind in types) < 32:
        raise ValueError(f"weights are {types[0]} and {types[1]}; load both models in float32 to compare them")
    need = ALIVE * sizes[0] * max(kind.itemsize for kind in types)
    if budget < need:
        raise ValueError(f"a budget of {budget} bytes is too small: one position needs {need}")
    return budget // need


def _hidden(
    model: PreTrainedModel, contexts: Sequence[Sequence[int]], texts: Sequence[Sequence[int]], counts: Sequence[int]
) -> torch.Tensor:
    """Last hidden states that predict the first `counts` tokens of each text, [sum of counts, width].

    Padding is on the right, so a causal model does not attend to it.
    """
    ids = [[*context, *text[: max(0, count - 1)]] for context, text, count in zip(contexts, texts, counts, strict=True)]
    padded = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    mask = torch.zeros_like(padded)
    for row, sequence in enumerate(ids):
        padded[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    states = model.base_model(
        input_ids=padded.to(model.device), attention_mask=mask.to(model.device), use_cache=False
    ).last_hidden_state
    starts = [len(context) - 1 for context in contexts]
    return torch.cat([row[start : start + count] for row, start, count in zip(states, starts, counts, strict=True)])


def _check_head(model: PreTrainedModel, ids: Sequence[int]) -> None:
    """Compare the logits of `output.logits` with the model's own, at one position.

    Raises:
        ValueError: they differ, so `output.logits` does not support the model.
    """
    whole = model(input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False, logits_to_keep=1).logits[
        0, -1:
    ]
    ours = output.logits(model, _hidden(model, [ids], [()], [1]))
    if ours.shape != whole.shape or not torch.allclose(ours, whole, rtol=1e-3, atol=1e-3, equal_nan=True):
        raise ValueError(
            f"models of type {model.config.model_type!r} cannot be compared: their logits are not made from the last "
            "hidden states of their base model"
        )


def _measure(
    foundation: PreTrainedModel, twin: PreTrainedModel, states_q: torch.Tensor, states_p: torch.Tensor
) -> torch.Tensor:
    """All quantities of a trace, [quantities, positions], from hidden states [positions, width]."""
    log_q = functional.log_softmax(output.logits(foundation, states_q), dim=-1)
    log_p = functional.log_softmax(output.logits(twin, states_p), dim=-1)
    of_token = log_q.gather(-1, log_p.argmax(-1, keepdim=True))
    rank = 1 + (log_q > of_token).sum(-1)
    p = log_p.exp()
    # tensors are reused from here on (`out=`, `_` at the end of a name), since each is [positions, vocabulary]
    scratch = p * log_q
    cross_entropy = -scratch.sum(-1)
    q = torch.exp(log_q, out=scratch)
    ratio = log_q.sub_(log_p)
    product = torch.mul(p, ratio, out=log_p)
    kl_twin = -product.sum(-1)
    kl_foundation = torch.mul(q, ratio, out=log_p).sum(-1)
    del log_p, product
    # log(m / p) = log(1 + q / p) - log 2, and log(m / q) = log(m / p) - log(q / p)
    mixed = functional.softplus(ratio)
    jensen_shannon = math.log(2) - (p.mul_(mixed).sum(-1) + q.mul_(mixed.sub_(ratio)).sum(-1)) / 2
    measured = torch.stack([rank, of_token[:, 0].exp(), kl_twin, kl_foundation, jensen_shannon, cross_entropy])
    if not measured.isfinite().all():
        raise MetricError("a model's logits are not finite, so there is nothing to compare; check its weights")
    return measured


# ------------------------------------------------------------------------------------------------------------ averages


def summary(traces: Sequence[Trace]) -> dict[str, Any]:
    """Means over all positions of all answers; every position has the same weight.

    Returns:
        `positions` (their number), `agreement@K` (share of positions at which the twin's token is in the foundation
        model's top K), `unshifted`, `marginal`, `shifted` (shares), the mean of each quantity of a trace, and
        `intervals`: 95 % bootstrap intervals of these means over answers.

    Raises:
        MetricError: all answers are empty.
    """
    if not sum(len(trace.rank) for trace in traces):
        raise MetricError("no positions to compare: every answer is empty")
    return _means(traces)


def by_position(traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """Means at each position, as in `summary`, over the answers that reach it; `position` is counted from 1."""
    longest = max((len(trace.rank) for trace in traces), default=0)
    means = []
    for at in range(longest):
        there = [Trace(*(column[at : at + 1] for column in trace)) for trace in traces if len(trace.rank) > at]
        means.append({"position": at + 1} | _means(there))
    return means


def _means(traces: Sequence[Trace]) -> dict[str, Any]:
    columns = [_columns(trace) for trace in traces if len(trace.rank)]
    sums = np.array([[len(own["rank"]), *(column.sum() for column in own.values())] for own in columns])
    positions, *totals = sums.sum(axis=0)
    drawn = np.stack(list(resampled_sums(sums, RESAMPLES)))
    bounds = [interval(column.tolist()) for column in (drawn[:, 1:] / drawn[:, :1]).T]
    means = {name: float(total / positions) for name, total in zip(columns[0], totals, strict=True)}
    return {"positions": int(positions)} | means | {"intervals": dict(zip(means, bounds, strict=True))}


def _columns(trace: Trace) -> dict[str, np.ndarray]:
    """Name -> quantity to average, [positions]."""
    rank = np.asarray(trace.rank)
    shares = {f"agreement@{k}": rank <= k for k in TOP}
    shares |= {"unshifted": rank == 1, "marginal": (rank == 2) | (rank == 3), "shifted": rank > 3}
    return shares | {name: np.asarray(column) for name, column in trace._asdict().items()}

"""The output layer that finds the likeliest token without computing all logits in float32: its choice is exact."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dragoman import models
from dragoman.config import ConversationDecoder, OfflineDecoder
from dragoman.decoding import Context, conversation, offline, simultaneous
from dragoman.models import output
from dragoman.models.output import Likeliest
from small_models import saved, small
from support.simultaneous import ITEMS, PROMPT, translate

WIDTH = 96


@pytest.fixture(autouse=True)
def used_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with small vocabularies, and where bfloat16 is slow; the weights are divided as large ones are."""
    monkeypatch.setattr(output, "suits", lambda layer: True)
    monkeypatch.setattr(output, "LARGE", 100)


def layer(weight: torch.Tensor) -> tuple[torch.nn.Linear, Likeliest]:
    made = torch.nn.Linear(*reversed(weight.shape), bias=False)
    made.weight.data.copy_(weight)
    return made, Likeliest(made)


@torch.inference_mode()
def test_near_ties_are_decided_as_in_float32() -> None:
    rng = torch.Generator().manual_seed(1)
    apart = torch.randn(200, WIDTH, generator=rng)
    weight = torch.cat([apart, apart + 2e-3 * torch.randn(apart.shape, generator=rng)])  # every token has a double
    for size in (1e-3, 1.0, 300.0):
        made, likeliest = layer(weight * size)
        hidden = torch.randn(50, 2, WIDTH, generator=rng) * size
        exact = made(hidden)
        with likeliest.used():
            found = made(hidden)
        best = exact.argmax(-1, keepdim=True)
        assert (found.argmax(-1, keepdim=True) == best).all()
        assert torch.allclose(found.gather(-1, best), exact.gather(-1, best))
        rounded = torch.nn.functional.linear(hidden.bfloat16(), made.weight.bfloat16())
        assert (rounded.argmax(-1, keepdim=True) != best).any(), "bfloat16 alone decides otherwise"
        assert (found != exact).any(), "the other logits are rounded"


@torch.inference_mode()
@pytest.mark.parametrize("rounded", ["weights", "states"])
@pytest.mark.parametrize("larger", [0, 1])
def test_the_bound_holds_where_all_rounding_errors_have_one_direction(rounded: str, larger: int) -> None:
    """The terms of the larger logit are rounded down, and some of the other one's are rounded up. Since both sums are
    close to 0, their errors are large in comparison."""
    step, third = 2.0**-7, WIDTH // 3  # between 1 and 2, numbers in bfloat16 are a step apart
    down, up = (
        torch.full((third,), 1 + 0.49 * step),
        torch.tensor([1 + 0.51 * step, 1 + 0.45 * step]).repeat(third // 2),
    )
    one, zero = torch.ones(third), torch.zeros(third)
    if rounded == "weights":
        weight, x = [torch.cat([down, one, zero]), torch.cat([up, one, zero])], torch.cat([one, -one, zero])
    else:
        weight, x = [torch.cat([one, zero, -one]), torch.cat([zero, one, -one])], torch.cat([down, up, one])
    made, likeliest = layer(torch.stack(weight if larger == 0 else weight[::-1]))
    assert made(x[None]).argmax() == larger
    assert torch.nn.functional.linear(x[None].bfloat16(), made.weight.bfloat16()).argmax() != larger
    with likeliest.used():
        assert made(x[None]).argmax() == larger


@torch.inference_mode()
def test_the_likeliest_of_the_possible_tokens_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(2)
    made, likeliest = layer(torch.randn(300, WIDTH, generator=rng))
    hidden = torch.randn(40, WIDTH, generator=rng)
    closed = torch.rand(40, 300, generator=rng) < 0.9

    def possible(logits: torch.Tensor) -> torch.Tensor:
        return logits.masked_fill(closed, -torch.inf)

    best = possible(made(hidden)).argmax(-1)
    assert (best != made(hidden).argmax(-1)).any()
    for most in (output.CANDIDATES, 0):  # 0: all logits are computed in float32
        monkeypatch.setattr(output, "CANDIDATES", most)
        with likeliest.used(possible):
            found = made(hidden)
        assert (found.argmax(-1) == best).all()
        assert (found[closed] == -torch.inf).all()
    assert torch.equal(found, possible(made(hidden)))


@pytest.mark.parametrize("kind", ["gemma3", "gemma2"])  # gemma2: its logits are capped after the output layer
def test_decodings_are_those_of_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    tokenizer = models.train_tokenizer([text for item in ITEMS[:40] for text in (item.source, item.reference)], 320)
    folder = saved(small(kind, len(tokenizer), spread=0.15), tokenizer, tmp_path)
    context = Context(folder, "en-fr", PROMPT)

    def decoded() -> list[object]:
        whole = offline.Decoder(context, OfflineDecoder(name="offline", max_new_tokens=12))
        answers = whole.decode(ITEMS[:8])
        if kind == "gemma2":  # its attention is not supported in simultaneous decoding
            return [answers]
        turns = conversation.Decoder(context, ConversationDecoder(name="conversation", chunk=[1, 3], max_turn_tokens=4))
        return [answers, translate(simultaneous, folder, ITEMS[:4]), turns.decode(ITEMS[:4])]

    uses: list[int] = []
    rounding = Likeliest._logits

    def counted(self: Likeliest, possible: object, hidden: torch.Tensor) -> torch.Tensor:
        uses.append(len(hidden))
        return rounding(self, possible, hidden)

    monkeypatch.setattr(Likeliest, "_logits", counted)
    found = decoded()
    assert len(uses) > 8
    monkeypatch.setattr(output, "suits", lambda layer: False)
    assert found == decoded()
    assert len({str(row) for rows in found[0] for row in rows}) > 4

"""Offline decoding with language vectors added to hidden states (ReCoVeR, Sterz et al. 2025, arXiv 2509.14814).

With h a hidden state after layer i, m_i(l) the mean of h over text of language l (the mean of the means of its lines,
without the first token of a line), t the target and s the source language, the language vectors and the step at
decoding are

    v_i(l) = m_i(l) - mean over languages of m_i
    d_i    = v_i(t) - source * v_i(s)
    h'     = h + strength * d_i / |d_i|          with `length: own`, h + strength * d_i
    h     <- h' |h| / |h'|

for every token of prompt and answer except the first, which many models use as an attention sink. `strength`, `source`,
length 1 and the restored |h| are as published (github.com/hSterz/recover). Three things differ: m_i of the last layer
is computed before the final normalisation, where the vector is added, and not after it, as in the authors' code; the
first token is the first of the prompt, also if prompts are padded on the left; and s is the language of the sentence to
translate, whereas in the paper it is the language of the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from dragoman.config import Prompt, Segment, SteeredDecoder
from dragoman.decoding import Context, offline
from dragoman.decoding.language_text import language_text
from dragoman.languages import split_pair
from dragoman.prompts import encode, joined

AT_ONCE = 64
"""Number of lines in one pass of `mean_states`."""

Change = Callable[[int, torch.Tensor], torch.Tensor | None]
"""(layer, hidden states [rows, tokens, width]) -> new hidden states; None: unchanged."""


def layers(model: PreTrainedModel) -> torch.nn.ModuleList:
    """The layers of a model, in order."""
    count = model.config.get_text_config().num_hidden_layers
    lists = (module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    return next(modules for modules in lists if len(modules) == count)


@contextmanager
def after_layers(model: PreTrainedModel, change: Change) -> Iterator[None]:
    """Context in which `change` is applied to the hidden states after each layer, in every pass."""

    def hook(index: int) -> Callable[..., Any]:
        def called(module: torch.nn.Module, inputs: Any, result: Any) -> Any:
            hidden = result[0] if isinstance(result, tuple) else result
            if (changed := change(index, hidden)) is None:
                return None
            return (changed, *result[1:]) if isinstance(result, tuple) else changed

        return called

    handles = [layer.register_forward_hook(hook(index)) for index, layer in enumerate(layers(model))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def mean_states(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Mean hidden state after each layer, float64 [layers, width]: the mean over the means of rows, without their first
    tokens.

    Args:
        model: in evaluation mode.
        rows: token ids, at least two per row.
    """
    sums: dict[int, torch.Tensor] = {}
    for start in range(0, len(rows), AT_ONCE):
        texts = [torch.tensor(row) for row in rows[start : start + AT_ONCE]]
        ids = torch.nn.utils.rnn.pad_sequence(texts, True).to(model.device)
        real = torch.nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], True).to(ids.device)
        counted = real[:, 1:, None].float()

        def add(layer: int, hidden: torch.Tensor, counted: torch.Tensor = counted) -> None:
            means = (hidden[:, 1:].float() * counted).sum(1) / counted.sum(1)
            sums[layer] = sums.get(layer, 0) + means.double().sum(0)

        with after_layers(model, add):
            model.base_model(input_ids=ids, attention_mask=real, use_cache=False)  # no logits are needed
    return torch.stack([sums[layer] for layer in sorted(sums)]) / len(rows)


def directions(means: dict[str, torch.Tensor], pair: str, source: float, unit: bool) -> torch.Tensor:
    """The vector that is added after each layer, before it is multiplied by `strength`, [layers, width].

    Args:
        means: language -> mean hidden states, [layers, width].
        pair: source and target language, with entries in `means`.
        source: weight of the source language's vector.
        unit: whether each vector is scaled to length 1; a vector of zeros stays the same.
    """
    content = torch.stack([*means.values()]).mean(0)
    own, other = (means[language] - content for language in reversed(split_pair(pair)))
    difference = own - source * other
    return torch.nn.functional.normalize(difference, dim=-1) if unit else difference


def steered(hidden: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """Hidden states [..., width] plus a vector, scaled back to their own lengths."""
    moved = hidden + added
    length, new = hidden.norm(dim=-1, keepdim=True), moved.norm(dim=-1, keepdim=True)
    return moved * (length / new.clamp(min=torch.finfo(new.dtype).tiny))  # padding may have states of length 0


class Decoder(offline.Decoder):
    """A loaded model whose hidden states are moved from the source to the target language."""

    options: SteeredDecoder

    def __init__(self, context: Context, options: SteeredDecoder) -> None:
        super().__init__(context, options)
        count = len(layers(self.model))
        chosen = range(count) if options.layers is None else options.layers
        for layer in chosen:
            if not -count <= layer < count:
                raise ValueError(f"`layers` has {layer}, and the model has layers 0 to {count - 1}; correct it")
        self.layers = {layer % count for layer in chosen}
        for language in split_pair(context.pair):
            if language not in options.files:
                raise ValueError(f"no text of the language {language!r} among `files`; add a file of it")
        means = {language: self._mean(Path(path)) for language, path in options.files.items()}
        vectors = directions(means, context.pair, options.source, unit=options.length == "unit")
        self.added = (options.strength * vectors).to(self.model.dtype)

    def _mean(self, path: Path) -> torch.Tensor:
        page = Prompt(
            segments=[Segment(role="source", text="{source}"), Segment(role="target", text="{target}")],
            bos=self.context.prompt.bos,
        )
        lines = language_text(path, self.options.lines)
        rows = [joined(pieces) for pieces in encode(page, self.tokenizer, self.context.pair, lines)]
        if not (longer := [row for row in rows if len(row) > 1]):
            raise ValueError(f"{path} has no line of two tokens; give text of the language")
        return mean_states(self.model, longer)

    def _generated(self, prompts: Sequence[Sequence[int]], most: int, **how: Any) -> list[list[int]]:
        longest = max(map(len, prompts))
        first = torch.tensor([longest - len(prompt) for prompt in prompts], device=self.model.device)
        prefilled: set[int] = set()

        def change(layer: int, hidden: torch.Tensor) -> torch.Tensor | None:
            if layer not in self.layers:
                return None
            moved = steered(hidden, self.added[layer])
            if layer in prefilled:
                return moved
            prefilled.add(layer)  # the first pass reads the prompts; with beams, each prompt has several rows in a row
            rows = torch.arange(len(hidden), device=hidden.device)
            places = first.repeat_interleave(len(hidden) // len(first))
            moved[rows, places] = hidden[rows, places]
            return moved

        with after_layers(self.model, change):
            return super()._generated(prompts, most, **how)

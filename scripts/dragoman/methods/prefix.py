"""Prefix fine-tuning: every target word is an example of its own, after the source that was read when it was due.

The data expansion of Simul-LLM (Agostinelli et al. 2024, arXiv 2312.04691; scripts/datasets/prep_functions.py of the
authors' code), which SimulMask (arXiv 2405.10443) has as its baseline. For each target word t

    [instruction][source words 1..g(t)][mark][target words 1..t]        with a loss on word t

and once the whole source and target, with a loss on what ends it. The mask is causal and positions are plain.

Assumption: the template. Simul-LLM's own names "the current translation" in braces; here it is the experiment's prompt,
which the released decoder of SimulMask's authors uses for all their models. How they sampled prefixes is not published;
here every prefix is an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from dragoman.config import Prompt
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.methods.reading import Reading, schedules
from dragoman.prompts import encode, joined, render, tokenize
from dragoman.visibility import CHUNK, Unit, words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Options(Reading):
    """Prefixes are cut where a policy says."""


class Prefixes(Sequence[Example]):
    """Examples that are made when they are asked for: all of them would take tens of times the room of the text."""

    def __init__(self, ids: np.ndarray, cuts: np.ndarray) -> None:
        """Keep the text once, and where to cut it.

        Args:
            ids: int32, tokens of whole sentence pairs with their prompt, one after the other.
            cuts: int64 [examples, 5]. An example is ids[a:b] and ids[c:d]: a prefix of the source, and what follows the
                source up to the end of a target word. The fifth column counts the tokens at its end with a loss.
        """
        self.ids, self.cuts = ids, cuts

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        a, b, c, d, answer = self.cuts[index].tolist()
        ids = self.ids[a:b].tolist() + self.ids[c:d].tolist()
        return {"input_ids": ids, "labels": [IGNORE] * (len(ids) - answer) + ids[-answer:]}


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> Prefixes:
    """One example per target word, and one for the end, of each sentence pair in turn.

    A word without a token of its own, because a token of the word before holds it, too, has no example.

    Raises:
        ValueError: the tokenizer has no offset mapping, or an alignment is missing.
    """
    kept, cuts = [np.zeros(0, dtype=np.int32)], [np.zeros((0, 5), dtype=np.int64)]
    start = 0
    place = [segment.role for segment in prompt.segments].index("source")
    for text in texts:
        plan = schedules(text, options.policies)
        for first in range(0, len(text.sources), CHUNK):
            sources, targets = text.sources[first : first + CHUNK], text.targets[first : first + CHUNK]
            rows = zip(
                encode(prompt, tokenizer, text.pair, sources, targets),
                _words(prompt, tokenizer, text.pair, "source", sources, options.unit),
                _words(prompt, tokenizer, text.pair, "target", targets, options.unit),
                strict=True,
            )
            for number, (pieces, (source, count), (target, due)) in enumerate(rows, first):
                ids = np.array(joined(pieces), dtype=np.int32)
                end = start + len(ids)
                response = end - 1 - len(target)  # its first token; the last of the example ends it
                opening = response - sum(len(piece.ids) for piece in pieces[place + 1 : -1]) - len(source)
                g = plan(number, count, due)
                g[due] = count  # the end is learnt from the whole source, whatever the policy

                # `source` and `target` never decrease: tokens of the first n words are those before n + 1
                written = np.append(response + target.searchsorted(np.arange(2, due + 2)), end)
                made = np.full((due + 1, 5), start)
                made[:, 1] = opening + source.searchsorted(g + 1)
                made[:, 2] = opening + source.searchsorted(count + 1)
                made[:, 3] = written
                made[:, 4] = np.diff(written, prepend=response)
                kept.append(ids)
                cuts.append(made[made[:, 4] > 0])
                start = end
    return Prefixes(np.concatenate(kept), np.concatenate(cuts))


def _words(
    prompt: Prompt,
    tokenizer: PreTrainedTokenizerBase,
    pair: str,
    side: Literal["source", "target"],
    sentences: Sequence[str],
    unit: Unit,
) -> list[tuple[np.ndarray, int]]:
    """The word of each token of the side's segment, and the number of words, of every sentence."""
    if not tokenizer.is_fast:
        raise ValueError(f"{tokenizer.name_or_path} has no offset mapping; a fast tokenizer (tokenizer.json) is needed")
    roles, shown = zip(*render(prompt, pair, "{source}", "{target}"), strict=True)
    place = roles.index(side)
    lead, _, tail = shown[place].partition(f"{{{side}}}")
    texts = [f"{lead}{sentence}{tail}" for sentence in sentences]
    offsets = tokenize(tokenizer, place, texts, return_offsets_mapping=True)["offset_mapping"]
    found = words(texts, offsets, side, unit=unit, lead=len(lead), tail=len(tail))
    return list(zip(np.split(found.word, np.cumsum(found.tokens)[:-1]), found.count.tolist(), strict=True))

"""Prefix fine-tuning: every target word is an example of its own, with the source that has been read by then.

The data expansion of Simul-LLM (Agostinelli et al. 2024, arXiv 2312.04691; scripts/datasets/prep_functions.py of the
authors' code), a baseline of SimulMask (arXiv 2405.10443). For each target word t

    [instruction][source words 1..g(t)][mark][target words 1..t]        with a loss on word t

and the whole source and target once, with a loss on the end-of-sequence token. The mask is causal and positions are
plain.

Assumptions: Simul-LLM's template has "the current translation" in braces; here the template is the experiment's prompt,
which the published decoder of SimulMask's authors uses for all their models. Their sampling of prefixes is not
published; here every prefix is an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dragoman.config import Prompt
from dragoman.languages.spelling import pairs
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.methods.reading import Reading, schedules

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Options(Reading):
    """Options: the policies that define the prefixes."""


class Prefixes(Sequence[Example]):
    """Examples that are made at each access, since all together need tens of times the memory of the text."""

    def __init__(self, ids: np.ndarray, cuts: np.ndarray) -> None:
        """
        Args:
            ids: int32 [tokens], whole sentence pairs with their prompt, one after the other.
            cuts: int64 [examples, 5], rows (a, b, c, d, n). An example is ids[a:b] + ids[c:d]: a prefix of the source,
                and the tokens after the source up to the end of a target word. Its last n tokens have a loss.
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
    """One example per target word, and one for the end, of each sentence pair in turn. Words are units of `units.py`.

    A word without a token of its own, since it shares a token with the previous word, has no example.

    Raises:
        ValueError: the tokenizer is not a fast one, or an alignment is missing.
    """
    kept, cuts = [np.zeros(0, dtype=np.int32)], [np.zeros((0, 5), dtype=np.int64)]
    start = 0
    for text in texts:
        plan = schedules(text, options.policies)
        spelled = pairs(prompt, tokenizer, text.pair, text.sources, text.targets, text.counted)
        for number, each in enumerate(spelled):
            ids, ends, number_of = np.array(each.ids, dtype=np.int32), np.array(each.source.ends), np.array(each.number)
            count, due, end = len(each.source.source), each.count, start + len(ids)
            response = end - len(each.target)
            g = plan(number, count, due)
            g[due] = count  # with every policy, the end of the sentence is predicted from the whole source

            # unit numbers of tokens never decrease, so the tokens of the first n units end where unit n + 1 begins
            written = np.append(response + number_of.searchsorted(np.arange(2, due + 2)), end)
            made = np.full((due + 1, 5), start)
            made[:, 1] = start + ends[g]
            made[:, 2] = start + ends[count]
            made[:, 3] = written
            made[:, 4] = np.diff(written, prepend=response)
            kept.append(ids)
            cuts.append(made[made[:, 4] > 0])
            start = end
    return Prefixes(np.concatenate(kept), np.concatenate(cuts))

"""Conversational prompting: source and target take turns, chunk by chunk, and nothing is ever computed again.

Wang et al. 2024, arXiv 2402.10552, which SimulMask (arXiv 2405.10443) has as its baseline; the recipe is that of the
authors' code (github.com/yuriak/LLM-SimulMT, src/data_curation and src/train). From the word alignment of a sentence
pair: segments, each as short as the alignment allows; some successive ones merged into a turn; then the end of some
turns' target put off to the next, so that the model learns to finish what it left unsaid.

Assumption: the shape of a turn, as SimulMask's authors do not say how theirs looked. It is made of the prompt's own
segments, so that a decoder needs no other ones:

    [instruction] then for each turn [source chunk][mark][target chunk][end of sequence]

It reads some words, adds them as the next turn's source, writes until the end of the turn, and is done when no source
is left. Chunks are words joined by single spaces (or characters, `units.py`), each tokenised inside its segment; what
comes before the source segment stands once. The mask is causal and positions are plain.

Two things differ from the authors' code. A word that is aligned to nothing waits for nothing: there, an unaligned
target word waits for the source of the next one, and an unaligned source word is read with the one before it (here only
at the end of the sentence). And turns are no dialogue with special tokens, for models that know of none.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt, model_validator

from dragoman.config import Prompt, Share, Strict
from dragoman.languages.units import Unit, units
from dragoman.languages.units import joined as units_joined
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.methods.reading import schedules
from dragoman.policies import Schedule
from dragoman.policies.alignment import Alignment
from dragoman.prompts import encode, joined

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONVERSES = True


class Options(Strict):
    """How segments become turns. The defaults are those of the authors' code."""

    turn_length: list[PositiveInt] = Field(default=[2, 10], min_length=2, max_length=2)
    """Fewest and most successive segments that are merged into one turn (fewer where no more are left)."""
    shift: Share = 0.5
    """Probability that the end of a turn's target is put off to the next turn; the last turn's never is."""
    keep: PositiveInt = 2
    """Target words that a turn keeps at least; any number from this up is as likely. Shorter turns are not cut. The
    authors' rule is the upper whole number of 1 / 0.6."""
    loss_on_cut_turns: bool = False
    """Whether a turn whose target was cut short carries a loss. Not with the authors: it should not be learnt."""

    @property
    def aligned(self) -> bool:
        """Every sentence pair is cut by its word alignment."""
        return True

    @model_validator(mode="after")
    def _ordered(self) -> Options:
        if self.turn_length[0] > self.turn_length[1]:
            raise ValueError(f"`turn_length` is the fewest and the most segments of a turn, not {self.turn_length}")
        return self


Turn = tuple[int, int, bool]
"""Source words read and target words written by the end of a turn, and whether its target was cut short."""


def segments(g: Schedule) -> list[tuple[int, int]]:
    """Source words read and target words written by the end of each segment; the last holds all that is left.

    Args:
        g: schedule of a sentence pair, g(1), ..., g(T + 1), with g(T + 1) the whole source.
    """
    last = len(g) - 1
    ends = [(int(g[t - 1]), t) for t in range(1, last) if g[t] > g[t - 1]]
    return [*ends, (int(g[last]), last)]


def turns(ends: list[tuple[int, int]], options: Options, rng: random.Random) -> list[Turn]:
    """Merge segments into turns, and put off the end of some turns' targets."""
    fewest, most = options.turn_length
    made: list[Turn] = []
    done = written = 0
    while done < len(ends):
        left = len(ends) - done
        done += rng.randint(min(fewest, left), min(most, left))
        read, due = ends[done - 1]
        stays = words = due - written
        if done < len(ends) and words > options.keep and rng.random() < options.shift:
            stays = rng.randint(options.keep, words)
        written += stays
        made.append((read, written, stays < words))
    return made


def _answer(written: list[str], first: int, last: int, unit: Unit) -> str:
    """The target of a turn: some successive units. A blank between two characters of two turns ends the first turn: at
    the beginning of the second it could not be told from the prompt's own."""
    blank = unit == "character" and first < last < len(written) and written[last].startswith(" ")
    return units_joined(written[first:last], unit) + " " * blank


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """One example per sentence pair; what is drawn for it depends on the languages and its number alone.

    Raises:
        ValueError: a sentence pair has no word alignment.
    """
    made = []
    place = [segment.role for segment in prompt.segments].index("source")
    for text in texts:
        plan = schedules(text, [Alignment(name="alignment")])
        drawn: list[list[Turn]] = []
        sources: list[str] = []
        targets: list[str] = []
        for number, (source, target) in enumerate(zip(text.sources, text.targets, strict=True)):
            read_units, written_units = units(source, text.counted.source), units(target, text.counted.target)
            ends = segments(plan(number, len(read_units), len(written_units)))
            drawn.append(turns(ends, options, random.Random(f"converse-{text.pair}-{number}")))
            read = written = 0
            for now_read, now_written, _ in drawn[-1]:
                sources.append(units_joined(read_units[read:now_read], text.counted.source))
                targets.append(_answer(written_units, written, now_written, text.counted.target))
                read, written = now_read, now_written
        chunks = iter(encode(prompt, tokenizer, text.pair, sources, targets))
        for conversation in drawn:
            ids: list[int] = []
            labels: list[int] = []
            for _, _, cut in conversation:
                pieces = next(chunks)
                *given, answer = pieces[place:] if ids else pieces
                ids += joined([*given, answer])
                silent = cut and not options.loss_on_cut_turns
                labels += [IGNORE] * len(joined(given))
                labels += [IGNORE] * len(answer.ids) if silent else answer.ids
            made.append({"input_ids": ids, "labels": labels})
    return made

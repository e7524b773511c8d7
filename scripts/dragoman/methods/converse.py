"""Conversational prompting: chunks of source and target alternate as turns, so that the cache is never recomputed.

Wang et al. 2024, arXiv 2402.10552, a baseline of SimulMask (arXiv 2405.10443); examples are made as in the authors'
code (github.com/yuriak/LLM-SimulMT, src/data_curation and src/train). A sentence pair is divided into segments, each as
short as its word alignment allows. Some successive segments are merged into a turn. Then the end of some turns' target
is moved to the next turn, so that the model learns to complete a previous turn.

Assumption: the form of a turn, which SimulMask's paper does not describe. It consists of the prompt's own segments, so
that decoders need no other prompt:

    [instruction] then for each turn [source chunk][mark][target chunk][end of sequence]

A decoder reads some words, adds them as the source of the next turn, writes until the end of the turn, and stops when
no source is left. Chunks are words joined by single spaces (or characters, `units.py`), each tokenised inside its
segment. The segments before the source segment occur once. The mask is causal and positions are plain.

Two things differ from the authors' code. First, unaligned words do not delay others: in the authors' code, an unaligned
target word waits for the source of the next target word, and an unaligned source word is read with the word before it
(here only at the end of the sentence). Second, turns have no special tokens of a chat, since not all models have them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt, model_validator

from dragoman.config import Prompt, Share, Strict
from dragoman.languages.units import Unit, Units, units
from dragoman.languages.units import joined as units_joined
from dragoman.methods import IGNORE, Example, ParallelText
from dragoman.methods.reading import schedules
from dragoman.policies import Schedule
from dragoman.policies.alignment import Alignment
from dragoman.prompts import encode, joined

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONVERSES = "conversation"


class Options(Strict):
    """Lengths of turns. The defaults are those of the authors' code."""

    turn_length: list[PositiveInt] = Field(default=[2, 10], min_length=2, max_length=2)
    """Minimum and maximum number of successive segments in one turn (fewer at the end of a sentence)."""
    shift: Share = 0.5
    """Probability that the end of a turn's target is moved to the next turn; that of the last turn is never moved."""
    keep: PositiveInt = 2
    """Minimum number of target words that a turn keeps; all numbers from this up are equally likely. Shorter turns are
    not cut. In the authors' code it is 1 / 0.6, rounded up."""
    loss_on_cut_turns: bool = False
    """Whether a turn whose target was cut has a loss. In the authors' code it has none, so that early ends of turns are
    not learnt."""

    @property
    def aligned(self) -> bool:
        """True, since every sentence pair is divided by its word alignment."""
        return True

    @model_validator(mode="after")
    def _ordered(self) -> Options:
        if self.turn_length[0] > self.turn_length[1]:
            raise ValueError(f"`turn_length` is the minimum and the maximum of segments, not {self.turn_length}")
        return self


Turn = tuple[int, int, bool]
"""Source words read and target words written by the end of a turn, and whether its target was cut."""


def segments(g: Schedule) -> list[tuple[int, int]]:
    """(source words read, target words written) by the end of each segment; the last segment ends the sentence.

    Args:
        g: schedule of a sentence pair, g(1), ..., g(T + 1), with g(T + 1) the whole source.
    """
    last = len(g) - 1
    ends = [(int(g[t - 1]), t) for t in range(1, last) if g[t] > g[t - 1]]
    return [*ends, (int(g[last]), last)]


def turns(ends: list[tuple[int, int]], options: Options, rng: random.Random) -> list[Turn]:
    """Merge segments into turns, and move the end of some turns' targets to the next turn.

    Args:
        ends: from `segments`.
        options: lengths of turns.
        rng: source of the draws.
    """
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
    """The target of a turn: units `first` to `last` (exclusive). A blank between characters of two turns is put at the
    end of the first turn, since at the beginning of the second it looks like the blank of the prompt."""
    blank = unit == "character" and first < last < len(written) and written[last].startswith(" ")
    return units_joined(written[first:last], unit) + " " * blank


def divided(
    read: list[str], written: list[str], ends: Iterable[tuple[int, int]], counted: Units
) -> Iterator[tuple[str, str]]:
    """Source and target of each turn.

    Args:
        read, written: units of source and target.
        ends: how many of them are read, and written, by the end of each turn.
        counted: what they are.
    """
    source = target = 0
    for now_read, now_written in ends:
        yield units_joined(read[source:now_read], counted.source), _answer(written, target, now_written, counted.target)
        source, target = now_read, now_written


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """One example per sentence pair. Its random draws depend only on the languages and its number.

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
            short = segments(plan(number, len(read_units), len(written_units)))
            drawn.append(turns(short, options, random.Random(f"converse-{text.pair}-{number}")))
            ends = [(read, written) for read, written, _ in drawn[-1]]
            for chunk, answer in divided(read_units, written_units, ends, text.counted):
                sources.append(chunk)
                targets.append(answer)
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

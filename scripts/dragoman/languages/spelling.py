"""Units in tokens: what each unit of a source is spelled with, and which unit of a target each token belongs to.

A source is tokenised unit by unit, each with the blank before it. So what has been read is spelled alike whatever
follows, in training, in a batch and in real time. For words that is what the tokenizer would do anyway, since
tokenizers part text before blanks; Chinese that is read by characters is spelled with more tokens than Chinese that is
read whole.

A target is tokenised whole, since a model writes the tokens it likes. Its units follow from its tokens, one after the
other, by the rule that decoders apply while they write (`Spelling.begins`). A token of several units is written when
the first of them is due.

White space of any kind is read and written as one blank, also in training: decoders are given words, which have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from dragoman.config import Prompt
from dragoman.languages.units import Unit, Units, of_pair, units
from dragoman.prompts import encode, joined, render, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 20_000
"""Sentences worked on at once."""
PARTIAL = "\ufffd"
"""What tokenizers decode bytes to that are no whole character."""
MISSING = 3
"""Tokens that a character may have before its last one: no character has more than four bytes."""


class Cut(NamedTuple):
    """A prompt with its source, cut into what is there from the start, what each source unit adds, and the rest."""

    instruction: list[int]
    source: list[list[int]]
    """Token ids of each source unit, in order."""
    mark: list[int]
    """Token ids between the source and the response."""

    @property
    def context(self) -> list[int]:
        """Instruction and whole source."""
        return [*self.instruction, *chain.from_iterable(self.source)]

    @property
    def ends(self) -> list[int]:
        """[units + 1] How much of the context has been read after 0, 1, ... source units."""
        return list(accumulate(map(len, self.source), initial=len(self.instruction)))


class Spelled(NamedTuple):
    """A sentence pair in tokens."""

    source: Cut
    target: list[int]
    """Token ids of the target segment, and of the end of the sequence."""
    number: list[int]
    """[target tokens without the end] The unit each belongs to, from 1; one more than there are for white space at the
    end."""
    count: int
    """Target units."""

    @property
    def ids(self) -> list[int]:
        """The whole example."""
        return [*self.source.context, *self.source.mark, *self.target]


def cut(
    prompt: Prompt, tokenizer: PreTrainedTokenizerBase, pair: str, sources: Sequence[str], unit: Unit | None = None
) -> list[Cut]:
    """Cut the prompt of every source.

    What the source segment has around the sentence is tokenised apart from it. Where that is nothing but a blank before
    it, and units are words, the parts joined are what `prompts.encode` makes of the sentence with single blanks.

    Args:
        prompt: with something between source and target.
        tokenizer: a fast one.
        pair: languages, like `en-fr`.
        sources: one sentence per prompt.
        unit: of the source; None: as its language.

    Raises:
        ValueError: the prompt has nothing between source and target, or the tokenizer is a slow one.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"{tokenizer.name_or_path} has no tokenizer.json; a fast tokenizer is needed to read by words")
    unit = unit or of_pair(pair).source
    place = [segment.role for segment in prompt.segments].index("source")
    lead, _, tail = render(prompt, pair, "{source}", "")[place][1].partition("{source}")
    before = lead.rstrip(" ")
    blank = lead[len(before) :]

    def ids(texts: Sequence[str], first: bool = False) -> list[list[int]]:
        return tokenize(tokenizer, place if first else 1, texts)["input_ids"] if texts else []

    (empty,) = encode(prompt, tokenizer, pair, [""])
    (bare,) = ids([lead + tail], first=True)
    opening = empty[place].ids[: len(empty[place].ids) - len(bare)]  # a beginning-of-sequence token
    (around,) = ids([before], first=True) if before else [[]]
    instruction = [*joined(empty[:place]), *opening, *around]
    mark = joined(empty[place + 1 :])
    (closing,) = ids([tail]) if tail else [[]]
    if not closing and not mark:
        raise ValueError("a prompt for simultaneous decoding needs a mark between source and target")

    rows = [units(source, unit) for source in sources]
    glue = " " if unit == "word" else ""
    firsts = list(dict.fromkeys(blank + row[0] for row in rows if row))
    others = list(dict.fromkeys(glue + each for row in rows for each in row[1:]))
    first_ids = dict(zip(firsts, ids(firsts, first=not before), strict=True))
    other_ids = dict(zip(others, ids(others), strict=True))
    (unread,) = ids([blank + tail], first=not before) if blank + tail else [[]]
    return [
        Cut(
            instruction,
            [first_ids[blank + row[0]], *(other_ids[glue + each] for each in row[1:])] if row else [],
            [*(closing if row else unread), *mark],
        )
        for row in rows
    ]


def pairs(
    prompt: Prompt,
    tokenizer: PreTrainedTokenizerBase,
    pair: str,
    sources: Sequence[str],
    targets: Sequence[str],
    counted: Units | None = None,
) -> Iterator[Spelled]:
    """Sentence pairs as they are read and written, one after the other.

    Args:
        prompt: its target segment comes last.
        tokenizer: a fast one.
        pair: languages, like `en-fr`.
        sources, targets: sentences and their translations.
        counted: the units of both; None: as their languages.

    Raises:
        ValueError: as `cut`.
    """
    counted = counted or of_pair(pair)
    spelling = Spelling.of(tokenizer, counted.target)
    for start in range(0, len(sources), CHUNK):
        here = slice(start, start + CHUNK)
        plain = [" ".join(target.split()) for target in targets[here]]
        written = encode(prompt, tokenizer, pair, [""] * len(plain), plain)
        read = cut(prompt, tokenizer, pair, sources[here], counted.source)
        for source, pieces in zip(read, written, strict=True):
            target = pieces[-1].ids
            yield Spelled(source, target, *spelling.numbers(target[:-1]))


def whole(decode: Callable[[list[int]], str], ids: Sequence[int]) -> str:
    """The text of tokens that may end inside a character: all whole characters, then a sign for what is begun.

    A tokenizer with byte fallback decodes a run of bytes to `PARTIAL` alone where the last of them are no whole
    character, and would lose the characters before these (tokenizers 0.23.3).

    Args:
        decode: gives the text of tokens; a special token at the end may be given, and spells nothing.
        ids: the tokens.
    """
    ids = list(ids)
    text = decode(ids)
    if not text.endswith(PARTIAL):
        return text
    end = len(ids)
    while end and not decode(ids[end - 1 : end]):  # a special token
        end -= 1
    for start in range(end - 1, max(-1, end - 1 - MISSING), -1):
        if not (head := decode(ids[:start])).endswith(PARTIAL):
            return head + decode(ids[start:end])
    return text


class Spelling:
    """What the tokens of one tokenizer spell, and where units begin among them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, unit: Unit) -> None:
        self.tokenizer, self.unit = tokenizer, unit
        # after another token: at the beginning of a text some tokenizers drop a blank
        self.anchor: int = tokenizer.encode("a", add_special_tokens=False)[-1]
        self.alone = 0
        self.alone = len(self._decoded([]))
        self.known: dict[int, str] = {}

    @staticmethod
    @lru_cache(maxsize=8)
    def of(tokenizer: PreTrainedTokenizerBase, unit: Unit) -> Spelling:
        """One that is kept, with the texts of the tokens it has met."""
        return Spelling(tokenizer, unit)

    def _decoded(self, tokens: Sequence[int]) -> str:
        ids = [self.anchor, *tokens]
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)[self.alone :]

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens in the middle of a text spell; special tokens spell nothing."""
        parts = [self._part(token) for token in tokens]
        # a character may be spread over several tokens
        return whole(self._decoded, tokens) if any(PARTIAL in part for part in parts) else "".join(parts)

    def _part(self, token: int) -> str:
        if token not in self.known:
            self.known[token] = self._decoded([token])
        return self.known[token]

    def begins(self, unit: Sequence[int], token: int) -> bool:
        """Whether a token comes after a unit that is complete, rather than being part of it.

        White space belongs to the unit after it, where a token begins with it. Where white space is spread over tokens
        (U+202F in most vocabularies), or is the end of a token, it belongs to the unit before it: a decoder cannot know
        in time what the token's bytes will become. A character is complete when all its bytes are there.

        Args:
            unit: tokens of the unit so far.
            token: the next one; not that of the end.
        """
        text = self.text(unit)
        if not text.strip():
            return False
        if self.unit == "character":
            return not text.endswith(PARTIAL)
        return text[-1].isspace() or self._part(token)[:1].isspace()

    def numbers(self, tokens: Sequence[int]) -> tuple[list[int], int]:
        """The unit that each token of a text belongs to, from 1, and how many units there are."""
        unit_of, number = [], 1
        here: list[int] = []
        for token in tokens:
            if here and self.begins(here, token):
                number += len(units(self.text(here), self.unit))
                here = []
            here.append(token)
            unit_of.append(number)
        return unit_of, number - 1 + len(units(self.text(here), self.unit))

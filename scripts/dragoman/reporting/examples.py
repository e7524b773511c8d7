"""Example sentences on the page: their selection, the words in which a hypothesis differs from the reference, and, for
simultaneous systems, the time at which each word was written."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.languages.units import Unit, Units, joined, of_pair, units
from dragoman.languages.words import tokens
from dragoman.reporting.tables import named

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """A part of a hypothesis. The reference has the same words, or (`differs`) other words."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Output:
    """The hypotheses of a system at one setting for a test set."""

    system: str
    setting: str
    rows: Sequence[Row]
    """Rows as the decoder wrote them."""
    folded: bool = False
    """Whether its hypotheses are folded on the page."""
    astray: Sequence[str] = ()
    """[rows] Language of each hypothesis that is not in the target language, "" for the others; empty if the languages
    were not identified."""


@dataclass(frozen=True)
class Hypothesis:
    """The hypothesis of a system at one setting for a sentence."""

    system: str
    setting: str
    folded: bool
    spans: list[Span] | None
    """None if the system has not translated this sentence."""
    astray: str = ""
    words: Sequence[str] = ()
    """Target units as the decoder divided them. They may differ from the words in `spans`, since control characters
    are shown as symbols."""
    delays: list[int] | None = None
    """[words] Source words (or characters) read before each word was written; None if the decoder stored none."""
    unit: Unit = "word"
    """Unit of `words`."""

    @property
    def name(self) -> str:
        """The system's name in tables, with its setting."""
        return named(self.system, self.setting)

    def columns(self, width: int) -> list[str]:
        """[width] The words that were written after 1, 2, ... `width` source words had been read."""
        columns: list[list[str]] = [[] for _ in range(width)]
        for word, delay in zip(self.words, self.delays or (), strict=True):
            columns[max(delay, 1) - 1].append(word)
        return [joined(words, self.unit) for words in columns]


@dataclass(frozen=True)
class Example:
    """One sentence: its source, its reference, and the hypothesis of each system."""

    pair: str
    number: int
    """Place in the test set, counted from 1."""
    source: str
    reference: str
    hypotheses: list[Hypothesis]
    gap: float
    """chrF2 points between the best and the worst hypothesis that is not folded."""
    words: Sequence[str]
    """Words of the source as the decoders read them: characters if its language writes no blanks."""

    @property
    def timed(self) -> bool:
        """Whether a system wrote a word before it had read the whole source."""
        width = len(self.words)
        return any(min(each.delays, default=width) < width for each in self.hypotheses if each.delays)

    @property
    def astray(self) -> bool:
        """Whether a hypothesis is not in the target language."""
        return any(hypothesis.astray for hypothesis in self.hypotheses)


def visible(text: str) -> str:
    """The text with symbols for control characters and characters that change the direction of text, since these could
    rearrange a page."""
    out = []
    for letter in text:
        if letter < " " or letter == "\x7f":
            out.append(chr(0x2400 + ord(letter)) if letter < " " else "␡")
        elif (
            unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(letter) in _OVERRIDES
        ):
            out.append(f"⟨U+{ord(letter):04X}⟩")
        else:
            out.append(letter)
    return "".join(out)


def _visible_units(text: str, unit: Unit) -> list[str]:
    return [visible(each) for each in units(text, unit)]


_OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def marked(reference: str, hypothesis: str) -> list[Span]:
    """A hypothesis as a list of spans that are also in the reference, in the same order, and spans that are not."""
    expected, written = tokens(reference), tokens(hypothesis)
    matcher = difflib.SequenceMatcher(None, expected, written, autojunk=False)
    shared = [False] * len(written)
    for block in matcher.get_matching_blocks():
        shared[block.b : block.b + block.size] = [True] * block.size
    for place in range(len(written)):
        # a blank is marked only between two differing words, so that such words are one span without a blank at its end
        if written[place].isspace():
            inside = 0 < place < len(written) - 1 and not shared[place - 1] and not shared[place + 1]
            shared[place] = not inside
    spans: list[Span] = []
    for token, same in zip(written, shared, strict=True):
        if spans and spans[-1].differs is not same:
            spans[-1] = Span(spans[-1].text + token, not same)
        else:
            spans.append(Span(token, not same))
    return spans


def spread(total: int, wanted: int) -> list[int]:
    """`wanted` places (or fewer) spread evenly over `total`; the same arguments give the same places."""
    wanted = min(wanted, total)  # the middles of `wanted` equal parts: (i + 1/2) total / wanted
    return [(2 * i + 1) * total // (2 * wanted) for i in range(wanted)]


def choose(decodes: Mapping[str, Sequence[Output]], wanted: int, asked: Sequence[str] = ()) -> list[Example]:
    """Examples from every pair in turn, with each pair's in the order of its test set.

    Args:
        decodes: pair -> outputs of the systems.
        wanted: number of examples for all pairs together.
        asked: units of source and target, as for `units.of_pair`.
    """
    share = -(-wanted // max(1, len(decodes)))
    per_pair = [_of_pair(pair, of_pair(pair, asked), outputs, share) for pair, outputs in decodes.items()]
    in_turn = [shown[i] for i in range(share) for shown in per_pair if i < len(shown)]
    return in_turn[:wanted]


def _of_pair(pair: str, counted: Units, outputs: Sequence[Output], wanted: int) -> list[Example]:
    sentences: dict[Any, Row] = {row["id"]: row for output in reversed(outputs) for row in reversed(output.rows)}
    order = list(dict.fromkeys(row["id"] for output in outputs for row in output.rows))
    scores: dict[Any, list[float]] = {key: [] for key in order}
    astray: dict[Any, bool] = dict.fromkeys(order, False)
    for output in outputs:
        for row, language in zip(output.rows, output.astray or [""] * len(output.rows), strict=True):
            astray[row["id"]] |= bool(language)
        if not output.folded:
            for row, score in zip(output.rows, _sentence_scores(output.rows), strict=True):
                scores[row["id"]].append(score)
    gaps = [max(values) - min(values) if values else 0.0 for values in scores.values()]
    places = [{row["id"]: place for place, row in enumerate(output.rows)} for output in outputs]
    shown = []
    for place in pick(gaps, [*astray.values()], wanted):
        row = sentences[order[place]]
        reference = visible(_reference(row))
        hypotheses = [
            _hypothesis(output, own.get(row["id"]), reference, counted.target)
            for output, own in zip(outputs, places, strict=True)
        ]
        source = row["source"]
        words = [word.strip() for word in _visible_units(source, counted.source)]
        shown.append(Example(pair, place + 1, visible(source), reference, hypotheses, gaps[place], words))
    return shown


def _hypothesis(output: Output, place: int | None, reference: str, unit: Unit) -> Hypothesis:
    if place is None:
        return Hypothesis(output.system, output.setting, output.folded, None)
    row = output.rows[place]
    spans = marked(reference, visible(row["hypothesis"]))
    language = output.astray[place] if output.astray else ""
    words = _visible_units(row["hypothesis"], unit)
    return Hypothesis(output.system, output.setting, output.folded, spans, language, words, row.get("delays"), unit)


def _reference(row: Row) -> str:
    return row["reference"][0] if isinstance(row["reference"], list) else row["reference"]


def _sentence_scores(rows: Sequence[Row]) -> Sequence[float]:
    """chrF2 of each row."""
    from dragoman.metrics.chrf import compute

    if not rows:
        return ()
    references = [[_reference(row) for row in rows]]
    return compute([row["hypothesis"] for row in rows], references, [], "", bootstrap=0).segments


def pick(gaps: Sequence[float], astray: Sequence[bool], wanted: int) -> list[int]:
    """Places in a test set: half of them spread evenly over it, up to a quarter spread over sentences with a hypothesis
    in another language, and the rest where systems differ most.

    Args:
        gaps: [sentences] difference between the best and the worst hypothesis.
        astray: [sentences] whether a hypothesis is not in the target language.
        wanted: number of places.
    """
    chosen = dict.fromkeys(spread(len(gaps), -(-wanted // 2)))
    strays = [place for place, away in enumerate(astray) if away and place not in chosen]
    chosen |= dict.fromkeys(strays[i] for i in spread(len(strays), wanted // 4))
    others = sorted((place for place in range(len(gaps)) if place not in chosen), key=lambda place: -gaps[place])
    return sorted([*chosen, *others[: max(0, wanted - len(chosen))]])

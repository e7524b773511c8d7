"""The units of the columns of a simultaneous log, and how a log shows whether it is of text or of speech.

SimulEval's logs name no units. These are its units, and no others are read:

    column              text                                          speech
    source_length |X|   source tokens: words, or characters of a      milliseconds of audio
                        source without blanks; whole
    delays d_i          source tokens read; whole, at most |X|        milliseconds heard
    elapsed             milliseconds on the clock                     milliseconds on the clock, at least d_i
    prediction_length   target tokens |Y|: words, or characters with unit `char`
    reference           its length |Y*| is counted in the same target tokens
    AL LAAL DAL ATD YAAL  source tokens                               milliseconds
    AP                  none                                          none

There is one delay, and where they were measured one elapsed time, for each target token. Elapsed times are milliseconds
in both kinds of log, so a computation-aware latency, which puts them in the place of delays, exists for speech only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dragoman.languages.units import Unit, units
from dragoman.metrics import MetricError

if TYPE_CHECKING:
    from dragoman.metrics.instances import Instance

UNITS: dict[str, Unit] = {"word": "word", "char": "character"}
"""What a token of source or target may be, by SimulEval's names."""
SOURCES = {"text": (1.0, 1.0), "speech": (300.0, 0.0)}
"""How long a token of source and target lasts, which only ATD reads: a word of text takes one step on either side;
speech is cut into words of 300 ms, and text shown for it takes no time."""
SHORTEST = 20
"""Milliseconds that no utterance with a translation falls below."""
FASTEST = 10
"""Milliseconds that a character of speech takes at least, on average over a log: usual are 50 to 200."""
ADVICE = "choose `--source-type text` or `--source-type speech`"


def source_type(instances: Sequence[Instance]) -> Literal["text", "speech"]:
    """What the delays of a log count, seen from its numbers and texts. A hypothesis without tokens shows nothing.

    Raises:
        MetricError: the log can be neither or either, or some of its lines are of text and others of speech.
    """
    shown = [(each, *_may_be(each)) for each in instances if each.delays and _finite(each)]
    if not shown:  # nothing to score, or numbers that are refused later, with the line they are in
        return "text"
    text = speech = None
    for each, words, milliseconds in shown:
        if not words and not milliseconds:
            raise MetricError(
                f"{each.where}: source_length {each.source_length:g} and its delays are neither words nor milliseconds "
                f"(are they seconds?); correct them, or {ADVICE}"
            )
        text = text or (None if milliseconds else each)
        speech = speech or (None if words else each)
    if text and speech:
        raise MetricError(
            f"{text.where}: source_length {text.source_length:g} counts words, but that of {speech.where}, "
            f"{speech.source_length:g}, counts milliseconds; put text and speech into two logs, or {ADVICE}"
        )
    first = shown[0][0]
    length, characters = sum(each.source_length for each, *_ in shown), sum(_characters(each) for each, *_ in shown)
    if not text and (not speech or length < FASTEST * characters):
        raise MetricError(
            f"{first.where}: the log does not show whether source_length {first.source_length:g} counts words or "
            f"milliseconds; {ADVICE}"
        )
    return "text" if text else "speech"


def source_unit(instances: Sequence[Instance]) -> str:
    """What the delays of a log of text count: `char` where every source has as many characters as `source_length` says,
    and not as many words; else `word`. An end mark may count, too."""
    texts = [(each.source, each.source_length) for each in instances if isinstance(each.source, str)]
    for end_mark in (0, 1):
        for name, unit in UNITS.items():
            if all(len(units(text, unit)) + end_mark == length for text, length in texts):
                return name
    return "word"


def _finite(each: Instance) -> bool:
    return all(0 <= number < float("inf") for number in (*each.delays, each.source_length))


def _characters(each: Instance) -> int:
    """Of the source, or of the longer of its translations where the log has no source text."""
    if isinstance(each.source, str) and each.source:
        return len(each.source)
    return max(len(each.prediction), len(each.reference or ""))


def _may_be(each: Instance) -> tuple[bool, bool]:
    """Whether the numbers of an instance may count words, and whether they may count milliseconds."""
    if isinstance(each.source, list):  # SimulEval's facts about an audio file
        return False, each.source_length >= SHORTEST
    if each.source:  # as many tokens as words at least, and as characters and an end mark at most
        fewest, most = len(each.source.split()), len(each.source) + 1
    else:  # a translation into Chinese may have fewer characters than its source has words
        fewest, most = 0, 2 * _characters(each) + 10
    whole = not any(number % 1 for number in (*each.delays, each.source_length))
    least = max(SHORTEST, most + 1) if each.source else SHORTEST
    return whole and fewest <= each.source_length <= most, each.source_length >= least

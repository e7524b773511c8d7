"""Units of the columns of a simultaneous log, and how to recognise from its numbers whether a log is of text or speech.

SimulEval's logs do not name their units. Only these units are supported:

    column              text                                          speech
    source_length |X|   source tokens: words, or characters of a      milliseconds of audio
                        source without blanks; whole
    delays d_i          source tokens read; whole, at most |X|        milliseconds heard
    elapsed             milliseconds on the clock                     milliseconds on the clock, at least d_i
    prediction_length   target tokens |Y|: words, or characters with unit `char`
    reference           its length |Y*| is counted in the same target tokens
    AL LAAL DAL ATD YAAL  source tokens                               milliseconds
    AP                  none                                          none

There is one delay for each target token, and one elapsed time if times were measured. Elapsed times are milliseconds in
both kinds of log, so computation-aware latency, in which they replace delays, exists for speech only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dragoman.languages.units import Unit, units
from dragoman.metrics import MetricError

if TYPE_CHECKING:
    from dragoman.metrics.instances import Instance

UNITS: dict[str, Unit] = {"word": "word", "char": "character"}
"""SimulEval's name of a token -> our unit."""
SOURCES = {"text": (1.0, 1.0), "speech": (300.0, 0.0)}
"""Duration of a source token and of a target token, which only ATD uses. A word of text takes one step on either side;
speech is divided into words of 300 ms, and text displayed for it takes no time."""
SHORTEST = 20
"""Minimum length of a translated utterance, in milliseconds."""
FASTEST = 10
"""Minimum duration of a character of speech, in milliseconds, on average over a log; 50 to 200 are usual."""
ADVICE = "choose `--source-type text` or `--source-type speech`"


def source_type(instances: Sequence[Instance]) -> Literal["text", "speech"]:
    """Whether a log is of text or speech, from its numbers and texts. Hypotheses without tokens are ignored.

    Raises:
        MetricError: the log fits neither or both, or some lines are of text and others of speech.
    """
    shown = [(each, *_may_be(each)) for each in instances if each.delays and _finite(each)]
    if not shown:  # there is nothing to score, or `timing` will refuse the numbers with a better message
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
    """The unit of the delays of a log of text: `char` if `source_length` is the number of characters of every source,
    and not the number of words; otherwise `word`. An end mark may be included in the number."""
    texts = [(each.source, each.source_length) for each in instances if isinstance(each.source, str)]
    for end_mark in (0, 1):
        for name, unit in UNITS.items():
            if all(len(units(text, unit)) + end_mark == length for text, length in texts):
                return name
    return "word"


def _finite(each: Instance) -> bool:
    return all(0 <= number < float("inf") for number in (*each.delays, each.source_length))


def _characters(each: Instance) -> int:
    """Number of characters of the source, or of the longer translation if the log has no source text."""
    if isinstance(each.source, str) and each.source:
        return len(each.source)
    return max(len(each.prediction), len(each.reference or ""))


def _may_be(each: Instance) -> tuple[bool, bool]:
    """Whether the numbers of an instance may count words, and whether they may count milliseconds."""
    if isinstance(each.source, list):  # SimulEval's facts about an audio file
        return False, each.source_length >= SHORTEST
    if each.source:  # at least one token per word, and at most one per character and an end mark
        fewest, most = len(each.source.split()), len(each.source) + 1
    else:  # a translation into Chinese may have fewer characters than its source has words
        fewest, most = 0, 2 * _characters(each) + 10
    whole = not any(number % 1 for number in (*each.delays, each.source_length))
    least = max(SHORTEST, most + 1) if each.source else SHORTEST
    return whole and fewest <= each.source_length <= most, each.source_length >= least

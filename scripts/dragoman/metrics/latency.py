"""Latency of simultaneous translation: AL, LAAL, AP, DAL and ATD as SimulEval defines them, and YAAL as OmniSTEval
does.

The delay d_i of target token i is the amount of source that had been read when the token was written: words, or
milliseconds of speech (`log_units.py` lists the units of all columns). Words are the units of `units.py`: characters
for languages that write no blanks, on either side. Below, |X| is the length of the source in the unit of the delays,
|Y| the number of tokens written, and |Y*| the number of tokens of the reference. A computation-aware value is the same
formula with elapsed times, which include computation. Every metric is the mean of one value per sentence.

Published numbers come from SimulEval (Ma et al. 2020, "SIMULEVAL: An Evaluation Toolkit for Simultaneous Translation"),
so edge cases follow it:

- a sentence without a hypothesis has no latency; it is left out of the mean, and counted;
- |Y*| in words splits the reference at single blanks, so an empty reference has one word, and U+00A0 does not split;
- |Y*| in characters counts all characters of the stripped line, including blanks;
- AL and LAAL include tokens up to the first one written after the whole source was read;
- AP divides by the reference's length, so it can exceed 1; DAL uses only the hypothesis's length.

A division by zero in SimulEval is an error here, which names the sentence. OmniSTEval 0.1.10 computes AL, LAAL, AP and
DAL in the same way.

Sources and hypotheses are counted as they were read and written. SimulEval counts them in the same way: it divides
sources and predicted words by `str.split`, and removes the blanks of predicted characters. Only its count of a
reference's words differs from `units.py`, if a reference has white space other than single blanks; SimulEval's count is
used, since published numbers were made with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from dragoman import __version__, registry
from dragoman.languages.units import Units, of_pair, units
from dragoman.metrics import Counts, MetricError, NoValueError, Score, languages_of, parse, unspaced
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums
from dragoman.metrics.log_units import SOURCES, UNITS
from dragoman.metrics.sums import mean, values_of
from dragoman.metrics.timing import Timing, reference_length, refuse, timing


def _lagging(t: Timing, target: np.ndarray, last: bool = True) -> np.ndarray:
    """Mean lag, [sentences], over the tokens up to the first one that is written after the whole source was read.

    Args:
        target: [sentences] |Y*|, or the length used instead.
        last: whether this last token is included; without it, a sentence may have no token left, and its lag is NaN.
    """
    complete = t.times >= t.spread(t.sources)  # [tokens] written after the whole source was read
    completed = np.cumsum(complete)  # over all sentences, so the count at the start of a sentence is subtracted below
    before = completed - complete  # the same count without the token itself
    counted = (before if last else completed) == t.spread(before[t.starts])  # no such token before (or up to) this one
    lags = np.where(counted, t.times - t.position * t.spread(t.sources / target), 0.0)
    tau = np.add.reduceat(counted, t.starts, dtype=np.int64)
    return np.add.reduceat(lags, t.starts) / np.where(tau, tau, np.nan)


def _up_to_the_end(t: Timing, target: np.ndarray) -> np.ndarray:
    """AL, [sentences], with `target`, [sentences], as |Y*|."""
    first = t.times[t.starts]
    return np.where(first > t.sources, first, _lagging(t, target))


def _require_references(t: Timing, label: str) -> None:
    text = f"the reference has no characters, so {label} does not exist (LAAL, DAL and ATD do)"
    refuse(t.references == 0, t.names, text, t.kept)


def al(t: Timing) -> np.ndarray:
    """Average Lagging, in source words or ms: the lag behind an ideal translator, who writes at the rate of the source.

    AL = 1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / |Y*| ], where tau is the first i with d_i >= |X|, or |Y|
    if there is none; d_1 if that exceeds |X|. A hypothesis longer than its reference lowers it, below 0 at worst.

    Ma et al. 2019, "STACL: Simultaneous Translation with Implicit Anticipation and Controllable Latency using
    Prefix-to-Prefix Framework".
    """
    _require_references(t, "AL")
    return _up_to_the_end(t, t.references)


def laal(t: Timing) -> np.ndarray:
    """Length-Adaptive Average Lagging, in source words or ms: AL without a reward for hypotheses that are too long.

    LAAL = 1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / max(|Y|, |Y*|) ], with AL's tau and exception.

    Papi et al. 2022, "Over-Generation Cannot Be Rewarded: Length-Adaptive Average Lagging for Simultaneous Speech
    Translation".
    """
    return _up_to_the_end(t, np.maximum(t.hypotheses, t.references))


def yaal(t: Timing) -> np.ndarray:
    """Yet Another Average Lagging, in source words or ms: LAAL of the tokens written before the source is complete.

    YAAL = 1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / max(|Y|, |Y*|) ], where tau is the last i before the
    first d_i >= |X|. The delay of later tokens depends on the length of the source, and not on the translator's
    waiting. If all tokens of a sentence are written then, it has no YAAL (NaN here), and is left out of the mean.

    Polák et al. 2025, "Better Late Than Never: Evaluation of Latency Metrics for Simultaneous Speech-to-Text
    Translation" (arXiv 2509.17349); for separate sentences, which OmniSTEval calls short form.
    """
    return _lagging(t, np.maximum(t.hypotheses, t.references), last=False)


def ap(t: Timing) -> np.ndarray:
    """Average Proportion, without unit: the mean share of the source that was read before a target token is written.

    AP = sum over i = 1..|Y| of d_i / (|X| * |Y*|). It depends on the length of the sentence, and a hypothesis longer
    than its reference can raise it above 1.

    Cho & Esipova 2016, "Can neural machine translation do simultaneous translation?".
    """
    _require_references(t, "AP")
    return np.add.reduceat(t.times, t.starts) / (t.sources * t.references)


def dal(t: Timing) -> np.ndarray:
    """Differentiable Average Lagging, in source words or ms: AL in which every target token takes at least |X| / |Y|.

    DAL = 1/|Y| * sum over i = 1..|Y| of [ d'_i - (i - 1) / gamma ], with gamma = |Y| / |X|, d'_1 = d_1 and d'_i =
    max(d_i, d'_(i-1) + 1 / gamma). So each term is the maximum of d_j - (j - 1) / gamma over j <= i.

    Cherry & Foster 2019, "Thinking Slow about Latency Evaluation for Simultaneous Machine Translation".
    """
    return t.mean(t.running_max(t.times - t.position * t.spread(t.sources / t.hypotheses)))


def atd(t: Timing) -> np.ndarray:
    """Average Token Delay, in source words or ms: the mean time from the end of a source token to the end of the target
    token that belongs to it.

    Target tokens with the same delay form a chunk c, together with the source tokens read since the previous chunk.
    With Sx(c) source tokens and Sy(c) target tokens up to the end of chunk c, target token i of chunk c belongs to
    source token a(i) = min( i - max(0, Sy(c-1) - Sx(c-1)), Sx(c) ), and

    ATD = 1/|Y| * sum over i = 1..|Y| of [ end of target token i - end of source token a(i) ].

    The end of target token i is max(d_i, end of token i - 1) + its own length + its computation time, if that is
    included. `SOURCES` gives the lengths of tokens: speech is divided into words of 300 ms, the last of which may be
    shorter. ATD does not depend on |X| or |Y*|.

    Kano et al. 2023, "Average Token Delay: A Latency Metric for Simultaneous Translation". When SimulEval scores its
    logs again, it takes text for speech and gives 0; the value here is the one that it gives while it runs.
    """
    source_token, target_token = SOURCES[t.source]  # lengths of one token, in the unit of the delays
    # Chunks. Source positions are counted over all sentences (`read`), so that one search serves every sentence;
    # `offset` is the count at the start of a token's own sentence.
    opens = t.position == 0  # [tokens] whether a token begins a chunk
    opens[1:] |= t.delays[1:] != t.delays[:-1]
    chunk = np.cumsum(opens) - 1  # [tokens] number of the token's chunk
    first = np.flatnonzero(opens)  # [chunks] first target token
    begin = np.where(t.position[first] == 0, 0.0, t.delays[first - 1])  # [chunks] source read before the chunk
    whole, rest = np.divmod(t.delays[first] - begin, source_token)
    size = whole + (rest > 0)  # [chunks] source tokens of the chunk; the last word of speech may be shorter
    read = np.cumsum(size)  # [chunks] offset + Sx(c)
    read_before = read - size  # [chunks] offset + Sx(c-1)
    offset = t.spread(read_before[chunk[t.starts]])  # [tokens]
    # a(i). `position` counts from 0, so the first token of chunk c has the position Sy(c-1).
    surplus = np.maximum(0, t.position[first][chunk] - (read_before[chunk] - offset))  # max(0, Sy(c-1) - Sx(c-1))
    aligned = np.minimum(t.position + 1 - surplus, read[chunk] - offset)  # a(i); 0 if no source was read yet
    # End of source token a(i): the chunk that holds it, and the token's place within this chunk.
    source_chunk = np.minimum(np.searchsorted(read, offset + aligned), len(read) - 1)
    place = offset + aligned - read_before[source_chunk]
    source_end = np.minimum(begin[source_chunk] + place * source_token, t.delays[first][source_chunk])
    source_end = np.where(aligned > 0, source_end, 0.0)

    # End of target token i. With b_i the lengths and computation times of tokens 1..i, the recursion
    # end_i = max(d_i, end_(i-1)) + b_i - b_(i-1) has the solution end_i = b_i + max over j <= i of (d_j - b_(j-1)).
    busy = (t.position + 1) * target_token + (t.times - t.delays)
    busy_before = np.zeros_like(busy)
    busy_before[1:] = np.where(t.position[1:] > 0, busy[:-1], 0.0)
    target_end = busy + t.running_max(t.delays - busy_before)
    return t.mean(target_end - source_end)


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency metric, which is also a registered metric: it scores hypotheses with their delays."""

    title: str
    values: Callable[[Timing], np.ndarray]
    """`Timing` -> values, [sentences]."""
    reads_references: bool
    like: str = "SimulEval-1.1"
    """The program that gives the same values."""
    DIGITS: int = 2
    BETTER: Literal["lower"] = "lower"
    NEEDS: frozenset[str] = frozenset({"references", "sources", "delays"})

    def label(self, **options: Any) -> str:
        """The metric's name in tables."""
        return self.title + (" (characters)" if options.get("unit") == "char" else "")

    def compute(
        self,
        hypotheses: list[str],
        references: list[list[str]],
        sources: list[str],
        pair: str,
        *,
        delays: Sequence[Sequence[float]],
        unit: str = "auto",
        source_unit: str = "auto",
        bootstrap: int = RESAMPLES,
    ) -> Score:
        """Mean over sentences with a 95 % bootstrap interval, and the value of each sentence that has one.

        Args:
            delays: [sentences][tokens] source words (or characters) read before each target word (or character).
            unit: unit of target tokens: `word`, `char`, or `auto`, which depends on the target language.
            source_unit: unit of delays, with the same values.
            bootstrap: number of resamples; 0: no interval.

        Raises:
            MetricError: an option is invalid, there are several references, or delays do not fit the hypotheses.
            NoValueError: no sentence has a value.
        """
        for option, value in (("unit", unit), ("source_unit", source_unit)):
            if value not in (*UNITS, "auto"):
                raise MetricError(f"{option} is one of {', '.join((*UNITS, 'auto'))}, not {value!r}")
        if len(references) != 1:
            raise MetricError(f"{self.title} is measured against one reference, not {len(references)}")
        asked = [UNITS.get(each, each) for each in (source_unit, unit)]
        if "auto" in asked:
            languages_of(pair)  # raises an error if `pair` is not a pair
            asked = [*of_pair(pair, asked)]
        counted = Units(*asked)  # type: ignore[arg-type]
        for number, (text, times) in enumerate(zip(hypotheses, delays, strict=True), 1):
            if (written := len(units(text, counted.target))) != len(times):
                raise MetricError(
                    f"sentence {number}: {written} {counted.target}s were written, but there are {len(times)} delays"
                )
        names = {each: name for name, each in UNITS.items()}
        source_unit, unit = names[counted.source], names[counted.target]
        lengths = [reference_length(reference, unit) for reference in references[0]]
        laid_out = timing(delays, [len(units(source, counted.source)) for source in sources], lengths)
        name = self.title.lower()
        result = scores(laid_out, [name], unit=unit, source_unit=source_unit, bootstrap=bootstrap)[name]
        if isinstance(result, NoValueError):
            raise result
        return replace(result, note="; ".join(filter(None, (result.note, note_on_unit(pair, unit)))))

    def counts(self, *texts: Any, **options: Any) -> Counts:
        """The value of each sentence, and 1; twice 0 if it has no value: [sentences, 2]. Arguments and errors are as in
        `compute`."""
        return values_of(self.compute)(*texts, **options)

    score = staticmethod(mean)


AL = Latency("AL", al, True)
LAAL = Latency("LAAL", laal, True)
AP = Latency("AP", ap, True, DIGITS=3)
DAL = Latency("DAL", dal, False)
ATD = Latency("ATD", atd, False)
YAAL = Latency("YAAL", yaal, True, like="OmniSTEval-0.1")
METRICS = {metric.title.lower(): metric for metric in (AL, LAAL, AP, DAL, ATD, YAAL)}


def note_on_unit(pair: str, unit: str) -> str:
    """A note on delays per word, for languages without blanks between words; otherwise empty."""
    return unspaced(pair, "a delay per word counts stretches of text between them") if unit == "word" else ""


def named(spec: str) -> tuple[str, dict[str, Any]]:
    """`"al:computation_aware=true"` -> `("al", {"computation_aware": True})`, checked against the table.

    Raises:
        MetricError: the metric or an option is unknown (the message suggests similar names), or a value is invalid.
    """
    name, options = parse(spec)
    if name not in METRICS:
        raise MetricError(registry.unknown("latency metric", name, METRICS))
    kinds = {"computation_aware": ("true", "false"), "unit": tuple(UNITS), "reference_length": ("true", "false")}
    for option, value in options.items():
        if option not in kinds:
            raise MetricError(registry.unknown(f"option of {name}", option, kinds))
        text = str(value).lower() if isinstance(value, bool) else value
        if text not in kinds[option]:
            raise MetricError(f"{spec!r}: {option} is one of {', '.join(kinds[option])}, not {value!r}")
    if "reference_length" in options and not METRICS[name].reads_references:
        raise MetricError(f"{spec!r}: {METRICS[name].title} reads no references; leave reference_length out")
    return name, options


def scores(
    t: Timing,
    metrics: Sequence[str],
    *,
    unit: str = "word",
    source_unit: str = "word",
    reference_length: bool = True,
    bootstrap: int = RESAMPLES,
) -> dict[str, Score | NoValueError]:
    """Means over sentences with 95 % bootstrap intervals, by metric; all metrics share the resamples.

    Args:
        t: from `timing`.
        metrics: names in `METRICS`.
        unit: unit of target tokens, for the signature.
        source_unit: unit of the delays of text, for the signature.
        reference_length: whether `t.references` are lengths of references, for the signature.
        bootstrap: number of resamples; 0: no interval.

    Returns:
        Metric -> score, whose `n` is the number of sentences with a value; or the reason why no sentence has one.
    """
    for name in metrics:
        named(name)
    values = {name: METRICS[name].values(t) for name in metrics}
    bounds = _intervals({name: each for name, each in values.items() if not np.isnan(each).all()}, bootstrap)
    given = t.skipped + len(t.kept)
    results: dict[str, Score | NoValueError] = {}
    for name, each in values.items():
        late = int(np.isnan(each).sum())
        if late == len(each):
            text = "every hypothesis begins after the end of its source"
            results[name] = NoValueError(f"{text}, so {METRICS[name].title} does not exist (LAAL, DAL and ATD do)")
            continue
        signature = [METRICS[name].title, f"time:{'elapsed' if t.computation_aware else 'delays'}"]
        signature += [f"source:{f'{source_unit}s' if t.source == 'text' else 'ms'}", f"target:{unit}"]
        if METRICS[name].reads_references:
            rule = {"word": "split-blank", "char": "strip"}[unit] if reference_length else "hypothesis"
            signature.append(f"reflen:{rule}")
        signature += [f"bs:{bootstrap}", f"seed:{SEED}"] if bootstrap else []
        signature += [f"like:{METRICS[name].like}", f"version:{__version__}"]
        notes = [f"{t.skipped} of {given} hypotheses are empty and left out"] if t.skipped else []
        notes += [f"{late} of {given} begin after the end of the source and are left out"] if late else []
        segments: list[float | None] = [None] * given
        for sentence, value in zip(t.kept.tolist(), each.tolist(), strict=True):
            segments[sentence] = None if math.isnan(value) else value
        mean = float(each[~np.isnan(each)].mean())
        text = "|".join(signature)
        results[name] = Score(mean, *bounds[name], text, len(each) - late, tuple(segments), "; ".join(notes))
    return results


def _intervals(values: dict[str, np.ndarray], bootstrap: int) -> dict[str, tuple[float, float] | tuple[None, None]]:
    """Metric -> interval of the mean of its values, [sentences]. In each resample, NaN values are left out."""
    if not bootstrap or not values:
        return dict.fromkeys(values, (None, None))
    has = {name: ~np.isnan(each) for name, each in values.items() if np.isnan(each).any()}
    columns = [np.where(has[name], each, 0.0) if name in has else each for name, each in values.items()]
    sums = np.stack(list(resampled_sums(np.stack([*columns, *has.values()], axis=1), bootstrap))).T
    counted = dict(zip(has, sums[len(values) :], strict=True))
    intervals = {}
    for name, total in zip(values, sums, strict=False):
        count = counted.get(name, np.full(bootstrap, len(values[name])))
        intervals[name] = interval((total[count > 0] / count[count > 0]).tolist())
    return intervals

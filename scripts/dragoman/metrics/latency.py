"""How far a simultaneous translation lags behind its source: AL, LAAL, AP, DAL and ATD, defined as SimulEval does.

The delay d_i of the i-th target token is how much of the source had been read when it was written: words, or
milliseconds of speech. Below, |X| is the length of the source in that same unit, |Y| the number of tokens written, |Y*|
the number of tokens of the reference. A computation-aware value is the same formula on elapsed times, which count the
computing too. Every metric is a mean over sentences, of values per sentence.

Published numbers of the field come from SimulEval (Ma et al. 2020, "SIMULEVAL: An Evaluation Toolkit for Simultaneous
Translation"), so its choices at the edges are ours:

- a sentence without a hypothesis has no latency; it is left out of the mean, and counted;
- |Y*| of a word reference splits at single blanks, so an empty reference has one word, and U+00A0 does not split;
- AL and LAAL stop at the first token written with the whole source read, and take that token in;
- AP divides by the reference's length, so it can exceed 1; DAL knows only the hypothesis's.

What divides by zero there is an error here that names the sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from dragoman import __version__, registry
from dragoman.metrics import MetricError, Score, parse
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

UNITS = ("word", "char")
SOURCES = {"text": (1.0, 1.0), "speech": (300.0, 0.0)}
"""How long a token of source and target lasts, which only ATD asks: a word of text takes one step on either side;
speech is cut into words of 300 ms, and text shown for it takes no time."""


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """When each token of each hypothesis was written; sentences with an empty hypothesis are left out. See `timing`."""

    times: np.ndarray
    """[tokens] What the metrics read, sentence after sentence: delays, or elapsed times if computation-aware."""
    delays: np.ndarray
    """[tokens] Source read, in source words or ms; never falls within a sentence."""
    position: np.ndarray
    """[tokens] i - 1 of each token in its sentence."""
    starts: np.ndarray
    """[sentences] Index of each sentence's first token."""
    hypotheses: np.ndarray
    """[sentences] |Y|, in target tokens, at least 1."""
    sources: np.ndarray
    """[sentences] |X|, in the unit of the delays, above 0."""
    references: np.ndarray
    """[sentences] |Y*|, in target tokens."""
    kept: np.ndarray
    """[sentences] Which of the sentences given these are."""
    skipped: int
    """How many were left out."""
    source: Literal["text", "speech"]
    computation_aware: bool
    names: Sequence[str] | None
    """What errors call the sentences given; None: their numbers from 1."""

    def spread(self, values: np.ndarray) -> np.ndarray:
        """[sentences] -> [tokens]."""
        return np.repeat(values, self.hypotheses)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """[tokens] -> [sentences], each divided by |Y|."""
        return np.add.reduceat(values, self.starts) / self.hypotheses

    def running_max(self, values: np.ndarray) -> np.ndarray:
        """[tokens] -> [tokens]: the largest value of the sentence so far, in log2(longest sentence) passes."""
        values, step = values.copy(), 1
        while step < self.hypotheses.max():
            inside = self.position[step:] >= step
            values[step:] = np.where(inside, np.maximum(values[step:], values[:-step]), values[step:])
            step *= 2
        return values


def reference_length(reference: str, unit: str) -> int:
    """|Y*| as SimulEval counts it: words between single blanks, or characters without blanks at the ends."""
    return len(reference.split(" ")) if unit == "word" else len(reference.strip())


def timing(
    delays: Sequence[Iterable[float]] | np.ndarray,
    sources: Sequence[float],
    references: Sequence[float] | None,
    hypotheses: Sequence[int] | None = None,
    *,
    elapsed: Sequence[Iterable[float]] | np.ndarray | None = None,
    source: Literal["text", "speech"] = "text",
    names: Sequence[str] | None = None,
) -> Timing:
    """Check delays and lay them out for the metrics.

    Args:
        delays: one sequence per sentence, one number per target token, in source words (`source="text"`) or
            milliseconds; or a padded array [sentences, width] with `hypotheses`.
        sources: [sentences] lengths of the sources, in the unit of the delays.
        references: [sentences] lengths of the references, in target tokens; None: those of the hypotheses.
        hypotheses: [sentences] numbers of target tokens; needed with a padded array only.
        elapsed: like `delays`, on the clock, in the unit of the delays; given, the metrics are computation-aware.
        source: what a delay counts.
        names: what errors call the sentences.

    Raises:
        MetricError: lists that do not run in step, no hypothesis at all, a source of length 0 with a hypothesis, or a
            time that is not finite, is negative, or runs back.
    """
    flat, lengths = _flat(delays, hypotheses, "delays")
    given = {"sources": sources, "references": references, "names": names}
    for kind, values in given.items():
        if values is not None and len(values) != len(lengths):
            raise MetricError(f"delays of {len(lengths)} sentences, but {len(values)} {kind}")
    clock = flat
    if elapsed is not None:
        clock, other = _flat(elapsed, hypotheses, "elapsed times")
        if len(other) != len(lengths):
            raise MetricError(f"delays of {len(lengths)} sentences, but elapsed times of {len(other)}")
        _refuse(other != lengths, names, "there are not as many elapsed times as delays")
    if not lengths.any():
        raise MetricError(f"none of {len(lengths)} hypotheses has a word, so there is no latency")
    kept = np.flatnonzero(lengths)
    source_lengths = np.asarray(sources, dtype=np.float64)
    reference_lengths = lengths if references is None else np.asarray(references, dtype=np.float64)
    _refuse(~np.isfinite(source_lengths), names, "the length of the source is not a finite number")
    _refuse((lengths > 0) & ~(source_lengths > 0), names, "words were written for an empty source: no latency exists")
    _refuse(~((reference_lengths >= 0) & np.isfinite(reference_lengths)), names, "no length of the reference")

    counts = lengths[kept]
    starts = np.cumsum(counts) - counts
    position = np.arange(len(flat)) - np.repeat(starts, counts)
    owner = np.repeat(kept, counts)
    for kind, values in (("a delay", flat), ("an elapsed time", clock)):
        _refuse(~(np.isfinite(values) & (values >= 0)), names, f"{kind} is negative or not finite", owner)
    back = np.zeros(len(flat), dtype=bool)
    back[1:] = (flat[1:] < flat[:-1]) & (position[1:] > 0)
    _refuse(back, names, "a delay is shorter than the one before it, but nothing can be unread", owner)
    if elapsed is not None:
        idle = (np.maximum.reduceat(clock, starts) == 0) & (np.maximum.reduceat(flat, starts) > 0)
        text = "every elapsed time is 0, so nobody measured them (SimulEval does not on text)"
        _refuse(np.repeat(idle, counts), names, text, owner)
    return Timing(
        times=clock,
        delays=flat,
        position=position,
        starts=starts,
        hypotheses=counts,
        sources=source_lengths[kept],
        references=reference_lengths[kept],
        kept=kept,
        skipped=len(lengths) - len(kept),
        source=source,
        computation_aware=elapsed is not None,
        names=names,
    )


def _flat(values: Any, lengths: Sequence[int] | None, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Tokens end to end, [tokens], and how many each sentence has, [sentences]."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        if lengths is None:
            raise MetricError(f"padded {kind} need the numbers of target tokens")
        counts = np.asarray(lengths, dtype=np.int64)
        if len(counts) != len(values) or (len(counts) and not 0 <= counts.min() <= counts.max() <= values.shape[1]):
            raise MetricError(f"numbers of target tokens that do not fit {kind} of shape {values.shape}")
        return values[np.arange(values.shape[1]) < counts[:, None]].astype(np.float64), counts
    rows = [row if hasattr(row, "__len__") else list(row) for row in values]
    counts = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    if lengths is not None and not np.array_equal(counts, lengths):
        raise MetricError(f"numbers of target tokens that are not those of the {kind}")
    return np.fromiter(chain.from_iterable(rows), dtype=np.float64, count=int(counts.sum())), counts


def _refuse(bad: np.ndarray, names: Sequence[str] | None, text: str, owner: np.ndarray | None = None) -> None:
    """Name the first sentence that is bad; `owner` gives each token's sentence where `bad` is about tokens."""
    if bad.any():
        first = int(np.argmax(bad))
        sentence = first if owner is None else int(owner[first])
        raise MetricError(f"{f'sentence {sentence + 1}' if names is None else names[sentence]}: {text}")


def _lagging(t: Timing, target: np.ndarray) -> np.ndarray:
    """AL with |Y*| given as `target`, [sentences]."""
    complete = t.times >= t.spread(t.sources)
    completed = np.cumsum(complete) - complete
    counted = completed == t.spread(completed[t.starts])
    lags = np.where(counted, t.times - t.position * t.spread(t.sources / target), 0.0)
    tau = np.add.reduceat(counted, t.starts, dtype=np.int64)
    first = t.times[t.starts]
    return np.where(first > t.sources, first, np.add.reduceat(lags, t.starts) / tau)


def _require_references(t: Timing, label: str) -> None:
    text = f"the reference has no characters, so {label} does not exist (LAAL, DAL and ATD do)"
    _refuse(t.references == 0, t.names, text, t.kept)


def al(t: Timing) -> np.ndarray:
    """Average Lagging, in source words or ms: how far behind a translator who writes evenly as the source is read.

    AL = 1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / |Y*| ], where tau is the first i with d_i >= |X|, or |Y|
    if there is none; d_1 if that exceeds |X|. A hypothesis longer than its reference lowers it, below 0 at worst.

    Ma et al. 2019, "STACL: Simultaneous Translation with Implicit Anticipation and Controllable Latency using
    Prefix-to-Prefix Framework".
    """
    _require_references(t, "AL")
    return _lagging(t, t.references)


def laal(t: Timing) -> np.ndarray:
    """Length-Adaptive Average Lagging, in source words or ms: AL that does not reward writing too much.

    LAAL = 1/tau * sum over i = 1..tau of [ d_i - (i - 1) * |X| / max(|Y|, |Y*|) ], with AL's tau and exception.

    Papi et al. 2022, "Over-Generation Cannot Be Rewarded: Length-Adaptive Average Lagging for Simultaneous Speech
    Translation".
    """
    return _lagging(t, np.maximum(t.hypotheses, t.references))


def ap(t: Timing) -> np.ndarray:
    """Average Proportion, without unit: the share of the source read before a target token is written.

    AP = sum over i = 1..|Y| of d_i / (|X| * |Y*|). It depends on the length of the sentence, and a hypothesis longer
    than its reference takes it above 1.

    Cho & Esipova 2016, "Can neural machine translation do simultaneous translation?".
    """
    _require_references(t, "AP")
    return np.add.reduceat(t.times, t.starts) / (t.sources * t.references)


def dal(t: Timing) -> np.ndarray:
    """Differentiable Average Lagging, in source words or ms: every target token takes its share of the time.

    DAL = 1/|Y| * sum over i = 1..|Y| of [ d'_i - (i - 1) / gamma ], with gamma = |Y| / |X|, d'_1 = d_1 and d'_i =
    max(d_i, d'_(i-1) + 1 / gamma). So each term is the largest d_j - (j - 1) / gamma of all j <= i.

    Cherry & Foster 2019, "Thinking Slow about Latency Evaluation for Simultaneous Machine Translation".
    """
    return t.mean(t.running_max(t.times - t.position * t.spread(t.sources / t.hypotheses)))


def atd(t: Timing) -> np.ndarray:
    """Average Token Delay, in source words or ms: how long after a source token its target token ends.

    Tokens written after the same delay form a chunk c, beside the source tokens read since the chunk before. With Sx(c)
    source tokens up to the end of chunk c and Sy(c) target tokens, target token i of chunk c belongs to source token
    a(i) = min( i - max(0, Sy(c-1) - Sx(c-1)), Sx(c) ), and

    ATD = 1/|Y| * sum over i = 1..|Y| of [ end of target token i - end of source token a(i) ].

    The end of target token i is max(d_i, end of token i - 1) + its own length + the time it took to compute, where that
    is counted. Lengths: `SOURCES`; what is left of a stretch of speech after words of 300 ms is a shorter word.
    Neither |X| nor |Y*| matters.

    Kano et al. 2023, "Average Token Delay: A Latency Metric for Simultaneous Translation". SimulEval gives 0 for text
    scored again from its logs, which it takes for speech; this follows what it gives while it runs.
    """
    source_token, target_token = SOURCES[t.source]
    opens = t.position == 0
    opens[1:] |= t.delays[1:] != t.delays[:-1]
    chunk = np.cumsum(opens) - 1  # [tokens] the chunk of each
    first = np.flatnonzero(opens)  # [chunks] the first target token of each
    begin = np.where(t.position[first] == 0, 0.0, t.delays[first - 1])
    whole, rest = np.divmod(t.delays[first] - begin, source_token)
    size = whole + (rest > 0)  # [chunks] source tokens
    read = np.cumsum(size)  # over all sentences, so that one search finds tokens of every sentence
    read_before = read - size  # [chunks] what `read` was before
    offset = t.spread(read_before[chunk[t.starts]])
    ahead = np.maximum(0, t.position[first][chunk] - (read_before[chunk] - offset))
    aligned = np.minimum(t.position + 1 - ahead, read[chunk] - offset)  # 0: written before anything was read
    holder = np.minimum(np.searchsorted(read, offset + aligned), len(read) - 1)
    inside = offset + aligned - read_before[holder]
    source_end = np.minimum(begin[holder] + inside * source_token, t.delays[first][holder])
    source_end = np.where(aligned > 0, source_end, 0.0)

    busy = (t.position + 1) * target_token + (t.times - t.delays)  # lengths and computing of tokens 1..i
    busy_before = np.zeros_like(busy)
    busy_before[1:] = np.where(t.position[1:] > 0, busy[:-1], 0.0)
    target_end = busy + t.running_max(t.delays - busy_before)
    return t.mean(target_end - source_end)


@dataclass(frozen=True, slots=True)
class Latency:
    """A metric of the table, which is a registered metric, too: it scores hypotheses that come with their delays."""

    title: str
    values: Callable[[Timing], np.ndarray]
    """[sentences] of a `Timing`."""
    reads_references: bool
    DIGITS: int = 2
    BETTER: Literal["lower"] = "lower"
    NEEDS: frozenset[str] = frozenset({"references", "sources", "delays"})

    def label(self, **options: Any) -> str:
        """How tables name it."""
        return self.title + (" (characters)" if options.get("unit") == "char" else "")

    def compute(
        self,
        hypotheses: list[str],
        references: list[list[str]],
        sources: list[str],
        pair: str,
        *,
        delays: Sequence[Sequence[float]],
        unit: str = "word",
        bootstrap: int = RESAMPLES,
    ) -> Score:
        """Mean over sentences with a 95 % bootstrap interval, and the value of each sentence that has a hypothesis.

        Args:
            delays: per sentence, source words read before each target word (or character).
            unit: what a target token is: `word` or `char`.
            bootstrap: number of resamples; 0 leaves the interval out.
        """
        if unit not in UNITS:
            raise MetricError(f"unit is one of {', '.join(UNITS)}, not {unit!r}")
        if len(references) != 1:
            raise MetricError(f"{self.title} is measured against one reference, not {len(references)}")
        for number, (text, times) in enumerate(zip(hypotheses, delays, strict=True), 1):
            written = len(text.split()) if unit == "word" else len(text.replace(" ", ""))
            if written != len(times):
                raise MetricError(
                    f"sentence {number}: {written} {unit}s were written, but there are {len(times)} delays"
                )
        lengths = [reference_length(reference, unit) for reference in references[0]]
        laid_out = timing(delays, [len(source.split()) for source in sources], lengths)
        return scores(laid_out, [self.title.lower()], unit=unit, bootstrap=bootstrap)[self.title.lower()]


AL = Latency("AL", al, True)
LAAL = Latency("LAAL", laal, True)
AP = Latency("AP", ap, True, DIGITS=3)
DAL = Latency("DAL", dal, False)
ATD = Latency("ATD", atd, False)
METRICS = {metric.title.lower(): metric for metric in (AL, LAAL, AP, DAL, ATD)}


def named(spec: str) -> tuple[str, dict[str, Any]]:
    """`"al:computation_aware=true"` -> `("al", {"computation_aware": True})`, checked against the table.

    Raises:
        MetricError: an unknown metric or option; the message names the nearest.
    """
    name, options = parse(spec)
    if name not in METRICS:
        raise MetricError(registry.unknown("latency metric", name, METRICS))
    kinds = {"computation_aware": ("true", "false"), "unit": UNITS, "reference_length": ("true", "false")}
    for option, value in options.items():
        if option not in kinds:
            raise MetricError(registry.unknown(f"option of {name}", option, kinds))
        text = str(value).lower() if isinstance(value, bool) else value
        if text not in kinds[option]:
            raise MetricError(f"{spec!r}: {option} is one of {', '.join(kinds[option])}, not {value!r}")
    return name, options


def scores(
    t: Timing,
    metrics: Sequence[str],
    *,
    unit: str = "word",
    reference_length: bool = True,
    bootstrap: int = RESAMPLES,
) -> dict[str, Score]:
    """Means over sentences with 95 % bootstrap intervals, by metric; all metrics share the resamples.

    Args:
        t: from `timing`.
        metrics: names in `METRICS`.
        unit: what a target token is, for the signature.
        reference_length: whether `t.references` are lengths of references, for the signature.
        bootstrap: number of resamples; 0 leaves the interval out.

    Returns:
        Scores whose `segments` belong to the sentences `t.kept`, and whose `n` counts them.
    """
    for name in metrics:
        named(name)
    values = {name: METRICS[name].values(t) for name in metrics}
    lows: dict[str, tuple[float | None, float | None]] = dict.fromkeys(values, (None, None))
    if bootstrap and values:
        sums = np.stack(list(resampled_sums(np.stack(list(values.values()), axis=1), bootstrap)))
        lows = {name: interval((column / len(t.kept)).tolist()) for name, column in zip(values, sums.T, strict=True)}
    note = f"{t.skipped} of {t.skipped + len(t.kept)} hypotheses are empty and left out" if t.skipped else ""
    found = {}
    for name, each in values.items():
        signature = [METRICS[name].title, f"time:{'elapsed' if t.computation_aware else 'delays'}"]
        signature += [f"source:{'words' if t.source == 'text' else 'ms'}", f"target:{unit}"]
        if METRICS[name].reads_references:
            rule = {"word": "split-blank", "char": "strip"}[unit] if reference_length else "hypothesis"
            signature.append(f"reflen:{rule}")
        signature += [f"bs:{bootstrap}", f"seed:{SEED}"] if bootstrap else []
        signature += ["like:SimulEval-1.1", f"version:{__version__}"]
        low, high = lows[name]
        found[name] = Score(float(each.mean()), low, high, "|".join(signature), len(each), tuple(each.tolist()), note)
    return found

"""Delays of simultaneous translations, checked and stored as flat arrays for the latency metrics.

A delay is the amount of source that had been read when a target token was written: words, characters, or milliseconds
of speech. `log_units.py` lists the units of all columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from dragoman.metrics import MetricError
from dragoman.metrics.log_units import SHORTEST

ROUNDED = 0.5
"""Largest rounding error of an elapsed time in a log, in milliseconds."""
LEAST_SHARE, MOST_SHARE = 1 / 500, 50
"""Limits of (sum of the last delays) / (sum of the lengths of sources), for detecting wrong units. A system may
translate only the beginning, or wait for a pause that is longer than the sentence; seconds instead of milliseconds are
a factor of 1000."""


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """The time at which each token of each hypothesis was written, made by `timing`. Sentences with an empty hypothesis
    are left out."""

    times: np.ndarray
    """[tokens] The times that metrics use, for all sentences in order: delays, or elapsed times (computation-aware)."""
    delays: np.ndarray
    """[tokens] Amount of source read, in source words or ms; never decreases within a sentence."""
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
    """[sentences] Index of each sentence in the input of `timing`."""
    skipped: int
    """Number of sentences that were left out."""
    source: Literal["text", "speech"]
    computation_aware: bool
    names: Sequence[str] | None
    """Names of the input's sentences in errors; None: their numbers from 1."""

    def spread(self, values: np.ndarray) -> np.ndarray:
        """[sentences] -> [tokens]: each value is repeated for the tokens of its sentence."""
        return np.repeat(values, self.hypotheses)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """[tokens] -> [sentences]: sums of each sentence, divided by |Y|."""
        return np.add.reduceat(values, self.starts) / self.hypotheses

    def running_max(self, values: np.ndarray) -> np.ndarray:
        """[tokens] -> [tokens]: the largest value of the sentence so far, in log2(longest sentence) passes."""
        # after the pass with `step`, each value is the maximum of the last 2 * step values
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
        references: [sentences] lengths of the references, in target tokens; None: lengths of the hypotheses.
        hypotheses: [sentences] numbers of target tokens; needed for a padded array only.
        elapsed: elapsed times in milliseconds, in the same form as `delays`; None: metrics are not computation-aware.
        source: whether delays are of text or speech.
        names: [sentences] names of the sentences in errors.

    Raises:
        MetricError: lists differ in length, all hypotheses are empty, a source of length 0 has a hypothesis, a time is
            negative, not finite, or earlier than the time before it, or the units of columns do not fit each other.
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
        refuse(other != lengths, names, "there are not as many elapsed times as delays")
    if not lengths.any():
        raise MetricError(f"none of {len(lengths)} hypotheses has a word, so there is no latency")
    kept = np.flatnonzero(lengths)
    source_lengths = np.asarray(sources, dtype=np.float64)
    reference_lengths = lengths if references is None else np.asarray(references, dtype=np.float64)
    refuse(~np.isfinite(source_lengths), names, "the length of the source is not a finite number")
    refuse((lengths > 0) & ~(source_lengths > 0), names, "words were written for an empty source: no latency exists")
    refuse(~((reference_lengths >= 0) & np.isfinite(reference_lengths)), names, "no length of the reference")

    counts = lengths[kept]
    starts = np.cumsum(counts) - counts
    position = np.arange(len(flat)) - np.repeat(starts, counts)
    owner = np.repeat(kept, counts)
    for kind, values in (("a delay", flat), ("an elapsed time", clock)):
        refuse(~(np.isfinite(values) & (values >= 0)), names, f"{kind} is negative or not finite", owner)
    back = np.zeros(len(flat), dtype=bool)
    back[1:] = (flat[1:] < flat[:-1]) & (position[1:] > 0)
    refuse(back, names, "a delay is shorter than the one before it, but nothing can be unread", owner)
    if elapsed is not None:
        idle = (np.maximum.reduceat(clock, starts) == 0) & (np.maximum.reduceat(flat, starts) > 0)
        text = "every elapsed time is 0, so nobody measured them (SimulEval does not on text)"
        refuse(np.repeat(idle, counts), names, text, owner)
        if source == "text":
            text = (
                "elapsed times are milliseconds and the delays of text are words, so text has no computation-aware "
                "latency; ask for the plain one (or choose --source-type speech, if the delays are milliseconds)"
            )
            refuse(np.ones(1, dtype=bool), names, text, owner)
        text = "an elapsed time is earlier than its delay; both are milliseconds, and elapsed times count computing too"
        refuse(clock < flat - ROUNDED, names, text, owner)
        back[1:] = (clock[1:] < clock[:-1] - ROUNDED) & (position[1:] > 0)
        refuse(back, names, "an elapsed time is earlier than the one before it", owner)
    _refuse_units(flat, starts + counts - 1, source_lengths, owner, source, names)
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


def _refuse_units(
    delays: np.ndarray,
    last: np.ndarray,
    sources: np.ndarray,
    owner: np.ndarray,
    source: str,
    names: Sequence[str] | None,
) -> None:
    """Refuse delays, [tokens], that are not in the unit of the lengths of their sources, [sentences]; `last` is where
    the last token of each sentence is."""
    lengths = sources[owner]
    if source == "text":
        text = "delays and source_length of text count words, and so are whole (milliseconds: --source-type speech)"
        refuse((delays % 1 != 0) | (lengths % 1 != 0), names, text, owner)
        refuse(delays > lengths, names, "a delay counts more words than the source has", owner)
    whole = lengths[last]
    if source == "speech":
        text = f"its source and the others are shorter than {SHORTEST} ms on average; are they in seconds?"
        refuse(np.array([whole.mean() < SHORTEST]), names, text, owner)
    share = delays[last].sum() / whole.sum()
    text = "its delays and source_length, like the others, are not in the same unit: one of them may be in seconds"
    refuse(np.array([delays.any() and not LEAST_SHARE <= share <= MOST_SHARE]), names, text, owner)


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


def refuse(bad: np.ndarray, names: Sequence[str] | None, text: str, owner: np.ndarray | None = None) -> None:
    """Name the first sentence that is bad; `owner` gives each token's sentence where `bad` is about tokens."""
    if bad.any():
        first = int(np.argmax(bad))
        sentence = first if owner is None else int(owner[first])
        raise MetricError(f"{f'sentence {sentence + 1}' if names is None else names[sentence]}: {text}")

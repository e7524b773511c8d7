"""LaSE (Bhattacharjee et al. 2023, "CrossSum"): scores summaries by meaning, language and length.

The value of a summary is the product of three numbers, in percent:

    meaning    cosine of the LaBSE embeddings of summary and reference (Feng et al. 2022)
    language   1 if an identifier finds the target language, otherwise the probability it gives to this language
    length     exp(min(0, 1 - words / (words of the reference + 6)))

There are two differences from the authors' code (LaSE/scorer.py at 1c02430). Their code counts the language as right if
it does not know the language's name; here this is an error. Their code segments and stems words with tools for each
language; here words are the words of our ROUGE. An empty summary has the language factor 0. The metric needs
`make env-neural`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dragoman import registry
from dragoman.languages import identify
from dragoman.metrics import MetricError, Score, languages_of, neural, require, unspaced
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean
from dragoman.metrics.offtarget import identifier_for
from dragoman.metrics.rouge import words
from dragoman.metrics.sums import mean, values_of

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})

MODEL = "setu4993/LaBSE"
"""LaBSE as a BERT with its pooler, from whose output the embedding is made."""
SPARE = 6
"""Number of words by which a summary may be longer than its reference without a penalty."""


def label(**options: Any) -> str:
    """`LaSE`, with the model if it is set."""
    named = {key: options[key] for key in ("model", "revision") if key in options}
    return neural.label("LaSE", MODEL, **named)


def check(
    pairs: Iterable[str] = (),
    *,
    model: Any = MODEL,
    revision: Any = None,
    batch: Any = neural.BATCH,
    bootstrap: Any = RESAMPLES,
    identifier: Any = "lingua",
    languages: Any = None,
    identifier_model: Any = None,
    **others: Any,
) -> None:
    """Refuse invalid options, without loading a model.

    Raises:
        MetricError: an option is unknown, or has an invalid value.
    """
    for option in others:
        known = ["model", "revision", "batch", "bootstrap", "identifier", "languages", "identifier_model"]
        raise MetricError(registry.unknown("option", option, known))
    neural.check(model, revision, batch, bootstrap)
    identify.check(identifier, identifier_model)


def requisites(
    pairs: Iterable[str], *, model: str = MODEL, revision: str | None = None, **others: Any
) -> list[Callable[[], str]]:
    """The model, and the model of the identifier; they are fetched if they are not on this machine."""
    of_identifier = identify.requisites(others.get("identifier", "lingua"), others.get("identifier_model"))
    return [neural.requisite("labse", model, revision), *of_identifier]


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    model: str = MODEL,
    revision: str | None = None,
    batch: int = neural.BATCH,
    identifier: str = "lingua",
    languages: str | Sequence[str] | None = None,
    identifier_model: str | None = None,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Mean over sentences in percent with a 95 % bootstrap interval, and the value of each sentence. The note has the
    means of the three factors.

    Args:
        model: a name on the hub, which is fetched; or a folder with a BERT model.
        revision: commit, tag or branch on the hub; None: the newest. The signature has the commit.
        batch: number of sentences embedded at once.
        identifier, languages, identifier_model: as `identifier`, `languages` and `model` of the off-target ratio.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        MetricError: there is no neural environment or no model, or an option is invalid.
    """
    require(hypotheses, references)
    source, target = languages_of(pair)
    chosen = identifier_for(source.code, target.code, identifier, languages, identifier_model)
    meant = neural.compute("labse", "LaBSE", hypotheses, references, [], model, revision, batch, bootstrap=0)
    assert meant.segments is not None
    sure = language_confidence(chosen.confidence, hypotheses, target.code)
    short = [
        length_penalty(len(words(line, target)), len(words(reference, target)))
        for line, reference in zip(hypotheses, references[0], strict=True)
    ]
    values = [100 * math.prod(parts) for parts in zip(meant.segments, sure, short, strict=True)]
    low, high = of_mean(values, bootstrap)
    signature = f"LaSE|{meant.signature}|{chosen.signature}{drawn(bootstrap)}"
    means = [math.fsum(column) / len(values) for column in (meant.segments, sure, short)]
    note = "meaning {:.3f}, language {:.3f}, length {:.3f}".format(*means)
    note = "; ".join(filter(None, (note, meant.note, unspaced(pair, "lengths are of characters"))))
    return Score(math.fsum(values) / len(values), low, high, signature, len(values), tuple(values), note)


counts, score = values_of(compute), mean


def language_confidence(confidence: Any, lines: Sequence[str], target: str) -> list[float]:
    """The identifier's confidence that each line is in the target language; 0 for empty lines."""
    stripped = [" ".join(line.split()) for line in lines]
    values = iter(confidence([line for line in stripped if line], target))
    return [next(values) if line else 0.0 for line in stripped]


def length_penalty(written: int, wanted: int) -> float:
    """exp(min(0, 1 - written / (wanted + SPARE))): 1 up to `SPARE` words more than the reference, then decreasing."""
    return math.exp(min(0.0, 1 - written / (wanted + SPARE)))

"""Off-target ratio: percent of the translations that are not in the language asked for.

As in the language-aware tuning paper, an identifier's first answer decides, lines are only stripped, and an empty line
is off-target. Identifiers err, so the same ratio of the references stands in the note: nothing can be told below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from dragoman import registry
from dragoman.identify import Identifier, code, lingua_languages
from dragoman.identify import identifier as identifier_of
from dragoman.languages import NAMES
from dragoman.metrics import MetricError, Score, languages_of, require
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean

BETTER = "lower"
DIGITS = 1
NEEDS: frozenset[str] = frozenset()

INTO = ("english", "source", "other", "empty")
"""Where off-target lines went. They add up to the ratio: a copied English source counts as English only."""
TRIAL = ""
"""What options are tried on before anything runs: an empty line needs no identifier, whose models load for seconds."""


def label(**options: Any) -> str:
    """`Off-target`, with what was chosen by hand."""
    into = f": {str(options['into']).replace('english', 'English')}" if "into" in options else ""
    identifier = f" ({options['identifier']})" if "identifier" in options else ""
    return f"Off-target{into}{identifier}"


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    into: str | None = None,
    identifier: str = "lingua",
    languages: str | Sequence[str] | None = None,
    model: str | None = None,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Off-target ratio with a 95 % bootstrap interval, and 0 or 100 for each sentence.

    Args:
        into: count only the lines of one class of INTO.
        identifier, languages, model: as for `answered`.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    require(hypotheses, references)
    if into is not None and into not in INTO:
        raise MetricError(registry.unknown("class of off-target lines", into, INTO))
    source, target = (language.code for language in languages_of(pair))
    chosen = identifier_for(source, target, identifier, languages, model)

    def misses(lines: Sequence[str]) -> list[bool]:
        classes = [went(answer, source, target) for answer in _answers(chosen, tuple(lines))]
        return [each is not None and into in (None, each) for each in classes]

    missed = misses(hypotheses)
    segments = tuple(100.0 * miss for miss in missed)
    low, high = of_mean(segments, bootstrap)
    floor = [miss for reference in references for miss in misses(reference)]
    note = f"references: {100 * sum(floor) / len(floor):.1f} %" if floor else ""
    if (into, source) == ("source", "en"):
        note = "the source is English, and what went there is counted as English"
    signature = f"OTR|{chosen.signature}|empty:off-target|into:{into or 'any'}{drawn(bootstrap)}"
    return Score(100 * sum(missed) / len(missed), low, high, signature, len(missed), segments, note)


def answered(
    hypotheses: Sequence[str],
    source: str,
    target: str,
    *,
    identifier: str = "lingua",
    languages: str | Sequence[str] | None = None,
    model: str | None = None,
) -> list[str]:
    """The language code of each line: "" for an empty one, `und` where the identifier finds no language.

    Args:
        source, target: codes of the direction.
        identifier: `lingua`, `fasttext` or `glotlid`.
        languages: what the identifier chooses from, as a list or as text like `en+fr+de`; both languages of the
            direction must be among them. `all` is every language the identifier knows. By default lingua chooses among
            those that a configuration may name, the others among all. The fewer, the fewer mistakes on short lines.
        model: path of the model file that `fasttext` and `glotlid` need.

    Raises:
        MetricError: what is unknown or missing.
    """
    return [*_answers(identifier_for(code(source), code(target), identifier, languages, model), tuple(hypotheses))]


def went(answer: str, source: str, target: str) -> str | None:
    """Class of INTO for an answered language; None where it is the target."""
    if answer == target:
        return None
    return {"": "empty", source: "source", "en": "english"}.get(answer, "other")


def identifier_for(
    source: str, target: str, name: str, languages: str | Sequence[str] | None, model: str | None
) -> Identifier:
    """The identifier of a direction; arguments and errors as of `answered`."""
    if languages is None:
        chosen = {*NAMES} & lingua_languages().keys() | {source, target} if name == "lingua" else None
    elif languages == "all":
        chosen = None
    elif isinstance(languages, int | float):
        raise MetricError(f"languages are written like en+fr+de, not {languages!r}")
    else:
        written = languages.split("+") if isinstance(languages, str) else languages
        chosen = {code(language.strip()) for language in written}
        for language in (source, target):
            if language not in chosen:
                text = "+".join(sorted(chosen))
                raise MetricError(
                    f"languages={text} leaves out {language!r} of {source}-{target}: its lines would be taken for "
                    f"another language; write languages={text}+{language}"
                )
    return identifier_of(name, None if chosen is None else frozenset(chosen), model)


@lru_cache(maxsize=8)
def _answers(identifier: Identifier, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Kept for the references, and for the classes of one system asked after one another."""
    stripped = [line.replace("\n", " ").strip() for line in lines]
    found = iter(identifier.answers([line for line in stripped if line]))
    return tuple(next(found) if line else "" for line in stripped)

"""Off-target ratio: percentage of translations that are not in the target language.

The identifier's most probable language counts. Lines are stripped and not changed in other ways. Since identifiers make
mistakes, the note has the same ratio for the references: a difference smaller than this ratio means nothing.

The code of the language-aware tuning paper (evaluate/record_results.py) uses fastText's lid.176 with all its languages,
also for empty lines. fastText identifies empty lines as English, so an empty translation into English is on-target
there. `identifier=fasttext,languages=all,empty=asked` does the same. By default, an empty line is off-target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from dragoman import registry
from dragoman.languages import NAMES, identify
from dragoman.languages.identify import Identifier, code
from dragoman.metrics import MetricError, Score, languages_of, require, score_cache
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean
from dragoman.metrics.sums import mean, values_of

BETTER = "lower"
DIGITS = 1
NEEDS: frozenset[str] = frozenset()

INTO = ("english", "source", "other", "empty")
"""Classes of off-target lines, by their language. Their ratios add up to the whole ratio: a copied English source
counts as English only."""
EMPTY = ("off-target", "asked")
"""How empty lines are counted: as off-target, or by the identifier's answer."""


def label(**options: Any) -> str:
    """`Off-target`, with the class and the identifier if they are set."""
    into = f": {str(options['into']).replace('english', 'English')}" if "into" in options else ""
    identifier = f" ({options['identifier']})" if "identifier" in options else ""
    return f"Off-target{into}{identifier}"


def check(
    pairs: Iterable[str] = (),
    *,
    into: Any = None,
    identifier: Any = "lingua",
    languages: Any = None,
    model: Any = None,
    empty: Any = "off-target",
    bootstrap: Any = RESAMPLES,
    **others: Any,
) -> None:
    """Refuse invalid options, without loading or fetching a large model.

    Raises:
        MetricError: an option is unknown, or has an invalid value.
    """
    for option in others:
        known = ["into", "identifier", "languages", "model", "empty", "bootstrap"]
        raise MetricError(registry.unknown("option of offtarget", option, known))
    if into is not None and into not in INTO:
        raise MetricError(registry.unknown("class of off-target lines", str(into), INTO))
    if empty not in EMPTY:
        raise MetricError(registry.unknown("way to count empty lines", str(empty), EMPTY))
    if (into, empty) == ("empty", "asked"):
        raise MetricError("with empty=asked no line counts as empty; leave out into=empty or empty=asked")
    if isinstance(bootstrap, bool) or not isinstance(bootstrap, int) or bootstrap < 0:
        raise MetricError(f"bootstrap is a number of resamples from 0, not {bootstrap!r}")
    identify.check(identifier, model)
    for pair in pairs:
        source, target = codes_of(pair)
        chosen = candidates(source, target, identifier, languages)
        identify.require_known(identifier, model, chosen or {target})


def requisites(
    pairs: Iterable[str], *, identifier: str = "lingua", model: str | None = None, **others: Any
) -> list[Callable[[], str]]:
    """A function that fetches the identifier's model, if it must be fetched."""
    return identify.requisites(identifier, model)


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
    empty: str = "off-target",
    bootstrap: int = RESAMPLES,
) -> Score:
    """Off-target ratio in percent with a 95 % bootstrap interval, and 0 or 100 for each sentence.

    Args:
        into: count only lines of one class of INTO; None: all classes.
        identifier, languages, model, empty: as in `answered`.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        MetricError, FetchError: as in `answered`.
    """
    require(hypotheses, references)
    check(into=into, identifier=identifier, model=model, empty=empty, bootstrap=bootstrap)
    source, target = codes_of(pair)
    chosen = identifier_for(source, target, identifier, languages, model)

    def misses(lines: Sequence[str]) -> list[bool]:
        classes = [went(answer, source, target) for answer in _answers(chosen, tuple(lines), empty)]
        return [each is not None and into in (None, each) for each in classes]

    missed = misses(hypotheses)
    segments = tuple(100.0 * miss for miss in missed)
    low, high = of_mean(segments, bootstrap)
    floor = [miss for reference in references for miss in misses(reference)]
    note = f"references: {100 * sum(floor) / len(floor):.1f} %" if floor else ""
    if (into, source) == ("source", "en"):
        note = "the source is English, and what went there is counted as English"
    named = signature(
        pair, into=into, identifier=identifier, languages=languages, model=model, empty=empty, bootstrap=bootstrap
    )
    return Score(100 * sum(missed) / len(missed), low, high, named, len(missed), segments, note)


counts, score = values_of(compute), mean


def signature(
    pair: str,
    *,
    into: str | None = None,
    identifier: str = "lingua",
    languages: str | Sequence[str] | None = None,
    model: str | None = None,
    empty: str = "off-target",
    bootstrap: int = RESAMPLES,
) -> str:
    """The signature that `compute` gives, made without loading a model."""
    named = identify.signature(identifier, candidates(*codes_of(pair), identifier, languages), model)
    return f"OTR|{named}|empty:{empty}|into:{into or 'any'}{drawn(bootstrap)}"


def answered(
    hypotheses: Sequence[str],
    source: str,
    target: str,
    *,
    identifier: str = "lingua",
    languages: str | Sequence[str] | None = None,
    model: str | None = None,
    empty: str = "off-target",
) -> list[str]:
    """The language code of each line: "" for an empty line, `und` if the identifier finds no language.

    Args:
        hypotheses: the lines.
        source, target: codes of the direction.
        identifier: `lingua`, `fasttext` or `glotlid`.
        languages: the languages from which the identifier chooses, as a list or as text like `en+fr+de`; both languages
            of the direction must be among them. `all`: all languages of the identifier. None: for lingua, all languages
            that a configuration may name; for the others, all languages. With fewer languages, there are fewer mistakes
            on short lines.
        model: for `fasttext` and `glotlid`, the path of a fastText model, or the name of a known one (`lid.176.bin`),
            which is fetched; None: lid.176.ftz and GlotLID v3.
        empty: `off-target`; or `asked`: empty lines are identified like other lines.

    Raises:
        MetricError: an option is unknown, or a file or package is missing.
        FetchError: a model cannot be fetched.
    """
    chosen = identifier_for(code(source), code(target), identifier, languages, model)
    return [*_answers(chosen, tuple(hypotheses), empty)]


def went(answer: str, source: str, target: str) -> str | None:
    """The class of INTO for an identified language; None if it is the target language."""
    if answer == target:
        return None
    return {"": "empty", source: "source", "en": "english"}.get(answer, "other")


def codes_of(pair: str) -> tuple[str, str]:
    """Codes of the source and target language of a pair."""
    source, target = languages_of(pair)
    return source.code, target.code


def candidates(source: str, target: str, name: str, languages: str | Sequence[str] | None) -> frozenset[str] | None:
    """The languages from which an identifier chooses; None: all languages of the identifier. Arguments are as in
    `answered`.

    Raises:
        MetricError: a language cannot be read, or a language of the direction is missing.
    """
    if languages is None:
        return frozenset({*NAMES} & identify.lingua_languages().keys() | {source, target}) if name == "lingua" else None
    if languages == "all":
        return None
    if isinstance(languages, int | float):
        raise MetricError(f"languages are written like en+fr+de, not {languages!r}")
    written = languages.split("+") if isinstance(languages, str) else languages
    chosen = {code(language.strip()) for language in written}
    for language in (source, target):
        if language not in chosen:
            text = "+".join(sorted(chosen))
            raise MetricError(
                f"languages={text} leaves out {language!r} of {source}-{target}: its lines would be taken for "
                f"another language; write languages={text}+{language}"
            )
    return frozenset(chosen)


def identifier_for(
    source: str, target: str, name: str, languages: str | Sequence[str] | None, model: str | None
) -> Identifier:
    """The identifier of a direction, which must support the target language. Arguments and errors are as in
    `answered`."""
    chosen = identify.identifier(name, candidates(source, target, name, languages), model)
    chosen.require(target)
    return chosen


@lru_cache(maxsize=8)
def _answers(identifier: Identifier, lines: tuple[str, ...], empty: str) -> tuple[str, ...]:
    """The language code of each line. Results are cached, since each system has the same references, and each class of
    INTO needs the same answers."""
    stripped = [line.replace("\n", " ").strip() for line in lines]
    asked = [line for line in stripped if line or empty == "asked"]
    made_from = {"kind": "language", "identifier": identifier.signature, "lines": asked}
    if (answers := score_cache.load(made_from)) is None:
        answers = {"codes": identifier.answers(asked)}
        score_cache.store(made_from, answers)
    codes = iter(answers["codes"])
    return tuple(next(codes) if line or empty == "asked" else "" for line in stripped)

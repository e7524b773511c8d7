"""Metrics: one module each, which counts something in each sentence and scores the sums. A metric that cannot compute
raises; it never gives 0.

A metric may be asked for with options, written as `chrf:word_order=2` or `bleu:tokenize=char,lowercase=true`. The same
text names its column in a table, so that two variants of a metric stand side by side and never share a name.
"""

from __future__ import annotations

import inspect
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from dragoman import registry

if TYPE_CHECKING:
    import numpy as np

    from dragoman.languages import Language


class MetricError(ValueError):
    """A score cannot be computed; the message gives the reason and what to do."""


class NoValueError(MetricError):
    """A score is not defined for these texts. This is not a mistake: its record has no value, but a note with the
    reason."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its interval and its signature."""

    value: float
    low: float | None
    high: float | None
    """95 % interval over test sentences; None if the metric has no interval."""
    signature: str
    """Metric, options, library and version, so that the score can be computed again."""
    n: int
    """Number of sentences."""
    segments: tuple[float | None, ...] | None = None
    """One value per sentence, and None for a sentence that is not counted; None if the metric has no sentence
    values."""
    note: str = ""
    """A remark that a reader of the value needs."""


class Counts(NamedTuple):
    """The counts of a metric, which are added up over sentences."""

    table: np.ndarray
    """[sentences, k] One row per sentence, in the order of the hypotheses."""
    signature: str
    """The signature of the `Score`, without the part about the interval."""
    note: str = ""
    """The note of the `Score`."""


class Metric(Protocol):
    """The interface of a metric module. A module may also have these functions:

    check(pairs, **options)        raises MetricError for invalid options, without long work or a network; without it,
                                   the metric is computed on a sentence before anything runs
    signature(pair, **options)     the signature that `compute` gives, if `compute` would load or download a model
    requisites(pairs, **options)   the files and models that it needs, see `requisites` below
    by_sentence(hypotheses, references, pair, **options)
                                   sentence values with their signature, if they do not follow from `counts`
    compute(hypotheses, references, sources, pair, **options)
                                   the `Score`, if it does not follow from `counts` and `score`, for example since
                                   another library computes it; `bootstrap` is the number of resamples

    A metric with `compute` may lack `counts` and `score`. It then has no significance test, and claims cannot use it.
    """

    BETTER: Literal["higher", "lower"] | None
    """Direction of improvement; None if there is none (a length ratio)."""
    DIGITS: int
    """Number of decimals in tables."""
    NEEDS: frozenset[str]
    """Inputs besides hypotheses: `sources`, `references`, and columns of a decoding (`delays`, `gflops`)."""

    def label(self, **options: Any) -> str:
        """The metric's name in tables."""

    def counts(
        self, hypotheses: list[str], references: list[list[str]], sources: list[str], pair: str, **options: Any
    ) -> Counts:
        """The counts of one system on one language pair. `references` holds one list per reference set; the columns in
        `NEEDS` are passed as keyword arguments."""

    def score(self, sums: np.ndarray) -> np.ndarray:
        """Sums of counts over sentences, [..., k] -> scores, [...]; NaN if the score is not defined."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a metric is shown. Metrics in records that this project does not compute get the default values."""

    label: str
    better: Literal["higher", "lower"] | None = None
    digits: int = 2


def parse(spec: str) -> tuple[str, dict[str, Any]]:
    """`"chrf:word_order=2"` -> `("chrf", {"word_order": 2})`. A value is parsed as JSON if possible, or else is
    text."""
    name, _, rest = spec.partition(":")
    options: dict[str, Any] = {}
    for item in filter(None, rest.split(",")):
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise MetricError(f"metric {spec!r}: an option must be written as name=value, not {item!r}")
        try:
            options[key] = json.loads(text)
        except json.JSONDecodeError:
            options[key] = text
    return name, options


def unwritten(spec: str, options: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any]:
    """The default options of a metric, from `options` by metric name, without those that `spec` sets itself."""
    name, written = parse(spec)
    return {key: value for key, value in (options or {}).get(name, {}).items() if key not in written}


def options_of(name: str) -> list[str]:
    """Names of the options of a registered metric."""
    metric = registry.module_of("metric", name)
    parameters = inspect.signature(getattr(metric, "compute", None) or metric.counts).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in metric.NEEDS]
    return names if hasattr(metric, "compute") else [*names, "bootstrap"]


def columns_of(name: str) -> list[str]:
    """Columns of a decoding that a registered metric needs, except its texts."""
    return sorted(registry.module_of("metric", name).NEEDS - {"references", "sources"})


def languages_of(pair: str) -> tuple[Language, Language]:
    """Source and target language of a pair, with codes in any usual form.

    Raises:
        MetricError: the pair cannot be read; the message suggests similar names.
    """
    from dragoman.languages import LanguageError, read_pair  # here, since logs without a pair do not need the table

    try:
        return read_pair(pair)
    except LanguageError as error:
        raise MetricError(str(error)) from None


def unspaced(pair: str, consequence: str) -> str:
    """A note for metrics that count words, if the target language has no blanks between words; otherwise empty."""
    target = languages_of(pair)[1] if pair else None
    return "" if target is None or target.spaced else f"{target.name} has no blanks between words: {consequence}"


def require(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], sources: Sequence[str] | None = None
) -> None:
    """Check that there are sentences, and that all lists have the same length.

    Raises:
        MetricError: there are no sentences, all references are empty, or lists differ in length.
    """
    if not hypotheses:
        raise MetricError("no sentences to score")
    for number, reference in enumerate(references, 1):
        if len(reference) != len(hypotheses):
            raise MetricError(f"{len(hypotheses)} hypotheses, but {len(reference)} lines in reference {number}")
    if references and not any(line.strip() for reference in references for line in reference):
        raise MetricError("every reference is empty, so there is nothing to compare with")
    if sources is not None and len(sources) != len(hypotheses):
        raise MetricError(f"{len(hypotheses)} hypotheses, but {len(sources)} sources")


def score(
    spec: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str] = (),
    pair: str = "",
    columns: Mapping[str, Sequence[Any]] | None = None,
    **options: Any,
) -> Score:
    """Compute a registered metric.

    Args:
        spec: name of the metric, with options.
        hypotheses: [sentences] the system's translations.
        references: for each reference set, [sentences] references.
        sources: [sentences] the source text; may be empty for metrics that do not need it.
        pair: the language pair.
        columns: columns of a decoding, as `columns_of` lists them.
        options: further options, which override options in `spec`.

    Raises:
        KeyError: the metric does not exist; the message suggests similar names.
        MetricError: an option or language is unknown, lists differ in length, or there is nothing to score.
        NoValueError: the metric is not defined for these texts.
    """
    from dragoman.metrics.sums import scored

    module, given = _given(spec, hypotheses, references, sources, pair, columns, options)
    texts = (list(hypotheses), [list(r) for r in references], list(sources))
    if hasattr(module, "compute"):
        result = module.compute(*texts, pair, **given)
    else:
        resamples = {"bootstrap": given.pop("bootstrap")} if "bootstrap" in given else {}
        result = scored(spec, _counted(spec, module, texts, pair, given), module.score, **resamples)
    return replace(result, note="; ".join(filter(None, (result.note, *forms(hypotheses, references)))))


def has_counts(name: str) -> bool:
    """Whether a registered metric has `counts`, which significance tests need."""
    return hasattr(registry.module_of("metric", name), "counts")


def counts(
    spec: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str] = (),
    pair: str = "",
    columns: Mapping[str, Sequence[Any]] | None = None,
    **options: Any,
) -> Counts:
    """The counts of a registered metric that `has_counts`; same arguments and errors as `score`."""
    module, given = _given(spec, hypotheses, references, sources, pair, columns, options)
    given.pop("bootstrap", None)
    return _counted(spec, module, (list(hypotheses), [list(r) for r in references], list(sources)), pair, given)


def _counted(
    spec: str, module: Any, texts: tuple[list[str], list[list[str]], list[str]], pair: str, options: dict[str, Any]
) -> Counts:
    import numpy as np

    counted = module.counts(*texts, pair, **options)
    table = np.asarray(counted.table, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(texts[0]):
        raise MetricError(
            f"{spec}: `counts` returns an array of shape {list(table.shape)} for {len(texts[0])} sentences"
        )
    if not (finite := np.isfinite(table).all(axis=1)).all():
        raise MetricError(
            f"{spec}: sentence {int(np.argmin(finite)) + 1}: `counts` returns a number that is not finite"
        )
    return counted._replace(table=table)


def _given(
    spec: str,
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str],
    pair: str,
    columns: Mapping[str, Sequence[Any]] | None,
    options: Mapping[str, Any],
) -> tuple[Any, dict[str, Any]]:
    """The module of a metric, with its options and columns. Checks texts, pair and options."""
    name, written = parse(spec)
    module = registry.module_of("metric", name)
    options = {**written, **options}
    for option in options:
        if option not in options_of(name):
            raise MetricError(registry.unknown(f"option of {name}", option, options_of(name)))
    if "references" in module.NEEDS and not references:
        raise MetricError(f"{name} needs references")
    if "sources" in module.NEEDS and not sources:
        raise MetricError(f"{name} needs the source sentences")
    for column in columns_of(name):
        if column not in (columns or {}):
            raise MetricError(f"{name} needs the {column} of a decoding, which texts alone do not have")
        options[column] = columns[column]
    if pair:
        languages_of(pair)
    require(hypotheses, references, sources or None)
    return module, options


def forms(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[str]:
    """A note if only one side has decomposed letters (e and a combining accent), since equal text then differs."""
    sides = {"hypotheses": hypotheses, "references": [line for lines in references for line in lines]}
    split = {side: sum(not unicodedata.is_normalized("NFC", line) for line in lines) for side, lines in sides.items()}
    if not references or min(split.values()) or not (count := max(split.values())):
        return []
    side = next(side for side in split if split[side])
    where = f"{count} of {len(sides[side])} {side} alone"
    return [f"letters are decomposed (not NFC) in {where}: most metrics take them for others"]


def trial(spec: str, pair: str, **options: Any) -> Score:
    """The score of one made-up sentence, which checks the metric's options and gives its signature before long work.

    Raises:
        KeyError, MetricError: as in `score`.
    """
    name, _ = parse(spec)
    columns = {column: [1.0] for column in columns_of(name)} | {"delays": [[1]]}
    line = "a" if columns_of(name) else "one two three four"
    return score(spec, [line], [[line]], [line], pair, columns, **options)


def requisites(spec: str, pairs: Sequence[str]) -> list[Callable[[], str]]:
    """Functions that fetch or load the files and models of a metric (other than packages and texts). Each returns a
    description of what it has found.

    Raises:
        MetricError: raised by such a function if a file or model is not available; the message says what to do.
    """
    name, options = parse(spec)
    return getattr(registry.module_of("metric", name), "requisites", lambda *_, **__: [])(pairs, **options)


def presentation(spec: str) -> Presentation:
    """The presentation of a metric in tables and figures."""
    try:
        name, options = parse(spec)
        module = registry.module_of("metric", name)
        return Presentation(module.label(**options), module.BETTER, module.DIGITS)
    except (KeyError, ValueError, TypeError):  # an unknown metric or option, or an invalid value
        return Presentation(spec)

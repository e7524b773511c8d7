"""Which language a line is in: asked of lingua, which carries its models, or of fastText with the user's model file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman import registry
from dragoman.languages import LanguageError
from dragoman.languages import read as read_language
from dragoman.metrics import MetricError
from dragoman.storage import sha256

if TYPE_CHECKING:
    from lingua import Language

UNDETERMINED = "und"
"""The answer for a line without a language, like `20:15`; the code is that of ISO 639-2."""

MODELS = {
    "fasttext": "lid.176.bin from https://fasttext.cc/docs/en/language-identification.html",
    "glotlid": "model_v3.bin from https://huggingface.co/cis-lmu/glotlid",
}
"""Identifiers that need a model file, and where it is found."""
IDENTIFIERS = ("lingua", *MODELS)

PACKAGE = "fasttext-numpy2"
"""The build of fastText to recommend: `fasttext` needs a compiler, `fasttext-predict` cannot list its labels."""

_ONE_STANDARD = {"nb": "no", "nn": "no"}
_MEMBERS = "arb ar,cmn zh,ekk et,lvs lv,nno no,nob no,nor no,pes fa,prs fa,swh sw"
"""Languages that ISO 639-3 counts to a macrolanguage, among those of GlotLID; other varieties keep their own code."""


@dataclass(frozen=True, eq=False, slots=True)
class Identifier:
    """A language identifier with its candidates fixed."""

    signature: str
    """Name, version, model file if any, candidate languages."""
    answers: Callable[[Sequence[str]], list[str]]
    """One code for each line; lines must hold more than blanks, and no line break."""
    confidence: Callable[[Sequence[str], str], list[float]]
    """For each such line 1 where the answer is the given language, else the probability of that language."""


def code(language: str) -> str:
    """`"pt_BR"` -> `"pt"`, `"nb"` -> `"no"`: the codes that a language is compared by.

    Raises:
        MetricError: an unknown language; with what may have been meant.
    """
    try:
        return read_language(language).code
    except LanguageError as error:
        raise MetricError(str(error)) from None


def identifier(name: str, languages: frozenset[str] | None = None, model: str | None = None) -> Identifier:
    """An identifier by name.

    Args:
        name: one of IDENTIFIERS.
        languages: the codes it chooses from; None means all that it knows.
        model: path of a fastText model file; lingua takes none.

    Raises:
        MetricError: an unknown name or language, or a model or package that is missing and where to get it.
    """
    if name not in IDENTIFIERS:
        raise MetricError(registry.unknown("identifier", name, IDENTIFIERS))
    if name == "lingua":
        if model is not None:
            raise MetricError("lingua carries its models: leave out model=, or choose identifier=fasttext or glotlid")
        return _lingua(languages)
    if model is None or not Path(str(model)).is_file():
        missing = "no model" if model is None else f"no file {str(model)!r}"
        raise MetricError(f"identifier={name}: {missing}; download {MODELS[name]} and give its path as model=")
    return _fasttext(name, languages, str(model))


@cache
def lingua_languages() -> dict[str, tuple[Language, ...]]:
    """The languages of lingua by code; both written standards of Norwegian stand under `no`."""
    from lingua import Language

    found: dict[str, tuple[Language, ...]] = {}
    for language in sorted(Language.all(), key=str):
        key = code(language.iso_code_639_1.name)
        found[key] = (*found.get(key, ()), language)
    return found


@cache
def _lingua(languages: frozenset[str] | None) -> Identifier:
    from lingua import LanguageDetectorBuilder

    known = lingua_languages()
    chosen = _chosen("lingua", languages, known)
    by_language = {language: name for name in chosen for language in known[name]}
    detector = LanguageDetectorBuilder.from_languages(*by_language).build()

    def answers(lines: Sequence[str]) -> list[str]:
        # one line after another: the parallel call would take every core of a node that other jobs share
        found = (detector.detect_language_of(line) for line in lines)
        return [UNDETERMINED if language is None else by_language[language] for language in found]

    def confidence(lines: Sequence[str], wanted: str) -> list[float]:
        def chance(line: str) -> float:
            values = detector.compute_language_confidence_values(line)
            return sum(each.value for each in values if each.language in known[wanted])

        return [1.0 if a == wanted else chance(line) for line, a in zip(lines, answers(lines), strict=True)]

    named = "+".join(chosen) if languages else f"all{len(chosen)}"
    return Identifier(f"id:lingua|version:{version('lingua-language-detector')}|langs:{named}", answers, confidence)


@cache
def _fasttext(name: str, languages: frozenset[str] | None, path: str) -> Identifier:
    model = _load(name, path)
    known = {code_of_label(label) for label in model.get_labels()} - {UNDETERMINED}
    chosen = set(_chosen(f"{name} ({path})", languages, known))

    def answers(lines: Sequence[str]) -> list[str]:
        found = []
        for line in lines:
            # given a list, `predict` makes no numpy array that numpy 2 refuses; probabilities are not read
            [labels], _ = model.predict([line], k=-1 if languages else 1)
            codes = [code_of_label(label) for label in labels]
            found.append(next((each for each in codes if each in chosen), UNDETERMINED))
        return found

    def confidence(lines: Sequence[str], wanted: str) -> list[float]:
        found = []
        for line, answer in zip(lines, answers(lines), strict=True):
            [labels], [chances] = model.predict([line], k=-1)
            own = [chance for label, chance in zip(labels, chances, strict=True) if code_of_label(label) == wanted]
            found.append(1.0 if answer == wanted else min(1.0, float(sum(own))))
        return found

    package = packages_distributions()["fasttext"][0]
    file = f"{Path(path).name}({sha256(Path(path))[:12]})"
    named = "+".join(sorted(chosen)) if languages else f"all{len(chosen)}"
    return Identifier(f"id:{name}|version:{package}-{version(package)}|model:{file}|langs:{named}", answers, confidence)


def _load(name: str, path: str) -> Any:
    try:
        import fasttext
    except ImportError:
        raise MetricError(f"identifier={name} needs fastText, which is not installed: pip install {PACKAGE}") from None
    try:
        model = fasttext.load_model(path)
    except ValueError as error:
        raise MetricError(f"identifier={name}: {error} Is it {MODELS[name]}?") from None
    if not hasattr(model, "get_labels"):
        raise MetricError(f"the fastText that is installed cannot list its labels: pip install {PACKAGE} instead")
    return model


def code_of_label(label: str) -> str:
    """`"__label__en"` (lid.176) or `"__label__eng_Latn"` (GlotLID) -> `"en"`; the script does not count."""
    language, script, _ = label.removeprefix("__label__").partition("_")
    if not script:
        return _ONE_STANDARD.get(language, language)
    return UNDETERMINED if language in ("und", "zxx") else _two_letters().get(language, language)


@cache
def _two_letters() -> dict[str, str]:
    """ISO 639-3 to the codes used here, for languages that lingua knows too."""
    pairs = {
        language.iso_code_639_3.name.lower(): name for name, each in lingua_languages().items() for language in each
    }
    return pairs | dict(item.split() for item in _MEMBERS.split(","))


def _chosen(who: str, languages: frozenset[str] | None, known: set[str] | dict[str, Any]) -> list[str]:
    """The candidates in alphabetical order, all known to the identifier and at least two."""
    for language in sorted(languages or ()):
        if language not in known:
            raise MetricError(
                f"{who} does not know the language {language!r}; correct the code, or choose another identifier "
                f"(known: {', '.join(sorted(known))})"
            )
    if languages is not None and len(languages) < 2:
        raise MetricError(f"{who} needs at least two languages to choose from, not {'+'.join(languages) or 'none'}")
    return sorted(languages or known)

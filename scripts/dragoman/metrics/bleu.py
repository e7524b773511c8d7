"""BLEU (Papineni et al. 2002) as sacrebleu computes it (Post 2018), in percent.

`tokenize=flores101` or `flores200` is spBLEU (Goyal et al. 2022), which compares the pieces of a sentencepiece model.
`requisites` fetches the model's file before any decoding; without a network, it can be put into sacrebleu's folder by
hand.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman import registry
from dragoman.languages import CHINESE, JAPANESE, KOREAN, Language
from dragoman.metrics import Counts, MetricError, Score, languages_of, require
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics import BLEU

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})

TOKENIZERS = {
    **dict.fromkeys(CHINESE, "zh"),
    **dict.fromkeys(JAPANESE, "ja-mecab"),
    **dict.fromkeys(KOREAN, "ko-mecab"),
}
"""Script of the target language -> tokenizer, so that Cantonese has the same tokenizer as Mandarin; 13a for other
scripts. Publications differ: WMT22 scored Japanese with `char`."""
WESTERN = ("Cyrl", "Grek", "Latn")
"""Scripts whose punctuation 13a separates from words."""
EXTRAS = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]"}
SENTENCEPIECE = ("flores101", "flores200", "spBLEU-1K", "spm")
"""Tokenizers with a sentencepiece model."""
FLORES = {"flores101": ("101",), "spm": ("101",), "flores200": ("101", "200")}
"""Tokenizer -> editions of FLORES whose languages its pieces were learnt from."""
SPBLEU = {"flores101": "spBLEU", "flores200": "spBLEU (flores200)", "spBLEU-1K": "spBLEU-1K"}


def label(**options: Any) -> str:
    """`BLEU`, with the tokenizer if it is set; `spBLEU` for tokenizers of FLORES."""
    tokenize = options.get("tokenize")
    return SPBLEU.get(tokenize, f"BLEU ({tokenize})") if tokenize else "BLEU"


def tokenizer(pair: str) -> str:
    """The default tokenizer of a pair's target language."""
    return TOKENIZERS.get(languages_of(pair)[1].script, "13a")


def caveat(language: Language, tokenize: str) -> str:
    """A note on a tokenizer that was not made for a language; empty if it was."""
    name, own = language.name, TOKENIZERS.get(language.script)
    if tokenize in FLORES:
        return "" if language.flores in FLORES[tokenize] else f"the pieces of {tokenize} were not learnt from {name}"
    if tokenize in TOKENIZERS.values() and tokenize != own:
        return f"the tokenizer {tokenize} is not made for {name}"
    if tokenize in ("13a", "intl") and not language.spaced:
        better = own or ("flores200" if language.flores else "char")
        return f"{tokenize} parts words at blanks, and {name} has none between words: better take tokenize={better}"
    if tokenize == "13a" and language.script not in WESTERN:
        why = "has a tokenizer of its own" if own else "has no tokenizer of its own"
        return f"{name} {why}: 13a parts words at blanks and at the punctuation of ASCII"
    return ""


def metric(pair: str, *, tokenize: str | None = None, lowercase: bool = False, effective_order: bool = False) -> BLEU:
    """sacrebleu's metric. If the tokenizer needs a file that does not exist yet, it is fetched.

    Raises:
        MetricError: the tokenizer is unknown, or a file or package that it needs is missing; the message says what to
            do.
    """
    from sacrebleu.metrics import BLEU

    chosen = tokenize or tokenizer(pair)
    check(tokenize=chosen, lowercase=lowercase)
    if chosen in SENTENCEPIECE:
        _need_sentencepiece(chosen)
    try:
        # `force` silences the complaint about tokenised text, which is what `none` is for
        force = chosen == "none"
        return BLEU(tokenize=chosen, lowercase=lowercase, force=force, effective_order=effective_order)
    except (RuntimeError, ImportError, AssertionError, OSError, SystemExit) as error:
        why = " ".join(str(error).split())
        if chosen in SENTENCEPIECE:
            path, url = _model_of(chosen)
            text = f"the tokenizer {chosen!r} needs the file {path}, which"
            if path.is_file() and path.stat().st_size:
                raise MetricError(f"{text} cannot be read ({why}): remove it, and it is fetched again") from None
            path.unlink(missing_ok=True)  # sacrebleu would use an empty file as the model
            advice = (
                f"fetch it where there is a network, and put it there (SACREBLEU names the folder {path.parents[1]})"
            )
            raise MetricError(f"{text} is missing and cannot be fetched from {url} ({why}): {advice}") from None
        if chosen in EXTRAS:
            text = f"the tokenizer {chosen!r} needs packages that are not installed: pip install '{EXTRAS[chosen]}'"
            raise MetricError(f"{text} (or choose another tokenizer, like `char`)") from None
        raise MetricError(f"the tokenizer {chosen!r} cannot be used: {why}") from None


def _need_sentencepiece(tokenize: str) -> None:
    if importlib.util.find_spec("sentencepiece") is None:
        text = f"the tokenizer {tokenize!r} needs the package sentencepiece, which is not installed"
        raise MetricError(f"{text}: run `make env`, or pip install sentencepiece")


def _model_of(tokenize: str) -> tuple[Path, str]:
    """Path of a tokenizer's model in sacrebleu's folder, and its address."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    url = SPM_MODELS[tokenize]["url"]
    return Path(SACREBLEU_DIR) / "models" / url.rpartition("/")[2], url


def check(
    pairs: Iterable[str] = (),
    *,
    tokenize: Any = None,
    lowercase: Any = False,
    bootstrap: Any = RESAMPLES,
    **others: Any,
) -> None:
    """Refuse invalid options, without fetching anything.

    Raises:
        MetricError: an unknown option or tokenizer, or a package that a tokenizer needs and that is missing.
    """
    from sacrebleu.metrics import BLEU

    for option in others:
        raise MetricError(registry.unknown("option of bleu", option, ["tokenize", "lowercase", "bootstrap"]))
    if tokenize is not None and tokenize not in BLEU.TOKENIZERS:
        raise MetricError(registry.unknown("tokenizer", tokenize, BLEU.TOKENIZERS))
    if tokenize in SENTENCEPIECE:
        _need_sentencepiece(tokenize)
    if not isinstance(lowercase, bool):
        raise MetricError(f"lowercase is true or false, not {lowercase!r}")
    if isinstance(bootstrap, bool) or not isinstance(bootstrap, int) or bootstrap < 0:
        raise MetricError(f"bootstrap is a number of resamples from 0, not {bootstrap!r}")


def requisites(pairs: Iterable[str], *, tokenize: str | None = None, **others: Any) -> list[Callable[[], str]]:
    """Functions that load tokenizers with requirements: files of sentencepiece, packages for Japanese and Korean."""
    chosen = {tokenize or tokenizer(pair): pair for pair in pairs}

    def load(name: str, pair: str) -> str:
        metric(pair, tokenize=name)
        return f"the tokenizer {name} of BLEU"

    return [partial(load, name, chosen[name]) for name in sorted(chosen) if name in (*SENTENCEPIECE, *EXTRAS)]


def compute(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    tokenize: str | None = None,
    lowercase: bool = False,
    bootstrap: int = RESAMPLES,
) -> Score:
    """Corpus BLEU with a 95 % bootstrap interval.

    Args:
        tokenize: a tokenizer of sacrebleu; None: the default of the target language.
        lowercase: ignore case.
        bootstrap: number of resamples; 0: no interval.

    Raises:
        MetricError: as in `metric`.
    """
    require(hypotheses, references)
    counter = metric(pair, tokenize=tokenize, lowercase=lowercase)
    # private functions of sacrebleu give the sentence statistics; its version is pinned, and a test compares results
    statistics = counter._extract_corpus_statistics(hypotheses, references)
    result = counter._aggregate_and_compute(statistics)
    low = high = None
    if bootstrap:
        counter.n_bootstrap, counter.seed = bootstrap, str(SEED)
        samples = resampled_sums(statistics, bootstrap)
        low, high = interval([counter._compute_score_from_stats(s.tolist()).score for s in samples])
    notes = [] if result.totals[-1] else [f"no hypothesis has {len(result.totals)} tokens, so BLEU is 0 by definition"]
    notes.append(caveat(languages_of(pair)[1], tokenize or tokenizer(pair)))
    note = "; ".join(filter(None, notes))
    return Score(result.score, low, high, f"BLEU|{counter.get_signature()}", len(hypotheses), note=note)


def counts(
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    pair: str,
    *,
    tokenize: str | None = None,
    lowercase: bool = False,
) -> Counts:
    """sacrebleu's statistics of each sentence, [sentences, 2 + 2 x orders]: the lengths of hypothesis and reference,
    then the number of matching n-grams of each order, then the number of all n-grams of each order. Arguments are as in
    `compute`."""
    import numpy as np

    counter = metric(pair, tokenize=tokenize, lowercase=lowercase)
    table = np.asarray(counter._extract_corpus_statistics(hypotheses, references), dtype=np.float64)
    return Counts(table, f"BLEU|{counter.get_signature()}")


def score(sums: np.ndarray) -> np.ndarray:
    """BLEU in percent, from sums of `counts`, with sacrebleu's smoothing (`exp`): the k-th order without a match counts
    as 1 / 2^k matches."""
    import numpy as np

    orders = (sums.shape[-1] - 2) // 2
    written, wanted = sums[..., 0], sums[..., 1]
    correct, total = sums[..., 2 : 2 + orders], sums[..., 2 + orders :]
    smoothing = 2.0 ** np.cumsum(correct == 0, axis=-1)
    defined = (correct > 0).any(axis=-1) & (total > 0).all(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(np.where(correct > 0, correct, 1 / smoothing) / total).mean(axis=-1)
        brevity = np.where(written < wanted, 1 - wanted / written, 0.0)
        return np.where(defined, 100 * np.exp(brevity + logarithm), 0.0)


def by_sentence(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    pair: str,
    *,
    tokenize: str | None = None,
    lowercase: bool = False,
    bootstrap: int = RESAMPLES,
) -> tuple[tuple[float, ...], str]:
    """BLEU of each sentence, with its signature, as in `sacrebleu --sentence-level`: only orders for which the sentence
    has n-grams count."""
    counter = metric(pair, tokenize=tokenize, lowercase=lowercase, effective_order=True)
    statistics = counter._extract_corpus_statistics(hypotheses, references)
    values = tuple(counter._compute_score_from_stats(each).score for each in statistics)
    return values, f"BLEU|{counter.get_signature()}"

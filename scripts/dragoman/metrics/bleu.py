"""BLEU (Papineni et al. 2002) as sacrebleu computes it (Post 2018), in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman import registry
from dragoman.metrics import MetricError, Score, require, target_language
from dragoman.metrics.bootstrap import RESAMPLES, SEED, interval, resampled_sums

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU

BETTER = "higher"
DIGITS = 1
NEEDS = frozenset({"references"})

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""By target language; 13a otherwise. Publications differ: WMT22 scored Japanese with `char`."""
EXTRAS = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]"}


def label(**options: Any) -> str:
    """`BLEU`, with the tokenizer where it was chosen by hand."""
    tokenize = options.get("tokenize")
    return f"BLEU ({tokenize})" if tokenize else "BLEU"


def _metric(tokenize: str, lowercase: bool) -> BLEU:
    from sacrebleu.metrics import BLEU

    if tokenize not in BLEU.TOKENIZERS:
        raise MetricError(registry.unknown("tokenizer", tokenize, BLEU.TOKENIZERS))
    try:
        # `force` silences the complaint about tokenised text, which is what `none` is for
        return BLEU(tokenize=tokenize, lowercase=lowercase, force=tokenize == "none")
    except (RuntimeError, ImportError, AssertionError, OSError) as error:
        if tokenize in EXTRAS:
            text = f"the tokenizer {tokenize!r} needs packages that are not installed: pip install '{EXTRAS[tokenize]}'"
            raise MetricError(f"{text} (or choose another tokenizer, like `char`)") from None
        raise MetricError(f"the tokenizer {tokenize!r} cannot be used: {' '.join(str(error).split())}") from None


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
        tokenize: a tokenizer of sacrebleu; None chooses by target language.
        lowercase: compare without case.
        bootstrap: number of resamples; 0 leaves the interval out.
    """
    require(hypotheses, references)
    metric = _metric(tokenize or TOKENIZERS.get(target_language(pair), "13a"), lowercase)
    # sacrebleu keeps the sentence statistics to itself; the pinned version and a test for equality stand guard
    statistics = metric._extract_corpus_statistics(hypotheses, references)
    result = metric._aggregate_and_compute(statistics)
    low = high = None
    if bootstrap:
        metric.n_bootstrap, metric.seed = bootstrap, str(SEED)
        samples = resampled_sums(statistics, bootstrap)
        low, high = interval([metric._compute_score_from_stats(s.tolist()).score for s in samples])
    note = "" if result.totals[-1] else f"no hypothesis has {len(result.totals)} tokens, so BLEU is 0 by definition"
    return Score(result.score, low, high, f"BLEU|{metric.get_signature()}", len(hypotheses), note=note)

"""Preference tuning: the answer in the target language is made likelier than the same sentence in another language.

CPO, contrastive preference optimization (Xu et al., ICML 2024, arXiv 2401.08417). With y the answer, z the rejected
answer, each with its end-of-sequence token, and log p of a whole answer the sum over its tokens,

    loss = mean over tokens of y  [ -log p(y_t | x, y_<t) ]
         + alpha mean over sentences [ -log sigmoid(beta (log p(y | x) - log p(z | x))) ]

with alpha = 1 in the paper. `form` chooses between this preference and two others that need no reference model either.
|y| is the number of tokens of y, and P(y) the geometric mean of their probabilities, p(y | x)^(1 / |y|):

    orpo     -log sigmoid(log odds(y) - log odds(z)), odds(y) = P(y) / (1 - P(y))
    simpo    -log sigmoid(beta (log P(y) - log P(z)) - gamma)

ORPO is by Hong et al. (EMNLP 2024, arXiv 2403.07691), with cross-entropy and a weight as here. SimPO is by Meng et al.
(NeurIPS 2024, arXiv 2405.14734), without cross-entropy, for models that are already tuned. Here all three forms have
cross-entropy, so that only the preference differs.

CPO's rejected answers are worse translations. Here they are in a wrong language, as in other work on language confusion
(arXiv 2505.19116), and are taken from the training text, so that no model has to write them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from dragoman.config import Prompt, Strict
from dragoman.languages import split_pair
from dragoman.methods import Example, ParallelText, paired, sft
from dragoman.methods.paired import Answers, with_other
from dragoman.prompts import encode

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from dragoman.training.losses import Forward

log = logging.getLogger(__name__)

CERTAIN = 1e-6
"""Lower bound of -log P(y) in ORPO's odds."""
Said = dict[tuple[str, str], dict[str, str]]
"""(language, sentence) -> language -> the same sentence in that language."""


class Options(Strict):
    """Form and weight of the preference, and the rejected answers."""

    alpha: NonNegativeFloat = 1.0
    """Weight of the preference; 0 is ordinary fine-tuning."""
    form: Literal["cpo", "orpo", "simpo"] = "cpo"
    """The published preference: CPO compares likelihoods of whole answers, ORPO odds per token, SimPO likelihoods per
    token."""
    beta: PositiveFloat = 0.1
    """Factor of the difference between both answers; with a larger beta, a smaller difference is enough. SimPO, which
    compares tokens, needs a larger beta (2 to 10, according to its authors); ORPO has no beta."""
    gamma: NonNegativeFloat = 0.0
    """SimPO: target margin, subtracted from beta times the difference."""
    rejected: Literal["source", "english", "other"] = "other"
    """The rejected answer. `source`: the source sentence, copied. `english`: the sentence in English, a frequent wrong
    language; for pairs with English the source. `other`: the sentence in a language that is neither source nor target,
    drawn from those in the training text. English and other languages are found through training pairs that share the
    source or the answer (multi-parallel text); sentences without such a pair are left out."""
    seed: NonNegativeInt = 1234
    """Seed of the draws of `other`. Seeds of the experiment do not change them."""

    @model_validator(mode="after")
    def _of_its_form(self) -> Options:
        if self.form == "orpo" and "beta" in self.model_fields_set:
            raise ValueError("`form: orpo` has no beta; remove it, and weigh the preference by alpha")
        if self.form == "simpo" and "beta" not in self.model_fields_set:
            raise ValueError(
                "`form: simpo` needs its own `beta`, like 2.0; the default is for likelihoods of whole answers"
            )
        if self.form != "simpo" and "gamma" in self.model_fields_set:
            raise ValueError(f"`form: {self.form}` has no gamma; remove it, or write `form: simpo`")
        return self


def languages(pair: str, pairs: Iterable[str], rejected: str) -> set[str]:
    """Languages of rejected answers for `pair`: those that share a training pair with its source or target."""
    source, target = split_pair(pair)
    if rejected == "source" or (rejected == "english" and "en" in (source, target)):
        return {source}
    reached = {code for other in map(split_pair, pairs) if {source, target} & {*other} for code in other}
    return reached - {source, target} if rejected == "other" else reached & {"en"}


def check(pairs: Sequence[str], prompt: Prompt, options: Options) -> None:
    """Refuse training pairs without any language of rejected answers."""
    for pair in pairs:
        if not languages(pair, pairs, options.rejected):
            what = "English" if options.rejected == "english" else "a third language"
            raise ValueError(
                f"preference: no training pair says sentences of {pair} in {what}, so there is nothing to reject; add "
                "one that shares a language with it to train.pairs, or write `rejected: source`"
            )


def said(texts: Iterable[ParallelText]) -> Said:
    """The translations of every sentence of the training text; the first one if there are several per language."""
    translations: Said = {}
    for text in texts:
        source, target = split_pair(text.pair)
        for one, other in zip(text.sources, text.targets, strict=True):
            translations.setdefault((source, one), {}).setdefault(target, other)
            translations.setdefault((target, other), {}).setdefault(source, one)
    return translations


def rejects(text: ParallelText, known: Said, options: Options) -> list[str | None]:
    """[sentence pairs] The rejected answer; None if there is none."""
    source, target = split_pair(text.pair)
    if options.rejected == "source" or (options.rejected == "english" and "en" in (source, target)):
        return [*text.sources]
    rng = random.Random(f"preference-{options.seed}-{text.pair}")
    drawn: list[str | None] = []
    for one, other in zip(text.sources, text.targets, strict=True):
        versions = known[target, other] | known[source, one]
        fitting = ["en"] if options.rejected == "english" else sorted(versions.keys() - {source, target})
        drawn.append(versions.get(rng.choice(fitting)) if fitting else None)
    return drawn


def examples(
    texts: Iterable[ParallelText], prompt: Prompt, tokenizer: PreTrainedTokenizerBase, options: Options
) -> list[Example]:
    """Examples of ordinary fine-tuning, each with a second sequence: the same prompt with the rejected answer.

    Raises:
        ValueError: no sentence has a rejected answer.
    """
    texts = list(texts)
    known = said(texts)
    made, count = [], 0
    for text in texts:
        wrong = rejects(text, known, options)
        rows = [row for row, answer in enumerate(wrong) if answer is not None]
        sources, targets = ([side[row] for row in rows] for side in (text.sources, text.targets))
        ordinary = sft.examples([ParallelText(text.pair, sources, targets, [])], prompt, tokenizer, sft.Options())
        other = encode(prompt, tokenizer, text.pair, sources, [wrong[row] or "" for row in rows])
        made += [with_other(row, pieces[:-1], pieces[-1].ids) for row, pieces in zip(ordinary, other, strict=True)]
        count += len(wrong)
    if len(made) < count:
        log.info(f"preference: {count - len(made)} of {count} sentence pairs have no answer to reject and are left out")
    if not made:
        raise ValueError(
            "preference: no training sentence is there in another language, too; write `rejected: source`, or train on "
            "text whose pairs share sentences"
        )
    return made


def preference(own: Answers, other: Answers, options: Options) -> torch.Tensor:
    """The term of `form` for every example, in nats: [batch]."""
    import torch
    from torch.nn.functional import cross_entropy, logsigmoid

    rows = 1 + int(own.rows.max())

    def likelihoods(answers: Answers) -> torch.Tensor:
        nats = cross_entropy(answers.logits, answers.tokens, reduction="none")
        whole = torch.zeros(rows, device=nats.device).index_add(0, answers.rows, -nats)
        return whole if options.form == "cpo" else whole / answers.rows.bincount(minlength=rows)

    def log_odds(likelihood: torch.Tensor) -> torch.Tensor:
        # log P / (1 - P), with 1 - P = -expm1(log P); for P = 1 in float32 it is infinite, hence the bound
        likelihood = likelihood.clamp(max=-CERTAIN)
        return likelihood - torch.log(-torch.expm1(likelihood))

    wanted, rejected = likelihoods(own), likelihoods(other)
    if options.form == "orpo":
        return -logsigmoid(log_odds(wanted) - log_odds(rejected))
    return -logsigmoid(options.beta * (wanted - rejected) - options.gamma)


def loss(forward: Forward, batch: dict[str, torch.Tensor], predicted: torch.Tensor, options: Options) -> torch.Tensor:
    """Cross-entropy per predicted token, plus alpha times the preference per example, of the global batch."""

    def preferred(own: Answers, other: Answers) -> torch.Tensor:
        return preference(own, other, options).sum() * predicted / batch["examples"]

    return paired.loss(forward.model, batch, predicted, options.alpha, preferred)

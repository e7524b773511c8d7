"""Prior tokens: the given first tokens of an answer, after which a foundation model may continue like its twin.

A prior is a list of token ids after the prompt (arXiv 2404.16766). Its kinds are:

    sft         the fine-tuned twin's greedy answer
    refined     the answer of a model made for the task
    pseudo      a dictionary: one word of the source translated, a keyword of it, the first word's most frequent tag
    gold        the reference
    random, wrong-language    tokens drawn from text of the target language, or of another one
    fixed       a text for each target language; optionally also one for each source language, before the source
    preamble    an English text
    none        no tokens

The paper's full text is not public, so its open choices are assumptions, A1 to A6, each with an option:

    A1  `unit`            the unit of n
    A2  `refined`         the task model, and its generation settings
    A3  `pseudo`          the dictionary, the word, and the prior without an entry
    A4  `seam`            the encoding of a prior that is text; its ids follow the prompt's ids
    A5  `stop_at_newline`, `max_new_tokens`    the end of the answer
    A6  `score_prior`     whether `hypothesis` includes the given tokens
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from dragoman.config import (
    LONGEST,
    FixedPrior,
    GoldPrior,
    NoPrior,
    OfflineDecoder,
    PreamblePrior,
    PrefilledDecoder,
    Prior,
    Prompt,
    PseudoPrior,
    RandomPrior,
    RefinedPrior,
    Segment,
    SftPrior,
    Unit,
)
from dragoman.decoding import Context, Item
from dragoman.decoding.language_text import MANY, language_text
from dragoman.languages import split_pair
from dragoman.languages.dictionaries import Dictionary, read_dictionary
from dragoman.languages.units import of_pair, units
from dragoman.languages.words import WORD, characters, folded, has_letter, parted
from dragoman.prompts import encode, render
from dragoman.text import objects

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Maker = Callable[[Sequence[Item]], list[list[int]]]
"""Items -> [items] token ids of the prior, at least as long as the largest n needs (or shorter, if it has no more)."""

# ------------------------------------------------------------------------------------------------------------- cutting


def cut(ids: list[int], n: int | str, unit: Unit, decode: Callable[[list[int]], str]) -> list[int]:
    """The tokens of the first `n` units of a prior (fewer if it has fewer), without tokens that they do not need."""
    if n == "all":
        return ids
    assert isinstance(n, int)
    if unit == "token":
        return ids[:n]
    parts: Callable[[str], list[str]] = str.split if unit == "word" else characters
    wanted = parts(decode(ids))[:n]
    return next(ids[:k] for k in range(len(ids) + 1) if parts(decode(ids[:k]))[:n] == wanted)


def encode_answers(
    prompt: Prompt, tokenizer: PreTrainedTokenizerBase, pair: str, texts: Sequence[str], seam: str = "target"
) -> list[list[int]]:
    """Ids of answers as they follow the prompt, without the prompt's text after the answer; no ids for an empty answer.
    With `seam="bare"`, ids of the texts alone."""
    if seam == "bare":
        return [tokenizer(text, add_special_tokens=False)["input_ids"] if text else [] for text in texts]
    head = prompt.segments[-1].text.partition("{target}")[0]
    opened = prompt.model_copy(
        update={"segments": [*prompt.segments[:-1], Segment(role="target", text=head + "{target}")]}
    )
    rows = encode(opened, tokenizer, pair, [""] * len(texts), texts)
    return [row[-1].ids[:-1] if text else [] for row, text in zip(rows, texts, strict=True)]


# -------------------------------------------------------------------------------------------------------------- makers


def maker(options: PrefilledDecoder, context: Context, tokenizer: PreTrainedTokenizerBase) -> Maker:
    """The function that makes the priors of a decoding.

    Args:
        options: options of the decoder, with the prior.
        context: pair and prompt of the foundation model.
        tokenizer: tokenizer of the foundation model.

    Raises:
        ValueError: a dictionary, text or fixed prefix for the pair is missing, or the twin has another tokenizer.
    """
    match options.prior:
        case NoPrior():
            return lambda items: [[] for _ in items]
        case SftPrior():
            return _of_twin(options, Path(options.prior.twin), context, tokenizer)
        case RandomPrior():
            return _drawn(options.prior, context.pair, tokenizer)
    texts = _texts(options.prior, context)
    return lambda items: encode_answers(context.prompt, tokenizer, context.pair, texts(items), options.seam)


def _texts(prior: Prior, context: Context) -> Callable[[Sequence[Item]], list[str]]:
    target = split_pair(context.pair)[1]
    match prior:
        case GoldPrior():
            return lambda items: [item.reference for item in items]
        case RefinedPrior(model=str()):
            return _of_task_model(prior, context.pair)
        case RefinedPrior():
            return _of_hypotheses(prior)
        case PseudoPrior():
            path = Path(_of(prior.files, context.pair, "dictionary"))
            aligned = path.suffix == ".parquet"
            words = most_aligned(path, context.pair) if aligned else read_dictionary(path, context.pair)
            return lambda items: [pseudo(prior, words, item.source) for item in items]
        case FixedPrior():
            text = _of(prior.texts, target, "fixed prefix")
        case PreamblePrior():
            text = _named(prior.text, context.pair)
    return lambda items: [text] * len(items)


def before_source(prior: Prior, pair: str) -> str:
    """Words that a prior puts before every source of a pair; "" if it puts none there.

    Raises:
        ValueError: it has no words for the source language.
    """
    if not isinstance(prior, FixedPrior) or not prior.sources:
        return ""
    return _of(prior.sources, split_pair(pair)[0], "source prefix")


def _of(table: dict[str, str], key: str, what: str) -> str:
    if key not in table:
        raise ValueError(
            f"no {what} for {key!r} among the prior's options; add one (there: {', '.join(sorted(table))})"
        )
    return table[key]


def _named(text: str, pair: str) -> str:
    segments = [Segment(role="source", text="{source}"), Segment(role="mark", text=text)]
    return render(Prompt(segments=[*segments, Segment(role="target", text="{target}")]), pair, "", "")[1][1]


def _of_twin(options: PrefilledDecoder, folder: Path, context: Context, tokenizer: PreTrainedTokenizerBase) -> Maker:
    from dragoman.decoding import offline

    counts = [n for n in options.n if n != "all"]
    settings = OfflineDecoder(
        name="offline",
        # a word or character may take any number of tokens
        max_new_tokens=max(1, *counts) if options.unit == "token" else options.max_new_tokens,
        stop_at_newline=options.stop_at_newline,
    )
    twin = offline.Decoder(Context(folder, context.pair, context.prompt), settings)
    if twin.tokenizer.get_vocab() != tokenizer.get_vocab():
        raise ValueError(f"the tokenizer in {folder} is not that of {context.model}: its token ids mean something else")

    def made(items: Sequence[Item]) -> list[list[int]]:
        written = twin.continuations(twin.prompts(items))
        return [[token for token in ids if token not in twin.ends] for ids in written]

    return made


def _of_hypotheses(prior: RefinedPrior) -> Callable[[Sequence[Item]], list[str]]:
    path = Path(str(prior.hypotheses))
    hypotheses: dict[int, tuple[str, str]] = {}
    for number, row in objects(path):
        if row.get("setting", "") != prior.setting:
            continue
        for key, kind in (("id", int | str), ("source", str), ("hypothesis", str)):
            if not isinstance(row.get(key), kind):
                problem = f"{key!r} holds {row[key]!r}" if key in row else f"no {key!r}"
                raise ValueError(f"{path}:{number}: {problem} in this row; give a hypotheses.jsonl of this project")
        hypotheses[row["id"]] = row["source"], row["hypothesis"]

    def texts(items: Sequence[Item]) -> list[str]:
        for item in items:
            if hypotheses.get(item.id, ("",))[0] != item.source:
                raise ValueError(
                    f"{path} has no hypothesis with setting {prior.setting!r} for sentence {item.id} "
                    f"({item.source!r}); decode the same test set"
                )
        return [hypotheses[item.id][1] for item in items]

    return texts


def _of_task_model(prior: RefinedPrior, pair: str) -> Callable[[Sequence[Item]], list[str]]:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from dragoman import models

    folder = Path(str(prior.model))
    model = models.whole(AutoModelForSeq2SeqLM, folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = model.to(models.device()).eval()
    forced: dict[str, int] = {}
    if prior.codes:
        source, target = (_of(prior.codes, language, "code") for language in split_pair(pair))
        known = tokenizer.get_vocab()
        for code in (source, target):
            if code not in known or not hasattr(tokenizer, "src_lang"):
                raise ValueError(f"the tokenizer in {folder} knows no language {code!r}; correct or remove `codes`")
        tokenizer.src_lang = source
        forced = {"forced_bos_token_id": known[target]}
    head = _named(prior.prefix, pair)

    @torch.inference_mode()
    def texts(items: Sequence[Item]) -> list[str]:
        given = tokenizer(
            [head + item.source for item in items],
            padding=True,
            truncation=prior.max_source_tokens is not None,
            max_length=prior.max_source_tokens,
            return_tensors="pt",
        ).to(model.device)
        written = model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            num_beams=prior.beam,
            do_sample=False,
            max_new_tokens=prior.max_new_tokens,
            **forced,
        )
        return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]

    return texts


def pseudo(prior: PseudoPrior, words: Dictionary, source: str) -> str:
    """The dictionary entries of the words of a source that `prior` chooses, as one text; `prior.otherwise` or "" if
    there are none."""
    present = [entry.key for entry in words.cut(source)]
    if prior.word == "first":
        present = present[: prior.words]
    known = [word for word in dict.fromkeys(present) if word in words]
    if prior.word == "keyword":
        often = Counter(present)
        known.sort(key=lambda word: -often[word] * math.log1p(words.places[word]))
    text = ""
    for word in known[: prior.words]:
        text += " " * bool(text and parted(text, words[word])) + words[word]
    text = text or prior.otherwise or ""
    opening = next((letter for letter in source if letter.isalpha()), "")
    return text[:1].upper() + text[1:] if prior.capital and opening.isupper() else text


def most_aligned(path: Path, pair: str) -> Dictionary:
    """A dictionary from aligned text: the entry of a source unit (see `units.py`) is the target unit that it is most
    often aligned with, the alphabetically first of equals. Frequent units come first.

    Args:
        path: a split of a prepared corpus.
        pair: its languages.

    Raises:
        ValueError: the text has no word alignments.
    """
    language, _ = split_pair(pair)
    links: dict[str, Counter[str]] = {}
    columns = pq.read_table(path, columns=["source", "target", "alignment"]).slice(0, MANY).to_pydict().values()
    for source, target, alignment in zip(*columns, strict=True):
        texts = zip((source, target), of_pair(pair), strict=True)
        sides = [[WORD.search(word) for word in units(text, unit)] for text, unit in texts]
        for link in alignment.split():
            i, j = map(int, link.split("-"))
            if (word := sides[0][i]) and (other := sides[1][j]):
                entry = other.group()  # tags are in capitals and keep them
                entries = links.setdefault(folded(word.group(), language), Counter())
                entries[entry if entry.isupper() else entry.lower()] += 1
    if not links:
        raise ValueError(f"{path} has no word alignments to make a dictionary of; give `files` instead of `corpus`")
    often = sorted(links, key=lambda word: (-links[word].total(), word))
    best = ((word, min(links[word], key=lambda other: (-links[word][other], other))) for word in often)
    return Dictionary(best, language)


def _drawn(prior: RandomPrior, pair: str, tokenizer: PreTrainedTokenizerBase) -> Maker:
    source, target = split_pair(pair)
    languages = [target] if prior.kind == "random" else sorted(prior.files.keys() - {source, target})
    if not languages:
        raise ValueError(f"the files of a wrong-language prior name no language besides those of {pair}; add one")
    tokens = {code: _tokens_of(Path(_of(prior.files, code, "text")), tokenizer) for code in languages}

    def made(items: Sequence[Item]) -> list[list[int]]:
        priors = []
        for item in items:
            rng = random.Random(f"{prior.seed} {pair} {item.id}")
            priors.append(rng.choices(tokens[rng.choice(languages)], k=LONGEST))
        return priors

    return made


def _tokens_of(path: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the distinct tokens of a text that have a letter, in ascending order."""
    text = language_text(path)
    ids = {token for row in tokenizer(text, add_special_tokens=False)["input_ids"] for token in row}
    lettered = [token for token in sorted(ids) if has_letter(tokenizer.decode([token]))]
    if not lettered:
        raise ValueError(f"{path} has no token with a letter to draw; give text of the language")
    return lettered

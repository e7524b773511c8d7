"""Prior tokens: none is lost, none is doubled, whatever the tokenizer; and each kind gives what it says."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    NllbTokenizer,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForConditionalGeneration,
)

from dragoman import models
from dragoman.config import OfflineDecoder, Prompt
from dragoman.decoding import Context, Item, Row, offline, prefilled, priors
from dragoman.prompts import inside
from support.priors import BARE, TOKENIZERS, save
from support.trainings import PROMPT

ITEMS = [
    Item(0, "The cat sleeps", "Le chat dort"),
    Item(1, "a red cat", "un chat rouge"),
    Item(2, "猫", "猫在这里"),
    Item(3, "x", "🙂 é"),
]


@pytest.fixture(scope="module", params=TOKENIZERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("foundation", "twin")):
        save(TOKENIZERS[request.param](), folder / name, seed)
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return TOKENIZERS["byte-level"]()


def decoder(folder: Path, prior: dict[str, Any], prompt: Prompt = PROMPT, **options: Any) -> prefilled.Decoder:
    made = {"name": "prefilled", "n": [0, 1, 2, 3], "max_new_tokens": 7, "prior": prior} | options
    return prefilled.Decoder(
        Context(folder / "foundation", "en-fr", prompt), priors.PrefilledDecoder.model_validate(made)
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


# ----------------------------------------------------------------------------------------------------------- decoding


@pytest.fixture(scope="module")
def gold(folder: Path) -> dict[str, prefilled.Decoder]:
    return {
        f"{seam} {unit}": decoder(folder, {"kind": "gold"}, n=list(range(6)), unit=unit, seam=seam)
        for seam in ("target", "bare")
        for unit in ("token", "word", "character")
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answer=st.text(alphabet="the cat, 猫在é🙂", min_size=1, max_size=12),
    key=st.sampled_from([f"{s} {u}" for s in ("target", "bare") for u in ("token", "word", "character")]),
)
def test_no_prior_is_lost_or_doubled(gold: dict[str, prefilled.Decoder], answer: str, key: str) -> None:
    """A model that knows the reference by heart writes the reference, wherever its text is cut."""
    chosen, item = gold[key], Item(0, "a {target} cat", answer)
    (prompt,) = chosen.prompts([item])
    text = f" {answer}" if key.startswith("target") else answer
    whole = chosen.tokenizer(text, add_special_tokens=False)["input_ids"]

    def by_heart(given: Sequence[list[int]]) -> list[list[int]]:
        (ids,) = given
        assert ids[: len(prompt)] == prompt
        read = len(ids) - len(prompt)
        assert ids[len(prompt) :] == whole[:read]
        return [[*whole[read:], chosen.tokenizer.eos_token_id]]

    chosen.continuations = by_heart  # type: ignore[method-assign]
    (rows,) = chosen.decode([item])
    written = chosen.tokenizer.decode(whole)
    for n, row in enumerate(rows):
        assert row["setting"] == f"n={n}"
        assert row["hypothesis"] == written.strip()
        assert row["prior_ids"] == whole[: row["prior_tokens"]]
        assert row["prior_tokens"] + row["tokens"] == len(whole) + 1
        assert row["hypothesis"].endswith(row["continuation"])
        whole_letters = row["prior"].rstrip("\ufffd")
        assert squeezed(whole_letters) + squeezed(row["continuation"]) == squeezed(written)
        if key.endswith("token"):
            assert row["prior_tokens"] == min(n, len(whole))
        else:
            parts = str.split if key.endswith("word") else lambda text: list(squeezed(text))
            assert parts(row["prior"])[:n] == parts(written)[:n]
            shorter = chosen.tokenizer.decode(row["prior_ids"][:-1])
            assert not row["prior_ids"] or parts(shorter)[:n] != parts(written)[:n], "no token more than is needed"


@pytest.mark.parametrize("answer", ["🙂é", "猫在", "แมว", "a🙂 🙂", "हिन"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_prior_that_ends_inside_a_character_keeps_those_before_it(name: str, answer: str) -> None:
    """Whole characters belong to the prior, and one that is begun to the continuation, in any tokenizer."""
    tokenizer = TOKENIZERS[name]()
    chosen = object.__new__(prefilled.Decoder)
    chosen.tokenizer, chosen.ends = tokenizer, [tokenizer.eos_token_id]
    chosen.options = priors.PrefilledDecoder.model_validate(
        {"name": "prefilled", "n": [1], "prior": {"kind": "gold"}, "score_prior": False}
    )
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    lengths = [len(each) for each in tokenizer.convert_ids_to_tokens(ids)]  # bytes of each token
    if name == "byte fallback":  # which writes a byte as <0xE7>, a blank as "▁", and puts one before a text
        lengths = [1 if length == len("<0xE7>") else length for length in lengths]
        lengths[0] -= 1
    for n in range(len(ids) + 1):
        row = chosen._continued(ids[:n], [*ids[n:], tokenizer.eos_token_id])
        spelt = answer.encode()[: sum(lengths[:n])]
        given = spelt.decode(errors="ignore")
        assert row["prior"].rstrip("\ufffd") == given
        assert (row["prior"] == given) == (spelt == given.encode())
        assert squeezed(given) + squeezed(row["continuation"]) == squeezed(answer)
        cut_off = chosen._row(ids[:n])["hypothesis"]
        assert cut_off.rstrip("\ufffd").strip() == given.strip(), "an answer that the limit of tokens has cut off"
        if given:
            first = priors.cut(ids[:n], 1, "character", chosen._text)
            assert tokenizer.decode(first).startswith(answer[0]), "a prior of characters is not a byte"


@pytest.mark.parametrize("prompt", [PROMPT, BARE])
def test_model_goes_on_from_the_prior(folder: Path, prompt: Prompt) -> None:
    """Every n, token by token, without cache, padding or `generate`."""
    chosen = decoder(folder, {"kind": "gold"}, prompt)
    model, tokenizer = models.load(folder / "foundation").eval(), chosen.tokenizer
    seam = " " if prompt is PROMPT else ""
    rows = chosen.decode(ITEMS)
    assert len({row["continuation"] for found in rows for row in found}) > 4
    for item, prompt_ids, found in zip(ITEMS, chosen.prompts(ITEMS), rows, strict=True):
        answer = inside(tokenizer)(seam + item.reference, add_special_tokens=False)["input_ids"]
        for n, row in enumerate(found):
            ids = [*prompt_ids, *answer[:n]]
            with torch.inference_mode():
                while len(ids) < len(prompt_ids) + n + 7 and ids[-1] != tokenizer.eos_token_id:
                    ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            assert row["prior_ids"] == answer[:n]
            assert row["tokens"] == len(ids) - len(prompt_ids) - n
            assert row["hypothesis"] == tokenizer.decode(ids[len(prompt_ids) :], skip_special_tokens=True).strip()


@pytest.mark.parametrize("beam", [1, 3])
def test_without_prior_it_is_offline_decoding_in_any_batch(folder: Path, beam: int) -> None:
    chosen = decoder(folder, {"kind": "gold"}, beam=beam)
    rows = chosen.decode(ITEMS)
    assert rows == [found for item in ITEMS for found in chosen.decode([item])]
    plain = OfflineDecoder(name="offline", beam=beam, max_new_tokens=7)
    for found, (row,) in zip(rows, offline.Decoder(chosen.context, plain).decode(ITEMS), strict=True):
        nothing = {"setting": "n=0", "continuation": row["hypothesis"], "prior": "", "prior_ids": [], "prior_tokens": 0}
        assert found[0] == {key: row[key] for key in ("hypothesis", "tokens", "ended")} | nothing


def test_a_twin_of_itself_goes_on_as_it_would_have(folder: Path) -> None:
    """With the foundation model as its own twin, what is given and what follows make up the same ids for every n."""
    chosen = decoder(folder, {"kind": "sft", "twin": str(folder / "foundation")}, n=[0, 1, 2, 5])
    texts: list[list[list[int]]] = []
    inner = chosen.continuations
    chosen.continuations = lambda given: texts.append(inner(given)) or texts[-1]  # type: ignore
    found = chosen.decode(ITEMS)
    for position, rows in enumerate(found):
        ids = [row["prior_ids"] + written[position] for row, written in zip(rows, texts[-4:], strict=True)]
        assert [each[: len(ids[0])] for each in ids] == [ids[0]] * 4


def test_prior_of_a_twin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = offline.Decoder(Context(folder / "twin", "en-fr", PROMPT), OfflineDecoder(name="offline", max_new_tokens=7))
    chosen = decoder(folder, {"kind": "sft", "twin": str(folder / "twin")})
    answers = twin.continuations(twin.prompts(ITEMS))
    assert answers != chosen.continuations(chosen.prompts(ITEMS))
    for ids, found in zip(answers, chosen.decode(ITEMS), strict=True):
        assert [row["prior_ids"] for row in found] == [ids[:n] for n in range(4)]
    end = chosen.tokenizer.eos_token_id
    monkeypatch.setattr(offline.Decoder, "continuations", lambda self, prompts: [[40, end]] * len(prompts))
    made = priors.maker(chosen.options, chosen.context, chosen.tokenizer)
    assert made(ITEMS) == [[40]] * 4, "the end of the twin's answer is no prior"


def test_rules_for_the_end_and_the_score(folder: Path) -> None:
    preamble = {"kind": "preamble", "text": "Well,\n{target_language}:"}
    for score_prior in (True, False):
        chosen = decoder(folder, preamble, n=["all"], stop_at_newline=True, score_prior=score_prior)
        written = inside(chosen.tokenizer)("chat", add_special_tokens=False)["input_ids"]
        chosen.tokenizer.add_tokens(["!\n?"])
        written = [*written, len(chosen.tokenizer) - 1]
        chosen.ends.append(written[-1])
        chosen.continuations = lambda given, ids=written: [ids]  # type: ignore[method-assign]
        ((row,),) = chosen.decode(ITEMS[:1])
        whole = "Well,\nFrench:chat!"
        assert row["hypothesis"] == (whole if score_prior else "chat!")
        assert row["continuation"] == "chat!"
        assert (row["setting"], row["prior"].strip(), row["ended"]) == ("n=all", "Well,\nFrench:", True)


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    save(TOKENIZERS["byte-level"](), tmp_path / "foundation", 1)
    save(TOKENIZERS["byte fallback"](), tmp_path / "twin", 1)
    with pytest.raises(ValueError, match=r"twin is not that of .*foundation: its token ids mean something else"):
        decoder(tmp_path, {"kind": "sft", "twin": str(tmp_path / "twin")})


# -------------------------------------------------------------------------------------------------------------- kinds


def make(
    tokenizer: PreTrainedTokenizerBase, prior: dict[str, Any], pair: str = "en-fr", **options: Any
) -> Callable[..., list[str]]:
    """The decoded priors of items."""
    spec = priors.PrefilledDecoder.model_validate({"name": "prefilled", "prior": prior} | options)
    made = priors.maker(spec, Context(None, pair, PROMPT), tokenizer)
    return lambda items: [tokenizer.decode(ids) for ids in made(items)]


def items(*sources: str) -> list[Item]:
    return [Item(i, source, "") for i, source in enumerate(sources)]


def test_pseudo(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    path = tmp_path / "d.tsv"
    path.write_text("the\tle\ncat\tchat\nsees\tvoit\nbird\toiseau\n", encoding="utf-8")
    options = {"kind": "pseudo", "files": {"en-fr": str(path)}}
    sentences = items("Bob, the cat!", "no idea", "CAT and bird see a bird", "“Big cat”")
    assert make(tokenizer, options)(sentences) == [" Le", "", " Chat", " Chat"]
    assert make(tokenizer, options | {"capital": False})(sentences) == [" le", "", " chat", " chat"]
    assert make(tokenizer, options | {"word": "first", "otherwise": "?"})(sentences) == [" ?", " ?", " Chat", " ?"]
    assert make(tokenizer, options | {"words": 2})(sentences) == [" Le chat", "", " Chat oiseau", " Chat"]
    # bird: twice, log(1 + 4); cat: once, log(1 + 2)
    assert make(tokenizer, options | {"word": "keyword"})(sentences)[2:] == [" Oiseau", " Chat"]
    assert make(tokenizer, options, seam="bare")(sentences)[0] == "Le"
    with pytest.raises(
        ValueError, match=r"no dictionary for 'fr-en' among the prior's options; add one \(there: en-fr\)"
    ):
        make(tokenizer, options, "fr-en")


def test_pseudo_of_a_language_without_blanks(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    path = tmp_path / "d.tsv"
    path.write_text("猫\tchat\n红\trouge\n红色\tcouleur rouge\n", encoding="utf-8")
    options = {"kind": "pseudo", "files": {"zh-fr": str(path)}}
    assert make(tokenizer, options, "zh-fr")(items("这是红色的猫。", "大猫", "无")) == [" couleur rouge", " chat", ""]
    path.write_text("red\t红\ncat\t猫\n", encoding="utf-8")
    options = {"kind": "pseudo", "files": {"en-zh": str(path)}, "words": 2}
    assert make(tokenizer, options, "en-zh")(items("a red cat")) == [" 红猫"], "no blank where there is none"


def test_a_dictionary_of_aligned_characters(tmp_path: Path) -> None:
    rows = {"source": ["red cat", "cat"], "target": ["红 猫", "猫"], "alignment": ["0-0 1-1", "0-0"]}
    pq.write_table(pa.table(rows), tmp_path / "train.parquet")
    assert priors.most_aligned(tmp_path / "train.parquet", "en-zh") == {"cat": "猫", "red": "红"}
    rows = {"source": ["红猫"], "target": ["red cat"], "alignment": ["0-0 1-1"]}
    pq.write_table(pa.table(rows), tmp_path / "train.parquet")
    assert priors.most_aligned(tmp_path / "train.parquet", "zh-en") == {"红": "red", "猫": "cat"}


def test_text_after_the_answer_is_no_prior(tokenizer: PreTrainedTokenizerBase) -> None:
    answer = tokenizer("chat", add_special_tokens=False)["input_ids"]
    for seam in ("target", "bare"):
        assert priors.encode_answers(BARE, tokenizer, "en-fr", ["chat", ""], seam) == [answer, []]


def test_fixed_and_preamble(tokenizer: PreTrainedTokenizerBase) -> None:
    fixed = {"kind": "fixed", "texts": {"fr": "Voici :", "de": "Hier:"}}
    assert make(tokenizer, fixed)(items("a", "b")) == [" Voici :"] * 2
    with pytest.raises(ValueError, match=r"no fixed prefix for 'it' among the prior's .* add one \(there: de, fr\)"):
        make(tokenizer, fixed, "en-it")
    assert make(tokenizer, {"kind": "preamble"})(items("a")) == [" Sure, here is the translation:"]
    assert make(tokenizer, {"kind": "none"})(items("a")) == [""]


def test_a_fixed_pair_of_prefixes(folder: Path) -> None:
    """Like an ordinary decoding of the longer source; what is given is no part of the hypothesis."""
    prior = {"kind": "fixed", "texts": {"fr": "Voici"}, "sources": {"en": "Here it is.", "zh": "这里"}}
    both = decoder(folder, prior, n=["all"], score_prior=False)
    alone = decoder(folder, {"kind": "fixed", "texts": {"fr": "Voici"}}, n=["all"], score_prior=False)
    longer = [item._replace(source=f"Here it is. {item.source}") for item in ITEMS]
    assert both.prompts(ITEMS) == alone.prompts(longer) != alone.prompts(ITEMS)
    found = both.decode(ITEMS)
    assert found == alone.decode(longer)
    assert all(row["hypothesis"] == row["continuation"] and row["prior"].strip() == "Voici" for (row,) in found)
    assert priors.before_source(both.options.prior, "zh-fr") == "这里"
    with pytest.raises(ValueError, match=r"no source prefix for 'it' among .* add one \(there: en, zh\)"):
        priors.before_source(both.options.prior, "it-fr")


def test_drawn_tokens(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    for code, text in {"fr": "qqq, 12!", "de": "www.", "en": "eee"}.items():
        (tmp_path / code).write_text(f"{text}\n", encoding="utf-8")
    files = {code: str(tmp_path / code) for code in ("fr", "de", "en")}
    many = items(*"abcdefgh")
    assert make(tokenizer, {"kind": "random", "files": files})(many) == ["qqqqq"] * 8, "no comma, digit, or blank"
    assert make(tokenizer, {"kind": "wrong-language", "files": files})(many) == ["wwwww"] * 8
    (tmp_path / "fr").write_text(f"{string.ascii_lowercase}\n", encoding="utf-8")
    letters = make(tokenizer, {"kind": "random", "files": files})
    assert len(set(letters(many))) > 6
    assert letters(many)[3:5] == letters(many[3:5]), "what is drawn does not depend on the batch"
    assert letters(many) != make(tokenizer, {"kind": "random", "files": files, "seed": 2})(many)
    with pytest.raises(ValueError, match="name no language besides those of en-fr"):
        make(tokenizer, {"kind": "wrong-language", "files": {"fr": files["fr"]}})
    (tmp_path / "fr").write_text("12\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no token with a letter"):
        make(tokenizer, {"kind": "random", "files": files})


def test_refined_by_hypotheses(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    rows: list[Row] = [
        {"id": i, "setting": s, "source": "ab"[i], "hypothesis": f"{s}{i}"} for i in (1, 0) for s in ("", "k=1")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    refined = {"kind": "refined", "hypotheses": str(path)}
    assert make(tokenizer, refined)(items("a", "b")) == [" 0", " 1"]
    assert make(tokenizer, refined | {"setting": "k=1"})(items("a")) == [" k=10"]
    with pytest.raises(ValueError, match=r"h.jsonl has no hypothesis with setting '' for sentence 1 \('c'\)"):
        make(tokenizer, refined)(items("a", "c"))
    path.write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"h.jsonl:1: no 'source' in this row"):
        make(tokenizer, refined)
    other = {"id": 0, "setting": "k=1", "source": "a", "hypothesis": None}
    path.write_text(f"{json.dumps(rows[2])}\n{json.dumps(other)}\n", encoding="utf-8")
    assert make(tokenizer, refined)(items("a")) == [" 0"], "a row of another setting is none of ours"
    with pytest.raises(ValueError, match=r"h.jsonl:2: 'hypothesis' holds None in this row"):
        make(tokenizer, refined | {"setting": "k=1"})


def test_refined_by_t5(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    torch.manual_seed(1)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": len(tokenizer)}
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    task = T5ForConditionalGeneration(T5Config(**sizes, **ends, decoder_start_token_id=0, initializer_factor=20.0))
    task.eval().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    refined = {"kind": "refined", "model": str(tmp_path), "max_new_tokens": 6, "prefix": "To {target_language}: "}
    sources = items("the cat sleeps", "a", "le chat")
    found = make(tokenizer, refined)(sources)
    for item, text in zip(sources, found, strict=True):
        ids = tokenizer(f"To French: {item.source}", return_tensors="pt")["input_ids"]
        assert text.strip() == tokenizer.decode(greedy(task, ids, [0], 6), skip_special_tokens=True).strip()
    assert len(set(found)) > 1
    cut = make(tokenizer, refined | {"max_source_tokens": 12})(items("the cat sleeps", "the cat runs"))
    assert cut[0] == cut[1], "sources that differ after the cut"
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"has no \*.safetensors weights"):
        make(tokenizer, refined)


def test_refined_by_a_model_with_language_codes(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    vocabulary = {name: i for i, name in enumerate(["<s>", "<pad>", "</s>", "<unk>", "▁", *string.ascii_lowercase])}
    theirs = NllbTokenizer(vocab=vocabulary, merges=[], src_lang="eng_Latn", tgt_lang="fra_Latn")
    layers = {f"{side}_{what}": 1 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    torch.manual_seed(1)
    config = M2M100Config(
        vocab_size=len(theirs), d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16, init_std=1.0, **layers
    )
    task = M2M100ForConditionalGeneration(config).eval()
    task.save_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path)
    options = {"kind": "refined", "model": str(tmp_path), "max_new_tokens": 6}
    codes = {"en": "eng_Latn", "fr": "fra_Latn", "de": "deu_Latn"}
    sources = items("the cat", "a bird")
    for pair in ("en-fr", "de-fr", "en-de"):
        found = make(tokenizer, options | {"codes": codes}, pair)(sources)
        for item, text in zip(sources, found, strict=True):
            theirs.src_lang, target = (codes[code] for code in pair.split("-"))
            ids = theirs(item.source, return_tensors="pt")["input_ids"]
            assert int(ids[0, 0]) == theirs.convert_tokens_to_ids(theirs.src_lang)
            written = greedy(task, ids, [2, theirs.convert_tokens_to_ids(target)], 5)
            assert text.strip() == theirs.decode(written, skip_special_tokens=True).strip()
    with pytest.raises(ValueError, match="knows no language 'fr_XX'; correct or remove `codes`"):
        make(tokenizer, options | {"codes": codes | {"fr": "fr_XX"}})
    with pytest.raises(ValueError, match="no code for 'it'"):
        make(tokenizer, options | {"codes": codes}, "en-it")


def greedy(model: Any, source: torch.Tensor, start: list[int], count: int) -> list[int]:
    """What a sequence-to-sequence model writes, token by token."""
    written = list(start)
    with torch.inference_mode():
        while len(written) < len(start) + count and (written == start or written[-1] != model.config.eos_token_id):
            logits = model(input_ids=source, decoder_input_ids=torch.tensor([written])).logits
            written.append(int(logits[0, -1].argmax()))
    return written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": [6]}, "less than or equal to 5"),
        ({"n": [1, 1]}, "every value may be given only once"),
        ({"n": []}, "at least 1 item"),
        ({"n": ["all"]}, "a whole gold prior would be a complete answer"),
        ({"prior": {"kind": "refined"}}, "one of `model`, `hypotheses` and `system`"),
        ({"prior": {"kind": "refined", "model": "m", "hypotheses": "h"}}, "one of `model`, `hypotheses` and `system`"),
        (
            {"prior": {"kind": "fixed", "texts": {}, "sources": {"en": "x"}}},
            "needs `n: .all.` and `score_prior: false`",
        ),
        ({"prior": {"kind": "golden"}}, "does not match any of the expected tags"),
        ({"prior": {"kind": "gold", "twin": "x"}}, "Extra inputs are not permitted"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    whole = TypeAdapter(priors.PrefilledDecoder)
    given_options = {"name": "prefilled", "prior": {"kind": "gold"}}
    assert whole.validate_python(given_options).n == [0, 1, 2]
    with pytest.raises(ValidationError, match=message):
        whole.validate_python(given_options | options)


def test_dictionaries_of_real_text(shared_data: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Nearly every sentence of news text has a word that a list of five thousand knows."""
    from dragoman.text import table

    rows = [row for _, row in table(shared_data / "ud_pud" / "pud.en-fr.tsv.gz")][:200]
    files = {"en-fr": str(shared_data / "dict" / "train5k.en-fr.tsv.gz")}
    made = make(tokenizer, {"kind": "pseudo", "files": files})(items(*(row["en"] for row in rows)))
    assert sum(map(bool, made)) >= 198
    assert made[1] == " Pour", rows[1]["en"]

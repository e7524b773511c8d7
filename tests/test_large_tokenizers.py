"""What makes large tokenizers quick to read changes nothing that they do. Here they are small, and count as large."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
from transformers import GemmaTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers import tokenization_utils_tokenizers as library

from dragoman import models, prompts
from dragoman.decoding.vocabulary import texts, with_newline
from support.priors import TOKENIZERS

SENTENCES = ["The cat sleeps.", " a\n\nb  c\t", "<turn>le chat</turn> <bos>", "猫 é 🙂", ""]


def gemma() -> PreTrainedTokenizerBase:
    """A class of its own, which pads on the left and builds its parts itself."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"catsleph.b\n"]
    merges = [("c", "a"), ("ca", "t"), ("▁", "cat")]
    pieces += ["".join(pair) for pair in merges]
    return GemmaTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges)


def changed(normalizer: object, pre_tokenizer: object) -> Callable[[], PreTrainedTokenizerBase]:
    """A byte-level tokenizer with other parts, and with added tokens of both kinds."""

    def made() -> PreTrainedTokenizerBase:
        tokenizer = models.train_tokenizer(SENTENCES, 300)
        tokenizer.add_tokens([AddedToken("</turn>", normalized=True)])
        tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
        backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        backend.normalizer, backend.pre_tokenizer = normalizer, pre_tokenizer
        return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=models.END, pad_token=models.PAD)

    return made


KINDS = TOKENIZERS | {
    "gemma": gemma,
    "prepended": changed(
        normalizers.Sequence([normalizers.Prepend(" "), normalizers.Lowercase()]), pre_tokenizers.ByteLevel(False)
    ),
    "prefixed": changed(
        normalizers.Prepend("x"), pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(True)])
    ),
    "metaspace": changed(None, pre_tokenizers.Metaspace(prepend_scheme="always")),
}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    return KINDS[request.param]()


def test_it_is_read_once_and_is_the_same(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer.save_pretrained(tmp_path / "download")
    (tmp_path / "download" / "config.json").write_text('{"model_type": "gemma3_text"}', encoding="utf-8")
    (tmp_path / "model").mkdir()
    before = {}
    for path in (tmp_path / "download").iterdir():
        os.link(path, tmp_path / "model" / path.name)
        before[path.name] = path.read_bytes()
    usual = models.load_tokenizer(tmp_path / "download")
    models.quicken(usual, tmp_path / "model")
    assert (tmp_path / "model" / "tokenizer_config.json").samefile(tmp_path / "download" / "tokenizer_config.json")

    monkeypatch.setattr(models, "LARGE_TOKENIZER", 0)
    models.quicken(usual, tmp_path / "model")
    assert {path.name: path.read_bytes() for path in (tmp_path / "download").iterdir()} == before, "links are cut"
    read, load = [], json.load

    def watched(file: object) -> object:
        read.append(Path(file.name).name)
        return load(file)

    monkeypatch.setattr(json, "load", watched)
    quick = models.load_tokenizer(tmp_path / "model")
    assert "tokenizer.json" not in read and type(quick) is library.TokenizersBackend
    assert quick.backend_tokenizer.to_str() == usual.backend_tokenizer.to_str()
    quick.save_pretrained(tmp_path / "again")
    assert models.load_tokenizer(tmp_path / "again").backend_tokenizer.to_str() == usual.backend_tokenizer.to_str()
    for name in ("bos", "eos", "pad", "unk"):
        assert getattr(quick, f"{name}_token_id") == getattr(usual, f"{name}_token_id")
    assert {*quick.all_special_ids} == {*usual.all_special_ids}
    assert quick.padding_side == usual.padding_side and len(quick) == len(usual)
    for special in (True, False):
        one, other = (each(SENTENCES, add_special_tokens=special, padding=True) for each in (quick, usual))
        assert dict(one) == dict(other)
    ids = usual(SENTENCES)["input_ids"]
    assert quick.batch_decode(ids) == usual.batch_decode(ids)


def test_a_text_that_goes_on_is_that_of_the_whole_file(tokenizer: PreTrainedTokenizerBase) -> None:
    """As if tokenizer.json had been changed by hand."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    bare = {part: prompts.without_blank(whole[part]) for part in ("normalizer", "pre_tokenizer")}
    expected = Tokenizer.from_str(json.dumps(whole | bare))
    found = prompts.inside(tokenizer)
    assert (found is tokenizer) == (whole == whole | bare)
    assert found.backend_tokenizer.to_str() == expected.to_str()
    for sentence in SENTENCES:
        ids = found(sentence, add_special_tokens=False, return_offsets_mapping=True)
        other = expected.encode(sentence, add_special_tokens=False)
        assert (ids["input_ids"], ids["offset_mapping"]) == (other.ids, other.offsets)


def test_texts_of_all_tokens_are_those_of_each(tokenizer: PreTrainedTokenizerBase) -> None:
    anchor = tokenizer.encode("a", add_special_tokens=False)[-1]
    for before in ([], [anchor]):
        each = [tokenizer.decode([*before, i], clean_up_tokenization_spaces=False) for i in range(len(tokenizer))]
        assert texts(tokenizer, before) == each
    broken = with_newline(tokenizer)
    assert broken and all("\n" in tokenizer.decode([token]) for token in broken)

"""Tokenizers out of GGUF files: what transformers gets wrong is mended, and compared with independent tokenizers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE

from dragoman import models
from dragoman.weights import header, tokenizer
from gguf_files import TEXT, write


def made(path: Path, **options: Any) -> tuple[Any, list[str]]:
    """The tokenizer of a file of a tiny model with these keys, and what was mended; it has no habit of another."""
    write(path, **options)
    found = header.read(path)
    tokenizer.check(path, found)
    result, mended = tokenizer.make(path, found)
    assert tokenizer.differences(result, found) == []
    return result, mended


def ids(one: Any, text: str) -> list[int]:
    return list(one(text, add_special_tokens=False)["input_ids"])


def bpe(tokens: list[str], merges: list[str], **keys: Any) -> dict[str, Any]:
    """Keys of a byte-level vocabulary: the bytes' letters, and these tokens."""
    letters = ["<|end|>", "<|pad|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    whole = [*letters, *tokens]
    whole += [f"[PAD{n}]" for n in range(len(whole), 400)]
    kinds = [3, 3, *[1] * (len(letters) + len(tokens) - 2)]
    return {
        "tokenizer.ggml.tokens": whole,
        "tokenizer.ggml.token_type": kinds + [5] * (400 - len(kinds)),
        "tokenizer.ggml.merges": merges,
        **{f"tokenizer.ggml.{name}": value for name, value in keys.items()},
    }


def test_an_ordinary_vocabulary_is_the_one_it_was_made_of(tmp_path: Path) -> None:
    one, mended = made(tmp_path / "m.gguf")
    other = models.train_tokenizer(TEXT, 300)
    assert mended == []
    assert [ids(one, text) for text in TEXT] == [ids(other, text) for text in TEXT]
    assert one("a")["input_ids"] == ids(one, "a")
    assert (one.eos_token, one.pad_token) == (other.eos_token, other.pad_token)


def test_single_digits(tmp_path: Path) -> None:
    """By hand: the blanks before a number are one token only where digits are cut off from them first."""
    vocabulary = bpe(["ĠĠ", "ĊĊ", "20"], ["Ġ Ġ", "Ċ Ċ", "2 0"], pre="smollm")
    one, mended = made(tmp_path / "m.gguf", keys=vocabulary)
    assert mended == ["digits are cut off from what is before them, and from each other"]
    assert one.tokenize("x  20\n\n7") == ["x", "ĠĠ", "2", "0", "ĊĊ", "7"]
    plain, _ = made(tmp_path / "n.gguf", keys=vocabulary | {"tokenizer.ggml.pre": "gpt-2"})
    assert plain.tokenize("x  20\n\n7") == ["x", "Ġ", "Ġ", "20", "Ċ", "Ċ", "7"]


def test_whole_words(tmp_path: Path) -> None:
    """By hand: `abc` is a token, but its letters are merged to `bc` first; nothing merges `a` and `bc`."""
    vocabulary = bpe(["bc", "abc"], ["b c"], pre="llama-bpe", bos_token_id=1)
    one, mended = made(tmp_path / "m.gguf", keys=vocabulary)
    assert mended == ["a word that is a token becomes that token, whatever its letters would be merged to"]
    assert one.tokenize("abc") == ["abc"]
    assert one.convert_ids_to_tokens(one("abc")["input_ids"]) == ["<|pad|>", "abc"]  # llama.cpp's default for it
    plain, _ = made(tmp_path / "n.gguf", keys=vocabulary | {"tokenizer.ggml.pre": "dbrx"})
    assert plain.tokenize("abc") == ["a", "bc"]


def test_composed_letters(tmp_path: Path) -> None:
    one, mended = made(tmp_path / "m.gguf", keys={"tokenizer.ggml.pre": "qwen2"})
    assert mended == ["letters and accents are composed (NFC)"]
    assert ids(one, "e\u0301") == ids(one, "é")


@pytest.mark.parametrize(("add", "adds"), [(None, []), (False, []), (True, [1])])
def test_the_file_says_what_begins_a_text(add: bool | None, adds: list[int], tmp_path: Path) -> None:
    keys = {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.add_bos_token": add, "tokenizer.ggml.add_eos_token": add}
    one, _ = made(tmp_path / "m.gguf", keys=keys)
    assert one("a")["input_ids"] == [*adds, *ids(one, "a"), *([0] if add else [])]
    one.save_pretrained(tmp_path / "folder")
    again = models.load_tokenizer(tmp_path / "folder")
    assert [again(text)["input_ids"] for text in TEXT] == [one(text)["input_ids"] for text in TEXT]


# ----------------------------------------------------------------------------------------------------- SentencePiece

PIECES = """the old man buys red cars and sings in the garden while it rains on the roof
le vieil homme achète des voitures rouges et chante dans le jardin pendant la pluie"""


@pytest.mark.parametrize("prefix", [True, False])
def test_sentencepiece_vocabularies(prefix: bool, tmp_path: Path) -> None:
    """The library sentencepiece gives the same ids with these pieces; the file says whether a blank comes first."""
    memory = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(PIECES.split("\n")),
        model_writer=memory,
        vocab_size=330,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(memory.getvalue())
    pieces = [*proto.pieces]
    padding = 400 - len(pieces)
    keys = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [piece.piece for piece in pieces] + [f"[PAD{n}]" for n in range(padding)],
        "tokenizer.ggml.scores": [piece.score for piece in pieces] + [-1000.0] * padding,
        "tokenizer.ggml.token_type": [piece.type for piece in pieces] + [5] * padding,
        "tokenizer.ggml.merges": None,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_space_prefix": prefix,
    }
    one, mended = made(tmp_path / "m.gguf", keys=keys)
    other = sentencepiece.SentencePieceProcessor(model_proto=memory.getvalue())
    texts = [*PIECES.split("\n"), "les voitures", "a  b", "x\ny", "2024", "😀 é", "ẑ"]
    assert [ids(one, text) for text in texts] == [other.encode(text) for text in texts]
    assert [one.decode(ids(one, text)) for text in texts] == texts
    assert mended == ([] if prefix else ["no blank is put before a text"])
    assert one("the")["input_ids"][0] == 1


def test_gemma_3_merges_runs_from_the_longest(tmp_path: Path) -> None:
    """In the original, a run longer than its longest token is cut from the left: 3 + 1 blanks here, and not 2 + 2."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<start_of_image>"]
    tokens += ["\n", "\n\n", "\n\n\n", "  ", "   "]
    tokens += [f"<0x{n:02X}>" for n in range(256)] + ["▁", "a", "b"]
    kinds = [3, 3, 3, 3, 3, 3, 4, *[4] * 5, *[6] * 256, 1, 1, 1]
    padding = 400 - len(tokens)
    keys = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens + [f"<unused{n}>" for n in range(padding)],
        "tokenizer.ggml.scores": [-float(n) for n in range(400)],
        "tokenizer.ggml.token_type": kinds + [3] * padding,
        "tokenizer.ggml.merges": None,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_space_prefix": False,
    }
    one, mended = made(tmp_path / "m.gguf", architecture="gemma3", keys=keys)
    assert len(mended) == 1
    assert one.tokenize("a    b") == ["a", "▁▁▁", "▁", "b"]
    assert one.convert_ids_to_tokens(one("a\n\nb")["input_ids"]) == ["<bos>", "a", "\n\n", "b"]
    special = {token.content for token in one.added_tokens_decoder.values() if token.special}
    assert special == {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<start_of_image>"}
    assert one.decode(ids(one, "a<unused0><start_of_image>"), skip_special_tokens=True) == "a<unused0>"
    # an independent tokenizer: the merges that the original's tokenizer.json has for such a vocabulary, by hand
    plain = Tokenizer(
        BPE(
            vocab={token: number for number, token in enumerate(["▁", "▁▁", "▁▁▁", "a", "b"])},
            merges=[("▁▁", "▁"), ("▁", "▁▁"), ("▁", "▁")],
        )
    )
    assert plain.encode("a▁▁▁▁b").tokens == one.tokenize("a    b")


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"tokenizer.ggml.model": None}, "holds no tokenizer"),
        ({"tokenizer.ggml.model": "no_vocab"}, "holds no tokenizer"),
        ({"tokenizer.ggml.tokens": None}, "holds no tokenizer"),
        ({"tokenizer.ggml.model": "bert"}, "of the kind 'bert', and transformers reads"),
        ({"tokenizer.ggml.pre": "poro-chat"}, "`tokenizer.ggml.pre` is 'poro-chat'"),
        ({"tokenizer.ggml.pre": "default"}, "`tokenizer.ggml.pre` is 'default'"),
        ({"tokenizer.ggml.pre": None}, "it has no `tokenizer.ggml.pre`"),
    ],
)
def test_refused(keys: dict[str, Any], said: str, tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", keys=keys)
    with pytest.raises(ValueError, match=said) as caught:
        tokenizer.check(tmp_path / "m.gguf", header.read(tmp_path / "m.gguf"))
    assert "source: local" in str(caught.value)


def test_damaged_merges_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", keys=bpe(["bc"], ["b c", "nowhere c"]))
    with pytest.raises(ValueError, match=r"the tokenizer in .*m.gguf cannot be made .*out of vocabulary"):
        tokenizer.make(tmp_path / "m.gguf", header.read(tmp_path / "m.gguf"))


def test_a_habit_that_differs_is_found(tmp_path: Path) -> None:
    """What is known of the original is compared with the finished tokenizer, whatever made it."""
    write(tmp_path / "m.gguf", keys={"tokenizer.ggml.add_bos_token": True})
    found = header.read(tmp_path / "m.gguf")
    one, _ = tokenizer.make(tmp_path / "m.gguf", found)
    whole = json.loads(one.backend_tokenizer.to_str())
    broken = {
        "begins without the beginning-of-sequence token": {"post_processor": None},
        "comes back as": {"normalizer": {"type": "Lowercase"}},
        "special tokens are cut into pieces": {"added_tokens": []},
    }
    for said, change in broken.items():
        other = type(one)(tokenizer_object=Tokenizer.from_str(json.dumps(whole | change)))
        assert any(said in sentence for sentence in tokenizer.differences(other, found)), said

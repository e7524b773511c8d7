"""How summaries are scored: ROUGE over any script, and LaSE, with a tiny random model of the real architecture."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman import languages
from dragoman.languages.identify import identifier
from dragoman.metrics import MetricError, lase, neural, rouge, score
from support.scorers import FAKE

# ------------------------------------------------------------------------------------------------------------- ROUGE

GOOGLE = [
    # hypothesis, reference, and what rouge-score 0.1.2 says: ROUGE-1, ROUGE-2, ROUGE-L
    ("the cat sat on the mat", "the cat is on the mat", 83.333333, 60.0, 83.333333),
    ("a b c d e f g", "g f e d c b a", 100.0, 0.0, 14.285714),
    ("the the the the", "the cat", 33.333333, 0.0, 33.333333),
    ("one", "one", 100.0, 0.0, 100.0),
    ("The Police killed the gunman, in 2010.", "police kill the gunman in 2010", 76.923077, 54.545455, 76.923077),
    ("l'homme est venu", "l'homme venu est l'ami", 80.0, 25.0, 60.0),
    ("snake_case words", "snake case words", 100.0, 100.0, 100.0),
]


@pytest.mark.parametrize(("answer", "reference", "one", "two", "longest"), GOOGLE)
def test_rouge_is_googles_where_that_can_read(
    answer: str, reference: str, one: float, two: float, longest: float
) -> None:
    for of, expected in (("rouge1", one), ("rouge2", two), ("rougeL", longest)):
        found = score(f"rouge:of={of}", [answer], [[reference]], [], "fr-en")
        assert found.value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("L'été, à Noël !", "fr", ["l", "été", "à", "noël"]),  # rouge-score: "t", "no", "l"
        ("e\u0301te\u0301", "fr", ["été"]),  # the same letters, written in two parts
        ("Привет, мир", "ru", ["привет", "мир"]),  # rouge-score: nothing
        ("हिन्दी में", "hi", ["हिन्दी", "में"]),  # vowel signs are marks, and \w does not match them
        ("می\u200cخواهم", "fa", ["میخواهم"]),
        ("他们说：很好。", "zh", [*"他们说很好"]),
        ("COVID", "zh", [*"covid"]),
        ("—?!", "en", []),
    ],
)
def test_words_of_any_script(text: str, language: str, expected: list[str]) -> None:
    assert rouge.words(text, languages.read(language)) == expected


def test_letters_that_google_drops_count() -> None:
    """For rouge-score, "été" and "tête" share the word "t"."""
    assert score("rouge:of=rouge1", ["été déjà"], [["thé doré"]], [], "en-fr").value == 0
    assert score("rouge:of=rouge2", ["привет мир"], [["привет мир"]], [], "en-ru").value == 100
    assert score("rouge", ["很好很好"], [["好很"]], [], "en-zh").value == pytest.approx(100 * 2 * 2 / 6)


def test_mean_best_reference_and_what_is_empty() -> None:
    found = score("rouge:of=rouge1", ["a b", ""], [["a b", "c"], ["x", "d"]], [], "fr-en")
    assert found.segments == (100, 0)
    assert (found.value, found.low, found.high) == (50, 0, 100)
    assert "nrefs:2" in found.signature
    with pytest.raises(MetricError, match=r"unknown kind of ROUGE 'rouge3'.*did you mean 'rouge"):
        score("rouge:of=rouge3", ["a"], [["a"]], [], "fr-en")
    assert rouge.label(of="rouge2") == "ROUGE-2"


# -------------------------------------------------------------------------------------------------------------- LaSE


@pytest.mark.parametrize(
    ("written", "wanted", "expected"),
    [(0, 4, 1.0), (10, 4, 1.0), (20, 4, math.exp(-1)), (6, 0, 1.0), (12, 0, math.exp(-1))],
)
def test_length_penalty(written: int, wanted: int, expected: float) -> None:
    assert lase.length_penalty(written, wanted) == pytest.approx(expected)


def test_language_confidence_is_one_or_a_probability() -> None:
    chosen = identifier("lingua", frozenset({"en", "fr", "de"}))
    lines = ["Il a acheté une maison à la mer.", "He has bought a house by the sea.", "  ", "20:15"]
    right, wrong, blank, none = lase.language_confidence(chosen.confidence, lines, "fr")
    assert right == 1
    assert 0 < wrong < 0.1
    assert (blank, none) == (0, 0)
    assert lase.language_confidence(chosen.confidence, lines[1:2], "en") == [1]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A scorer in the place of ours whose cosine is a tenth of the letters."""
    (tmp_path / "scorer.py").write_text(FAKE)
    monkeypatch.setattr(neural, "SCORER", tmp_path / "scorer.py")
    monkeypatch.setenv("DRAGOMAN_NEURAL_PYTHON", sys.executable)
    (tmp_path / "plain").touch()
    yield tmp_path
    neural.close()


def test_lase_is_the_product(fake: Path) -> None:
    spec = f"lase:model={fake}/plain,languages=en+fr"
    answers = ["Il a une maison.", "", "la mer " * 10]
    found = score(spec, answers, [["La maison.", "Non.", "La mer."]], [], "en-fr")
    assert found.segments == pytest.approx((160, 0, 100 * 7.0 * math.exp(1 - 20 / 8)))
    assert found.value == pytest.approx(sum(found.segments or ()) / 3)
    assert found.note.startswith("meaning 2.867, language 0.667, length 0.741")
    assert "LaSE|LaBSE|model:fake|revision:1|nrefs:1" in found.signature
    assert "id:lingua" in found.signature


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("model=nowhere", "no such file or folder: 'nowhere'"),
        ("identifer=lingua", "unknown option of lase 'identifer'; did you mean 'identifier'"),
        ("batch=0", "batch is a whole number"),
        ("languages=en+de", "leaves out 'fr'"),
    ],
)
def test_lase_that_cannot_be(fake: Path, options: str, message: str) -> None:
    spec = f"lase:{options}" + ("" if "model" in options else f",model={fake}/plain")
    with pytest.raises(MetricError, match=message):
        score(spec, ["a"], [["b"]], [], "en-fr")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identifer": "lingua"}, "unknown option 'identifer'; did you mean 'identifier'"),
        ({"identifier": "linga"}, "unknown identifier 'linga'; did you mean 'lingua'"),
        ({"bootstrap": -1}, "bootstrap is a number of resamples from 0, not -1"),
        ({"model": "nowhere"}, "no such file or folder: 'nowhere'"),
    ],
)
def test_lase_is_refused_before_anything_runs(options: dict[str, object], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        lase.check(**options)
    lase.check(languages="en+fr", batch=4)
    assert lase.label(model="a/LaBSE-2", identifier="lingua") == "LaSE (LaBSE-2)"


def test_lase_without_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_NEURAL_PYTHON", str(tmp_path / "python"))
    with pytest.raises(MetricError, match="run `make env-neural`"):
        score("lase", ["a"], [["b"]], [], "en-fr")


def test_labse_is_the_cosine_of_poolers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny BERT with random weights, by our scorer and by hand. Its packages are in our environment, too."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*special, "un", "chat", "noir", "dort"])}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **names)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(1)
    model = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=8, **sizes)).eval()
    model.save_pretrained(tmp_path / "labse")
    tokenizer.save_pretrained(tmp_path / "labse")

    monkeypatch.setenv("DRAGOMAN_NEURAL_PYTHON", sys.executable)
    answers, references = ["un chat", "chat noir dort", "un " * 9], ["un chat", "un chat", "noir"]
    values, cut = neural.scorer("labse", str(tmp_path / "labse")).score(
        [{"mt": answer, "ref": reference} for answer, reference in zip(answers, references, strict=True)], batch=2
    )
    neural.close()
    with torch.no_grad():
        sides = [
            model(**tokenizer(text, truncation=True, max_length=8, return_tensors="pt")).pooler_output
            for text in (*answers, *references)
        ]
    expected = [torch.cosine_similarity(a, b).item() for a, b in zip(sides[:3], sides[3:], strict=True)]
    assert values == pytest.approx(expected, abs=1e-6)
    assert values[0] == pytest.approx(1)
    assert cut == 1

    (tmp_path / "labse" / "model.safetensors").rename(tmp_path / "labse" / "weights")
    with pytest.raises(MetricError, match=r"is no BERT model .* take setu4993/LaBSE"):
        neural.scorer("labse", str(tmp_path / "labse"))

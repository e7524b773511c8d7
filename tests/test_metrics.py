import csv
import gzip
import json
import os
import unicodedata

import numpy as np
import pytest

from conftest import DATA, NO_DATA
from dragoman import metrics
from dragoman.metrics import MetricError, bleu, chrf, score
from dragoman.metrics.bootstrap import interval, resampled_sums

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA)
EVERY = 1 if os.environ.get("DRAGOMAN_GOLDEN") == "full" else 12
"""Of the golden scores one in so many is computed again; DRAGOMAN_GOLDEN=full takes all of them (five minutes)."""

REFERENCE = ["the cat sat on a mat", "there is a dog in the garden", "he reads the old book"]
HYPOTHESIS = ["the cat sat on the mat", "there is a dog in a garden", "he reads an old book"]


def test_bleu_by_hand():
    # 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; as long as the reference
    found = score("bleu", HYPOTHESIS[:1], [REFERENCE[:1]], pair="fr-en")
    assert found.value == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert found.n == 1
    # 5 of 5, 4 of 4, 3 of 3, 2 of 2, and the brevity penalty exp(1 - 6/5)
    short = score("bleu", ["the cat sat on a"], [REFERENCE[:1]], pair="fr-en")
    assert short.value == pytest.approx(100 * np.exp(1 - 6 / 5))


def test_chrf_by_hand():
    # one letter: precision 1, recall 2/3; two letters: 1, 1/2; longer: the hypothesis has none
    found = score("chrf", ["ab"], [["abc"]], pair="fr-en")
    recall = (2 / 3 + 1 / 2) / 2
    assert found.value == pytest.approx(100 * 5 * recall / (4 + recall))
    assert found.segments == pytest.approx((found.value,))


@pytest.mark.parametrize("spec", ["bleu", "chrf", "ter", "rouge"])
def test_letters_decomposed_on_one_side_are_noted(spec):
    composed = ["나는 학생입니다 그리고 책을 읽었습니다.", "책을 읽었습니다."]
    decomposed = [unicodedata.normalize("NFD", composed[0]), composed[1]]
    said = "letters are decomposed (not NFC) in 1 of 2 {} alone: most metrics take them for others"
    for hypotheses, references, side in (
        (decomposed, composed, "hypotheses"),
        (composed, decomposed, "references"),
        (decomposed, decomposed, ""),
        (composed, composed, ""),
    ):
        assert score(spec, hypotheses, [references], pair="en-ko").note == (said.format(side) if side else "")


def test_several_references_help():
    one = score("bleu", HYPOTHESIS, [REFERENCE], pair="fr-en").value
    two = score("bleu", HYPOTHESIS, [REFERENCE, HYPOTHESIS], pair="fr-en")
    assert one < two.value == pytest.approx(100)
    assert "nrefs:2" in two.signature


@pytest.mark.parametrize("spec", ["bleu", "chrf", "chrf:word_order=2", "bleu:lowercase=true,tokenize=char"])
def test_equals_sacrebleu(spec):
    from sacrebleu.metrics import BLEU, CHRF

    random = np.random.default_rng(7)
    references = [" ".join(random.choice(["a", "bee", "Sea", "D", "eels", "."], 9)) for _ in range(60)]
    hypotheses = [" ".join(random.permutation(line.split())) if i % 3 else line for i, line in enumerate(references)]
    name, options = metrics.parse(spec)
    theirs = BLEU(**options) if name == "bleu" else CHRF(**options)
    expected = theirs.corpus_score(hypotheses, [references], n_bootstrap=1000)
    found = score(spec, hypotheses, [references], pair="de-en")
    assert found.value == expected.score
    # sacrebleu keeps only half the width, and adds in float32
    assert (found.high - found.low) / 2 == pytest.approx(expected._ci, abs=1e-4)
    assert found.low <= found.value <= found.high
    assert found.signature.endswith(str(theirs.get_signature()))
    assert "bs:1000|seed:12345" in found.signature
    if found.segments:
        sentences = [theirs.sentence_score(h, [r]).score for h, r in zip(hypotheses, references, strict=True)]
        assert found.segments == pytest.approx(sentences)


@pytest.mark.parametrize("word_order", [0, 2])
@pytest.mark.parametrize("lowercase", [False, True])
def test_ngrams_are_counted_as_by_sacrebleu(word_order, lowercase, monkeypatch):
    """Over letters of all kinds, blanks of all kinds, empty lines, and sets of references of which the best counts."""
    random = np.random.default_rng(11)
    letters = [*"abcAé .,(e)", "\u00a0", "\u2028", "猫", "\U0001d518", "e\u0301", "\ud800"]

    def lines(count):
        return ["".join(random.choice(letters, random.choice([0, 1, 2, 7, 40]))) for _ in range(count)]

    counter = chrf.metric(word_order=word_order, lowercase=lowercase)
    for references in (1, 1, 3):
        hypotheses, sets = lines(23), [lines(23) for _ in range(references)]
        monkeypatch.setattr(chrf, "_COUNTED_AT_ONCE", int(random.choice([1, 10, 5000])))
        expected = counter._extract_corpus_statistics(hypotheses, sets)
        assert chrf.statistics(counter, hypotheses, sets).tolist() == expected


def test_resamples_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch):
    statistics = np.random.default_rng(1).integers(0, 50, (37, 4)).tolist()
    whole = list(resampled_sums(statistics, 100))
    monkeypatch.setattr("dragoman.metrics.bootstrap._DRAWN_AT_ONCE", 37 * 7)
    assert np.array_equal(list(resampled_sums(statistics, 100)), whole)


def test_interval_cuts_one_fortieth_at_each_end():
    assert interval(range(1000)) == (25, 974)


def test_no_bootstrap_no_interval():
    found = score("bleu", HYPOTHESIS, [REFERENCE], pair="fr-en", bootstrap=0)
    assert (found.low, found.high) == (None, None)
    assert "bs:" not in found.signature


def test_seed_does_not_come_from_the_environment(monkeypatch):
    before = score("chrf", HYPOTHESIS, [REFERENCE], pair="fr-en")
    monkeypatch.setenv("SACREBLEU_SEED", "1")
    assert score("chrf", HYPOTHESIS, [REFERENCE], pair="fr-en") == before


@pytest.mark.parametrize(
    ("pair", "tokenizer"), [("en-zh", "zh"), ("en-zh_CN", "zh"), ("zh-en", "13a"), ("en-de", "13a")]
)
def test_tokenizer_follows_the_target_language(pair, tokenizer):
    assert f"tok:{tokenizer}|" in score("bleu", ["我很好。"], [["我很好。"]], pair=pair).signature


@pytest.mark.parametrize(("pair", "extra", "module"), [("en-ja", "ja", "MeCab"), ("en-ko", "ko", "mecab_ko")])
def test_missing_mecab_is_named(pair, extra, module, monkeypatch):
    tokenizer = pytest.importorskip(f"sacrebleu.tokenizers.tokenizer_{extra}_mecab")
    monkeypatch.setattr(tokenizer, "MeCab", None)
    with pytest.raises(MetricError, match=rf"pip install 'sacrebleu\[{extra}\]'"):
        score("bleu", ["x"], [["x"]], pair=pair)
    assert score("bleu", ["x y z w"], [["x y z w"]], pair=pair, tokenize="char").value == pytest.approx(100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bleu", [], [[]]), "no sentences"),
        (("bleu", ["a", "b"], [["a"]]), "2 hypotheses, but 1 lines in reference 1"),
        (("chrf", ["a"], [["a"], ["a", "b", "c"]]), "1 hypotheses, but 3 lines in reference 2"),
        (("chrf", ["a"], [["a"]], ["a", "b"]), "1 hypotheses, but 2 sources"),
        (("bleu", ["a"], []), "needs references"),
        (("bleu", ["a"], [[" "]]), "every reference is empty"),
        (("bleu:tokenise=char", ["a"], [["a"]]), "unknown option of bleu 'tokenise'; did you mean 'tokenize'"),
        (("bleu:tokenize=13b", ["a"], [["a"]]), "did you mean '13a'"),
        (("bleu:tokenize", ["a"], [["a"]]), "name=value"),
        (("chrf:word_order=many", ["a"], [["a"]]), "word_order"),
        (("chrf:bootstrap=-1", ["a"], [["a"]]), "negative"),
    ],
)
def test_errors_are_raised_not_scored(arguments, message):
    with pytest.raises(MetricError, match=message.replace("?", r"\?")):
        score(*arguments, pair="de-en")


def test_bad_pair_and_unknown_metric():
    with pytest.raises(MetricError, match="'en-fr', not 'english'"):
        score("bleu", ["a"], [["a"]], pair="english")
    with pytest.raises(KeyError, match="did you mean 'bleu'"):
        score("blue", ["a"], [["a"]], pair="de-en")


def test_a_zero_by_definition_says_so():
    found = score("bleu", ["two words"], [["two words"]], pair="de-en")
    assert found.value == 0
    assert "no hypothesis has 4 tokens" in found.note


def test_presentation():
    assert metrics.presentation("chrf:word_order=2").label == "chrF++"
    assert metrics.presentation("bleu").better == "higher"
    for spec in ("somebody-elses", "chrf:word_order=many", "chrf:2"):
        assert metrics.presentation(spec) == metrics.Presentation(spec)


def _wmt22():
    with open(DATA / "wmt22" / "scores.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))[::EVERY] if DATA.is_dir() else []


@needs_data
def test_wmt22_scores_come_out_again():
    by_pair: dict[str, list[dict[str, str]]] = {}
    for row in _wmt22():
        by_pair.setdefault(row["pair"], []).append(row)
    for pair, rows in by_pair.items():
        with gzip.open(DATA / "wmt22" / f"{pair}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
            lines = [json.loads(line) for line in file]
        for row in rows:
            hypotheses = [line["hyps"][row["system"]] for line in lines]
            references = [[line["refs"][row["ref"]] for line in lines]]
            found = bleu.compute(hypotheses, references, [], pair, bootstrap=0)
            assert found.value == pytest.approx(float(row["BLEU_recomputed"]), abs=1e-3), row
            assert found.signature == f"BLEU|{row['bleu_signature']}"
            assert found.n == int(row["n"])
            if row["BLEU_published"]:
                assert found.value == pytest.approx(float(row["BLEU_published"]), abs=1e-3), row
            found = chrf.compute(hypotheses, references, [], pair, bootstrap=0)
            for column in ("chrF2_recomputed", "chrF2_published"):
                if row[column]:
                    assert found.value == pytest.approx(float(row[column]), abs=1e-3), row


@needs_data
def test_iwslt17_published_bleu_comes_out_again():
    folder = DATA / "iwslt17_systems"
    with open(folder / "scores_dev2010.tsv", encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file, delimiter="\t"))
    for row in expected:
        with gzip.open(folder / row["file"], "rt", encoding="utf-8", newline="\n") as file:
            header, *lines = [line.rstrip("\n").split("\t") for line in file]
        hypotheses = [line[header.index("hyp_tok_lc")] for line in lines]
        references = [[line[header.index("ref_tok_lc")] for line in lines]]
        pair = f"{row['src']}-{row['tgt']}"
        found = bleu.compute(hypotheses, references, [], pair, tokenize="none", bootstrap=0)
        assert f"{found.value:.2f}" == row["published_BLEU_multi-bleu"], row

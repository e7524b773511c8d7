"""spBLEU, whose tokenizer has a file of its own, and TER."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from dragoman import metrics
from dragoman.configfile import ConfigError, parse
from dragoman.metrics import MetricError, bleu, score, significance, ter
from dragoman.plan import Plan
from dragoman.text import objects
from support.claimed import config
from support.resampling import bootstrap_p, texts

SPBLEU = "bleu:tokenize=flores101"


@pytest.fixture
def pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model of sentencepiece where sacrebleu would fetch its own from, and an empty cache of sacrebleu."""
    import sacrebleu.tokenizers.tokenizer_spm as spm
    import sacrebleu.utils
    import sentencepiece

    model = tmp_path / "far" / "pieces.model"
    model.parent.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["der hund schläft im garten", "die katze schläft im haus"] * 20),
        model_prefix=str(model.with_suffix("")),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    entry = {"url": model.as_uri(), "signature": "flores101"}
    monkeypatch.setitem(spm.SPM_MODELS, "flores101", entry)
    for module in (spm, sacrebleu.utils):
        monkeypatch.setattr(module, "SACREBLEU_DIR", str(tmp_path / "cache"))
    return model


def test_spbleu_counts_pieces(pieces: Path) -> None:
    import sentencepiece

    hypotheses, references = ["der hund schläft im haus"], [["die katze schläft im haus"]]
    found = score(SPBLEU, hypotheses, references, pair="en-de")
    assert "|tok:flores101|" in found.signature
    assert metrics.presentation(SPBLEU).label == "spBLEU"
    cutter = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    cut = [[" ".join(cutter.EncodeAsPieces(line)) for line in lines] for lines in (hypotheses, *references)]
    assert found.value == score("bleu:tokenize=none", cut[0], [cut[1]], pair="en-de").value
    assert 0 < found.value < 100
    assert (pieces.parents[1] / "cache" / "models" / "pieces.model").read_bytes() == pieces.read_bytes()
    assert significance.statistics(SPBLEU, hypotheses, references, [], "en-de").value == pytest.approx(found.value)


def test_what_spbleu_needs_is_fetched_or_named(pieces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = pieces.parents[1] / "cache" / "models" / "pieces.model"
    away = pieces.rename(pieces.with_suffix(".away"))
    [find] = metrics.requisites(SPBLEU, ["en-de", "en-fr"])
    text = rf"needs the file {kept}, which is missing and cannot be fetched from file://.*: fetch it .* put it there"
    with pytest.raises(MetricError, match=text):
        find()
    kept.touch()  # what a download that was cut off leaves
    with pytest.raises(MetricError, match=text):
        find()
    away.rename(pieces)
    assert find() == "the tokenizer flores101 of BLEU"
    kept.write_bytes(b"half a fi")
    with pytest.raises(MetricError, match=rf"the file {kept}, which cannot be read .*: remove it"):
        find()
    monkeypatch.setattr(bleu.importlib.util, "find_spec", lambda name: None)
    world = config("results")
    world["experiments"]["simulmask"]["metrics"] = [SPBLEU]
    with pytest.raises(ConfigError, match=r"metrics\.0.*needs the package sentencepiece.*make env"):
        parse(world)


def test_only_what_needs_more_than_packages_is_looked_for() -> None:
    assert Plan(parse(config("results"))).requisites("simulmask") == []
    assert [find.args for find in metrics.requisites("bleu", ["en-ja", "en-de", "en-zh"])] == [("ja-mecab", "en-ja")]
    for spec, text in {
        "bleu:tokenize=flores102": "did you mean 'flores101'",
        "bleu:lowercase=1": "lowercase is true or false",
        "bleu:bootstrap=-1": "from 0, not -1",
        "bleu:tokenise=char": "did you mean 'tokenize'",
    }.items():
        with pytest.raises(MetricError, match=text):
            bleu.check(**metrics.parse(spec)[1])


def test_ter_is_sacrebleus() -> None:
    from sacrebleu.metrics import TER

    good, bad, references = texts()
    for spec, options in {"ter": {}, "ter:case_sensitive=true": {"case_sensitive": True}}.items():
        theirs = TER(**options)
        wanted = theirs.corpus_score(good, [references], n_bootstrap=1000)
        found = score(spec, good, [references], pair="de-en")
        assert found.value == pytest.approx(wanted.score, abs=1e-9)
        assert (found.high - found.low) / 2 == pytest.approx(wanted._ci, rel=0.02)
        assert f"|case:{'mixed' if options else 'lc'}|tok:tercom|" in found.signature
        assert found.segments[1] == theirs.sentence_score(good[1], [references[1]]).score
        sums = significance.statistics(spec, good, [references], [], "de-en")
        assert sums.value == pytest.approx(found.value, abs=1e-9)
    assert score("ter", bad, [references], pair="de-en").value > found.value, "lower is better"
    assert metrics.presentation("ter").better == "lower"
    # neither words nor edits is no error; edits without a word are all wrong, as sacrebleu has it
    assert ter.score(np.asarray([[0.0, 0.0], [2.0, 0.0], [1.0, 4.0]])).tolist() == [0, 100, 25]
    with pytest.raises(MetricError, match="normalized is true or false, not 1"):
        score("ter:normalized=1", good, [references], pair="de-en")


CAT, DOG = ["我喜欢猫。"], [["我爱猫。"]]


def test_ter_cuts_chinese_into_characters() -> None:
    """A substitution and an insertion in 4 characters; of whole sentences, the one word is wrong."""
    from sacrebleu.metrics import TER

    for pair in ("en-zh", "eng_Latn-zho_Hans", "en-yue"):
        found = score("ter", CAT, DOG, pair=pair)
        assert found.value == pytest.approx(100 * 2 / 4)
        assert found.value == TER(normalized=True, asian_support=True).corpus_score(CAT, DOG).score
        assert "|norm:yes|punct:yes|asian:yes|" in found.signature
        assert significance.statistics("ter", CAT, DOG, [], pair).value == pytest.approx(found.value)
    assert score("ter:normalized=false", CAT, DOG, pair="en-zh").value == 100
    assert "|norm:no|punct:yes|asian:no|" in score("ter:normalized=false", CAT, DOG, pair="en-zh").signature
    # Japanese: 猫 and 魚 are words, and so is every run of kana
    assert score("ter", ["猫が魚を食べた"], [["猫が魚を焼いた"]], pair="en-ja").value == pytest.approx(100 * 2 / 6)


def test_ter_of_other_languages_is_as_it_was() -> None:
    for pair in ("en-de", "en-ko", "en-ja_Latn", "zh-en"):
        assert "|norm:no|punct:yes|asian:no|" in score("ter", ["a b"], [["a c"]], pair=pair).signature
    korean = ["나는 고양이를 좋아한다."], [["나는 개를 좋아한다."]]
    parted = score("ter:normalized=true", *korean, pair="en-ko")
    assert parted.value == score("ter:normalized=true,asian_support=true", *korean, pair="en-ko").value


def test_ter_of_real_chinese(shared_data: Path) -> None:
    """As whole sentences, even the best system of WMT22 has 98.6."""
    lines = islice(objects(shared_data / "wmt22" / "en-zh.jsonl.gz"), 12)
    rows = [row for _, row in lines]
    hypotheses, references = [row["hyps"]["wmt22:Online-G"] for row in rows], [[row["refs"]["A"] for row in rows]]
    found = score("ter", hypotheses, references, pair="en-zh", bootstrap=0)
    assert 20 < found.value < 70
    assert score("ter:normalized=false", hypotheses, references, pair="en-zh", bootstrap=0).value > 90


@pytest.mark.parametrize(
    ("spec", "pair"), [("ter:asian_support=true", "en-de"), ("ter:normalized=false,asian_support=true", "en-zh")]
)
def test_options_of_ter_that_do_nothing_are_refused(spec: str, pair: str) -> None:
    with pytest.raises(MetricError, match=f"asian_support=true does nothing in {pair} without normalized=true"):
        score(spec, ["a"], [["a"]], pair=pair)
    for more in ("no_punct=true", "normalized=true"):
        score(f"ter:{more},asian_support=true", ["a"], [["a"]], pair=pair)
    world = config("results")
    world["experiments"]["simulmask"]["metrics"] = ["ter:asian_support=true"]
    with pytest.raises(ConfigError, match=r"metrics\.0.*asian_support=true does nothing"):
        parse(world)


@pytest.mark.parametrize("kind", ["bs", "ar"])
def test_ter_is_tested_as_by_sacrebleu(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sacrebleu.metrics import TER
    from sacrebleu.significance import PairedTest

    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    good, bad, references = texts()
    _, found = PairedTest([("bad", bad), ("good", good)], {"m": TER()}, [references], test_type=kind)()
    theirs = next(results for name, results in found.items() if name != "System")
    ours = [[significance.statistics("ter", each, [references], [], "de-en")] for each in (good, bad)]
    compared = significance.randomisation(*ours)
    assert compared.difference == pytest.approx(theirs[1].score - theirs[0].score, abs=1e-9)
    p = bootstrap_p(*ours) if kind == "bs" else compared.p
    assert p == pytest.approx(theirs[1].p_value, abs=1.5e-3 if kind == "bs" else 1e-12)

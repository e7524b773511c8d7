"""One function reads the codes of languages for every entry point, and no metric falls back to Latin rules silently."""

from __future__ import annotations

import pytest

from dragoman import languages
from dragoman.languages import LanguageError, named, named_pair, read, read_pair
from dragoman.metrics import MetricError, bleu, score
from dragoman.results import published
from refusals import Bad, over, refuse

CHINESE = [
    *("zh", "ZH", " zh ", "zho", "chi", "cmn", "zh-Hans", "zh_Hant", "zh-CN", "zh_TW", "zh-Hant-TW", "zh-cmn"),
    *("zho_Hans", "zho_Hant", "cmn_Hani", "zh_CN", "zh-419", "Chinese", "chinese", "Mandarin Chinese"),
]


@pytest.mark.parametrize("text", CHINESE)
def test_one_language_written_in_many_ways(text: str) -> None:
    assert read(text).code == "zh"
    assert read(text).script in languages.CHINESE
    assert read_pair(f"eng_Latn-{text}")[1].code == "zh"


@pytest.mark.parametrize(
    ("text", "code", "script"),
    [
        ("en_XX", "en", "Latn"),
        ("pt-BR", "pt", "Latn"),
        ("iw", "he", "Hebr"),
        ("ger", "de", "Latn"),
        ("nb", "no", "Latn"),
        ("nno_Latn", "no", "Latn"),
        ("arb_Arab", "ar", "Arab"),
        ("arz_Arab", "arz", "Arab"),
        ("ar-arz", "arz", "Arab"),
        ("als_Latn", "sq", "Latn"),
        ("fil", "tl", "Latn"),
        ("sr_Latn", "sr", "Latn"),
        ("sr", "sr", "Cyrl"),
        ("ca-valencia", "ca", "Latn"),
        ("de-CH-1996", "de", "Latn"),
        # Chinese languages keep their codes, and Chinese characters unless another script is named
        ("yue", "yue", "Hant"),
        ("zh-yue", "yue", "Hant"),
        ("wuu_Hans", "wuu", "Hans"),
        ("nan", "nan", "Hans"),
        ("nan_Latn", "nan", "Latn"),
        ("ja_Latn", "ja", "Latn"),
        ("Haitian Creole", "ht", "Latn"),
    ],
)
def test_what_a_code_means(text: str, code: str, script: str) -> None:
    assert read(text) == languages.Language(code, script)


@pytest.mark.parametrize(
    ("pair", "codes"),
    [
        ("en-fr", ("en", "fr")),
        ("eng_Latn-zho_Hans", ("en", "zh")),
        ("english-chinese", ("en", "zh")),
        ("en-zh ", ("en", "zh")),
        ("EN-ZH", ("en", "zh")),
        ("pt-BR-zh", ("pt", "zh")),
        ("en-pt-BR", ("en", "pt")),
        ("pt-BR-en-US", ("pt", "en")),
        ("en-zh-cn", ("en", "zh")),
        ("zh-TW-en", ("zh", "en")),  # Twi is `tw`
        ("no-NO-en", ("no", "en")),
        ("zh-Hant-TW-en", ("zh", "en")),
        ("zh-yue-en", ("yue", "en")),
        ("en-zh-yue", ("en", "yue")),
        ("serbo-croatian-english", ("sh", "en")),
    ],
)
def test_pairs(pair: str, codes: tuple[str, str]) -> None:
    assert tuple(language.code for language in read_pair(pair)) == codes


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("ende", "'en-fr', not 'ende'"),
        ("en-", "'en-fr', not 'en-'"),
        ("", "'en-fr', not ''"),
        ("en_zh", "'en-fr', not 'en_zh'"),
        ("en-xx", "unknown language 'xx'; did you mean"),
        ("en-jp", r"unknown language 'jp'; did you mean 'ja' \(Japanese\)"),
        ("cz-en", r"unknown language 'cz'; did you mean 'cs' \(Czech\)"),
        ("en-germn", "unknown language 'germn'; did you mean 'german'"),
        ("en-zho_Hasn", "'zho_Hasn': unknown script 'Hasn'; did you mean 'Hans'|'Hant'"),
        ("en-de_DE.UTF-8", "no pair of languages that are known"),
        ("en-__label__zh", "unknown language '__label__zh'"),
        ("en-fr_yue", "unknown language 'fr_yue'"),
        # Breton is `br`, and English of Portugal is no language anybody meant, but a program cannot know
        ("en-pt-br", r"can be read as 'en' to 'pt-br' and as 'en-pt' to 'br'; .*'pt_BR-zh'"),
        ("pt-br-zh", "can be read as 'pt' to 'br-zh' and as 'pt-br' to 'zh'"),
        ("de-en-fr", "can be read as 'de' to 'en-fr' and as 'de-en' to 'fr'"),
    ],
)
def test_what_is_no_pair(pair: str, message: str) -> None:
    with pytest.raises(LanguageError, match=message):
        read_pair(pair)
    if pair:
        with pytest.raises(MetricError, match=message):  # also by a metric that does not read the language
            score("chrf", ["a"], [["a"]], pair=pair)


def test_the_table_contradicts_nothing() -> None:
    for code, row in languages.TABLE.items():
        assert read(code) == languages.Language(code, row.script)
        assert {read(name).code for name in row.names} == {code}
        assert row.flores in ("", "101", "200")
    assert len(languages.BY_CODE) == sum(1 + len(others(code)) for code in languages.TABLE), "a code stands twice"
    assert [*languages.NAMES] == sorted(languages.NAMES)
    assert {"ja", "th", "zh", "yue", "km", "lo", "my", "bo"} <= languages.UNSPACED
    assert not {"ko", "vi", "hi", "ar", "en"} & languages.UNSPACED


def others(code: str) -> list[str]:
    return [each for each, meant in languages.BY_CODE.items() if meant == code != each]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("zho_Hans", "Chinese is written 'zh' here, not 'zho_Hans'"),
        ("DE", "German is written 'de' here"),
        ("nb", "Norwegian is written 'no' here"),
        ("english", "English is written 'en' here"),
        ("xx", "unknown language 'xx'"),
        ("yue", r"unknown language 'yue'.*\(known: ar,"),
    ],
)
def test_configurations_have_one_spelling(code: str, message: str) -> None:
    with pytest.raises(LanguageError, match=message):
        named(code)
    with pytest.raises(LanguageError, match=message):
        named_pair(f"en-{code}" if code != "english" else "english-fr")


def test_the_off_target_ratio_reads_the_same_codes() -> None:
    line = ["Der Hund schläft im Garten."]
    usual = score("offtarget:languages=en+fr+de", line, [], pair="fr-de", bootstrap=0)
    for spec, pair in (
        ("en+fr+de", "fra_Latn-deu_Latn"),
        ("eng+fra+deu", "french-german"),
        ("en_XX+fr_FR+de-AT", "fr-de"),
    ):
        assert score(f"offtarget:languages={spec}", line, [], pair=pair, bootstrap=0) == usual


CONFIG = "experiments: {e: {title: t, model: m, prompt: short, test: {corpus: demo, pairs: [en-fr, %s]}, systems: {}}}"
TEXT = "score.py text --hypothesis h --reference h --bootstrap 0 --pair"
ROWS = [
    *(
        Bad(
            f"{metric} of a language that is none",
            f"{TEXT} en-xx --metric {metric}",
            ["unknown language 'xx'"],
            {"h": "a"},
        )
        for metric in ("bleu", "chrf", "ter", "rouge", "offtarget", "tags", "bleurt", "comet --source h")
    ),
    Bad("a region in doubt", f"{TEXT} pt-br-zh", ["'pt-br' to 'zh'", "pt_BR-zh"], {"h": "a"}),
    Bad(
        "another spelling",
        "validate.py c.yaml",
        ["test.pairs.1 = 'en-zho_Hans'", "Chinese is written 'zh' here"],
        {"c.yaml": CONFIG % "en-zho_Hans"},
        lines=0,
    ),
]


@over(ROWS)
def test_refused(bad, tmp_path):
    refuse(bad, tmp_path)


def test_published_pairs_have_one_spelling(tmp_path) -> None:
    header = "\t".join(published.COLUMNS)
    whole = (published.FOLDER / "langaware.tsv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "langaware.tsv").write_text("\n".join([header, whole[1].replace("en-", "eng-", 1)]) + "\n")
    with pytest.raises(ValueError, match=r"langaware.tsv:2: .*English is written 'en' here, not 'eng'"):
        published.read(tmp_path / "langaware.tsv")


# ------------------------------------------------------------------------------------ what has no tokenizer of its own

HYPOTHESIS, REFERENCE = ["我很好。你好吗？", "我喜欢猫"], [["我很好。你怎么样？", "我爱猫"]]


@pytest.mark.parametrize("pair", ["en-zh", "en-zh ", "eng_Latn-zho_Hans", "eng-zho", "en-cmn", "english-chinese"])
def test_every_spelling_has_the_same_tokenizer(pair: str) -> None:
    found = score("bleu", HYPOTHESIS, REFERENCE, pair=pair, bootstrap=0)
    assert found == score("bleu:tokenize=zh", HYPOTHESIS, REFERENCE, pair="en-zh", bootstrap=0)
    assert (found.note, "|tok:zh|" in found.signature) == ("", True)
    assert found.value > score("bleu:tokenize=13a", HYPOTHESIS, REFERENCE, pair="en-zh", bootstrap=0).value


@pytest.mark.parametrize(
    ("pair", "tokenizer"),
    [
        *(("en-" + code, "zh") for code in ("yue", "wuu", "zh-yue", "hak", "lzh", "zho_Hant")),
        *(("en-" + code, "13a") for code in ("nan_Latn", "ja_Latn", "th", "vi", "hi")),
        ("en-jpn_Jpan", "ja-mecab"),
        ("en-kor_Hang", "ko-mecab"),
        ("pt-BR-zh", "zh"),
    ],
)
def test_tokenizers_follow_the_script(pair: str, tokenizer: str) -> None:
    assert bleu.tokenizer(pair) == tokenizer


THAI = (["แมวกินปลา"], [["แมวกินข้าว"]])


@pytest.mark.parametrize(
    ("spec", "pair", "note"),
    [
        ("bleu", "en-th", "13a parts words at blanks, and Thai has none between words: better take tokenize=flores200"),
        ("bleu", "en-khm_Khmr", "13a parts words at blanks, and Khmer has none"),
        (
            "bleu:tokenize=13a",
            "en-zh",
            "13a parts words at blanks, and Chinese has none between words: better take tokenize=zh",
        ),
        ("bleu:tokenize=intl", "en-ja", "intl parts words at blanks, and Japanese has none"),
        ("bleu:tokenize=zh", "en-th", "the tokenizer zh is not made for Thai"),
        (
            "bleu",
            "en-hi",
            "Hindi has no tokenizer of its own: 13a parts words at blanks and at the punctuation of ASCII",
        ),
        ("bleu:tokenize=13a", "en-ko", "Korean has a tokenizer of its own: 13a parts words at blanks"),
        ("chrf:word_order=2", "en-zh", "Chinese has no blanks between words: what is counted as a word"),
        ("chrf:word_order=2", "en-th", "Thai has no blanks between words"),
        ("ter", "en-lo", "Lao has no blanks between words: a stretch of text between blanks counts as one word"),
        ("ter:asian_support=false", "en-zh", "Chinese has no blanks between words"),
        ("rouge", "en-my", "Burmese has no blanks between words: each character counts as one"),
        *((spec, "en-de", "") for spec in ("bleu", "chrf:word_order=2", "ter", "rouge", "bleu:tokenize=intl")),
        *((spec, "en-th", "") for spec in ("chrf", "bleu:tokenize=char", "bleu:tokenize=none")),
        *((spec, "en-zh", "") for spec in ("bleu", "ter", "chrf")),
        ("bleu", "en-ja_Latn", ""),
        ("bleu", "en-sr", ""),
    ],
)
def test_notes_on_languages_that_a_metric_does_not_cut(spec: str, pair: str, note: str) -> None:
    found = score(spec, ["a b c d e " + THAI[0][0]], [["a b c d e " + THAI[1][0][0]]], pair=pair, bootstrap=0).note
    assert found.startswith(note) if note else found == ""


@pytest.mark.parametrize(
    ("code", "tokenize", "note"),
    [
        ("yue", "flores101", "the pieces of flores101 were not learnt from Cantonese"),
        ("bo", "flores101", "the pieces of flores101 were not learnt from Tibetan"),
        ("br", "flores200", "the pieces of flores200 were not learnt from Breton"),
        ("yue", "flores200", ""),
        ("th", "flores101", ""),
        ("en", "flores200", ""),
    ],
)
def test_pieces_are_learnt_from_some_languages(code: str, tokenize: str, note: str) -> None:
    assert bleu.caveat(read(code), tokenize) == note


@pytest.mark.parametrize(
    "option", ["bleu:lowercase=no", "chrf:lowercase=no", "chrf:word_order=true", "bleu:bootstrap=1.5"]
)
def test_options_of_another_kind_are_refused(option: str) -> None:
    """`no` is a text, and so would have been taken for yes."""
    with pytest.raises(MetricError, match=r"is true or false, not 'no'|word_order is a number|bootstrap is a number"):
        score(option, ["a b c d"], [["a b c d"]], pair="en-de")

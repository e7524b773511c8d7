"""Words of many scripts, wherever they are cut or compared: dictionaries, prior tokens, alignment, ROUGE, the page."""

from __future__ import annotations

import random
import re
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dragoman import languages
from dragoman.config import DictionaryDecoder, PseudoPrior
from dragoman.corpora import aligner
from dragoman.decoding import Context, Item, baselines, priors
from dragoman.languages import words
from dragoman.languages.dictionaries import Dictionary
from dragoman.metrics import rouge

HINDI = {"मैं": "I", "हिन्दी": "Hindi", "किताब": "book", "पढ़ता": "read", "हूँ": "am"}
THAI = {"ฉัน": "I", "ชอบ": "like", "แมว": "cat"}
CHINESE = {"我": "I", "喜欢": "like", "猫": "cats", "喜": "joy"}
FRENCH = {"e-mail": "courriel", "new york": "New York", "today": "aujourd'hui", "don't": "ne", "the": "le"}

SENTENCES = [
    # dictionary, pair, source, what is written, its words as they are compared
    (HINDI, "hi-en", "मैं हिन्दी किताब पढ़ता हूँ ।", "I Hindi book read am ।", [*HINDI]),
    ({"தமிழ்": "Tamil", "நான்": "I"}, "ta-en", "நான் தமிழ்!", "I Tamil!", ["நான்", "தமிழ்"]),
    ({"বাংলা": "Bengali"}, "hi-en", "আমি বাংলা", "আমি Bengali", ["আমি", "বাংলা"]),
    ({"كِتَابٌ": "book"}, "ar-en", "كِتَابٌ، كتاب", "book، كتاب", ["كِتَابٌ", "كتاب"]),
    ({"كتاب": "book"}, "ar-en", "كـتـاب", "book", ["كتاب"]),
    ({"שָׁלוֹם": "peace"}, "he-en", "שָׁלוֹם!", "peace!", [unicodedata.normalize("NFC", "שָׁלוֹם")]),
    ({'צה"ל': "army", "ג'ורג'": "George"}, "he-en", "צה״ל ג׳ורג׳", "army George", ['צה"ל', "ג'ורג'"]),
    ({"می‌خواهم": "want"}, "fa-en", "می‌خواهم می", "want می", ["میخواهم", "می"]),
    ({"café": "coffee"}, "fr-en", "Un cafe\u0301.", "Un coffee.", ["un", "café"]),
    ({"cafe\u0301": "coffee"}, "fr-en", "CAFÉ", "Coffee", ["café"]),
    ({"l'eau": "water", "aujourd'hui": "today"}, "fr-en", "L’eau aujourd’hui", "Water today", ["l'eau", "aujourd'hui"]),
    (FRENCH, "en-fr", "The E-mail from New  York", "Le Courriel from New York", ["the", "e-mail", "from", "new york"]),
    (FRENCH, "en-fr", "Don't e mail", "Ne e mail", ["don't", "e", "mail"]),
    (
        {"istanbul": "I", "ışık": "light", "izmir": "Z"},
        "tr-en",
        "İstanbul IŞIK İzmir",
        "I Light Z",
        ["istanbul", "ışık", "izmir"],
    ),
    (CHINESE, "zh-en", "我喜欢猫。", "I like cats。", ["我", "喜欢", "猫"]),
    (CHINESE, "zh-en", "我喜欢iPhone手机", "I like iPhone手机", ["我", "喜欢", "iphone", "手", "机"]),
    (CHINESE, "zh-en", "2只猫", "2只 cats", ["2", "只", "猫"]),
    (
        {"私": "I", "は": "(topic)", "猫": "cat", "が": "(subject)"},
        "ja-en",
        "私は猫",
        "I (topic) cat",
        ["私", "は", "猫"],
    ),
    (THAI, "th-en", "ฉันชอบแมว", "I like cat", [*THAI]),
    (
        {"I": "我", "like": "喜欢", "cats": "猫"},
        "en-zh",
        "I like cats, dogs",
        "我喜欢猫, dogs",
        ["i", "like", "cats", "dogs"],
    ),
]


@pytest.mark.parametrize(("entries", "pair", "source", "written", "cut"), SENTENCES, ids=[row[2] for row in SENTENCES])
def test_sentence_is_cut_and_translated(
    entries: dict[str, str], pair: str, source: str, written: str, cut: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "d.tsv"
    path.write_text("".join(f"{word}\t{other}\n" for word, other in entries.items()), encoding="utf-8")
    decoder = baselines.Decoder(
        Context(None, pair, None), DictionaryDecoder(name="dictionary", files={pair: str(path)})
    )
    assert decoder.decode([Item(0, source, "")]) == [[{"hypothesis": written}]]
    found = Dictionary(entries.items(), pair[:2])
    assert [entry.key for entry in found.cut(source)] == cut
    prior = PseudoPrior(kind="pseudo", files={pair: str(path)}, words=9, capital=False)
    known = dict.fromkeys(word for word in cut if word in found)
    parted = "" if pair == "en-zh" else " "
    assert priors.pseudo(prior, found, source) == parted.join(found[word] for word in known)


def test_hindi_prior_is_the_first_known_word() -> None:
    prior = PseudoPrior(kind="pseudo", files={"hi-en": "d"}, word="first_known")
    assert priors.pseudo(prior, Dictionary(HINDI.items(), "hi"), "मैं हिन्दी किताब पढ़ता हूँ ।") == "I"
    assert priors.pseudo(prior, Dictionary([("किताब", "book")], "hi"), "मैं हिन्दी किताब") == "book"


def test_most_aligned_word_is_whole(tmp_path: Path) -> None:
    rows = {
        "source": ["my book", "my book", "the café", "peace", "a cat"],
        "target": ["मेरी किताब।", "मेरी «किताब»", "la cafe\u0301!", "שָׁלוֹם.", "一 喜欢"],
        "alignment": ["0-0 1-1", "1-1", "0-0 1-1", "0-0", "1-1"],
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    found = {"book": "किताब", "my": "मेरी", "the": "la", "café": "cafe\u0301", "peace": "שָׁלוֹם", "cat": "喜欢"}
    assert priors.most_aligned(tmp_path / "a.parquet", "en-hi") == found


def test_aligner_compares_whole_words() -> None:
    assert [aligner.folded(word) for word in ("हिन्दी।", "«किताबें»", "தமிழ்,", "Cafe\u0301!", "—")] == [
        "हिन्दी",
        "किताबें",
        "தமிழ்",
        "café",
        "—",
    ]
    sources = ["हिन्दी पढ़ो", "किताब पढ़ो", "हिन्दी किताब"]
    assert aligner.align(sources, ["Hindi read", "book read", "Hindi book"]) == ["0-0 1-1"] * 3


def test_page_marks_whole_words_and_nothing_is_lost() -> None:
    assert words.tokens("मैं किताब।") == ["मैं", " ", "किताब", "।"]
    assert words.tokens("ฉันรัก") == ["ฉั", "น", "รั", "ก"], "a Thai letter with the marks on it"
    assert words.tokens("e\u0301te\u0301 ❤️👨‍👩‍👧 我iPad.") == [
        "e\u0301te\u0301",
        " ",
        "❤️",
        "👨‍👩‍👧",
        " ",
        "我",
        "iPad",
        ".",
    ]
    letters = "aé1_'’ .-\u0301ििकมั我カ\u200d\u200c😀️\n"
    rng = random.Random(1)
    for _ in range(2000):
        text = "".join(rng.choices(letters, k=rng.randint(0, 9)))
        assert "".join(words.tokens(text)) == text


def test_latin_words_are_those_of_re() -> None:
    """Without marks, a word is what `\\w` says, apart from the low line."""
    rng = random.Random(1)
    for _ in range(5000):
        text = "".join(rng.choices("abcéßĐÅşABC 12²½ⅷ'’.,-«»ЖяΩªºǅ", k=rng.randint(0, 12)))
        assert words.UNIT.findall(text) == words.WORD.findall(text) == re.findall(r"\w+(?:['’]\w+)*", text)


def test_characters_are_what_a_reader_takes_for_them() -> None:
    assert words.characters("कि ता\nब e\u0301 👨‍👩‍👧") == ["कि", "ता", "ब", "e\u0301", "👨‍👩‍👧"]
    assert priors.cut([0, 1, 2, 3], 1, "character", lambda ids: "".join("किताब"[i] for i in ids)) == [0, 1]


def test_tokens_with_a_vowel_sign_have_a_letter() -> None:
    assert [words.has_letter(text) for text in ("ा", "ক", "é", "1", "।", "\ufe0f", "")] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("hi", "मैं हिन्दी पढ़ता हूँ।", "मैं हिन्दी पढ़ता हूँ"),
        ("en", "Don’t e-mail שָׁלוֹם", "don t e mail שָׁלוֹם"),
        ("zh", "我喜欢。", "我 喜 欢"),
    ],
)
def test_rouge_counts_whole_words(code: str, text: str, expected: str) -> None:
    assert rouge.words(text, languages.read(code)) == unicodedata.normalize("NFC", expected).split()

"""Files that are not UTF-8: the command that a message gives makes the right text of them, whoever reads them."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dragoman import encodings, text
from dragoman.config import RefinedPrior
from dragoman.decoding.priors import _of_hypotheses
from dragoman.instructions import questions
from dragoman.languages.dictionaries import read_dictionary
from dragoman.metrics.instances import read as read_log
from dragoman.storage import read_jsonl
from dragoman.text import TextError
from dragoman.yamlfile import ConfigError, read_yaml

SAMPLES = {
    "fr": "Le vieil homme a acheté une voiture à Noël.\n« L’été », c’est déjà fini.\n",
    "de": "Die Straße ist schön und grün.\nÄpfel und Öl.\n",
    "pl": "Zażółć gęślą jaźń. Ścieżka była długa.\n",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy.\n",
    "ru": "Старик вчера купил красную машину и поехал домой.\n",
    "el": "Ο γέρος αγόρασε ένα κόκκινο αυτοκίνητο.\n",
    "ar": "اشترى الرجل العجوز سيارة حمراء.\n",
    "he": "הזקן קנה מכונית אדומה אתמול.\n",
    "tr": "Yaşlı adam dün kırmızı bir araba satın aldı.\n",
    "th": "ชายชราซื้อรถสีแดงเมื่อวานนี้\n",
    "zh": "老人昨天买了一辆红色的汽车，然后回家了。\n我喜欢猫。\n",
    "ja": "老人は昨日赤い車を買って、家に帰りました。\n",
    "ko": "노인은 어제 빨간 차를 샀고 집에 갔다.\n",
}
CASES = [
    *(("fr", name) for name in ("cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")),
    *(("de", name) for name in ("latin-1", "cp1252", "utf-16")),
    *[("pl", "cp1250"), ("pl", "iso8859-2"), ("cs", "cp1250"), ("cs", "iso8859-2"), ("tr", "cp1254")],
    *[("ru", "cp1251"), ("ru", "koi8-r"), ("el", "cp1253"), ("ar", "cp1256"), ("he", "cp1255"), ("th", "cp874")],
    *[("zh", "gb18030"), ("zh", "utf-16"), ("zh", "utf-16-le"), ("zh", "utf-32-be")],
    *[("ja", "shift_jis"), ("ja", "euc_jp"), ("ja", "utf-16-be"), ("ko", "cp949"), ("ko", "euc_kr")],
]


def message(path: Path) -> str:
    with pytest.raises(TextError) as caught:
        list(text.lines(path))
    return str(caught.value)


@pytest.mark.parametrize(("language", "encoding"), CASES)
def test_named_encoding_reads_it(language: str, encoding: str, tmp_path: Path) -> None:
    """One of the encodings named, the first but where languages share bytes, gives back the text."""
    sample, path = f"en\tx\nHello there.\t{SAMPLES[language]}", tmp_path / "a.tsv"
    path.write_bytes(sample.encode(encoding))
    said = message(path)
    (used,) = re.findall(r"`iconv -f (\S+) -t UTF-8", said)
    named = [used, *re.findall(r"(\S+), in which it reads", said)]
    assert any(path.read_bytes().decode(name, errors="replace").removeprefix("\ufeff") == sample for name in named), (
        said
    )
    if language not in ("cs", "he", "tr"):  # told from their neighbours by a reader alone
        assert path.read_bytes().decode(used, errors="replace").removeprefix("\ufeff") == sample, said


@pytest.mark.parametrize("name", ["a.tsv", "a b.tsv", "a.tsv.gz"])
@pytest.mark.skipif(not shutil.which("iconv"), reason="iconv is not installed")
def test_the_command_works(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    raw = "en\tfr\na cat\tun été\n".encode("utf-16")
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    command = message(path).split("`")[1]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    (made,) = tmp_path.glob("converted*")
    assert list(text.table(made)) == [(2, {"en": "a cat", "fr": "un été"})]


def test_a_stray_byte_in_utf8_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes("Il était une fois à Noël\n".encode() * 3 + b"caf\xe9\n" + "été\n".encode())
    assert "a:4: byte 87 (0xe9) is not UTF-8: the lines around it are UTF-8" in message(path)
    path.write_bytes("déjà été là où né".encode()[:-1])
    assert "ends in the middle of a character; copy or download it again" in message(path)


@pytest.mark.parametrize("head", encodings.FORMATS)
def test_packed_files_are_named(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(head + b"\x80\xff\n")
    assert f"this is {encodings.FORMATS[head]}" in message(tmp_path / "a")


def test_zeros_within_text_are_no_encoding(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\0b c d\n\0\0\n")
    assert list(text.lines(tmp_path / "a")) == ["a\0b c d", "\0\0"]


def _refined(path: Path) -> Iterator[object]:
    return iter([_of_hypotheses(RefinedPrior(kind="refined", hypotheses=str(path)))])


READERS: dict[str, Callable[[Path], object]] = {
    "plain text": lambda path: list(text.lines(path)),
    "two files": lambda path: list(text.parallel(path, path)),
    "tables": lambda path: list(text.table(path)),
    "JSON Lines": lambda path: list(text.objects(path)),
    "hypotheses": read_jsonl,
    "hypotheses of a prior": _refined,
    "logs": read_log,
    "dictionaries": lambda path: read_dictionary(path, "en-fr"),
    "instructions": questions,
    "configurations": read_yaml,
}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1252", "utf-32"])
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_says_it(reader: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.json" if reader == "instructions" else "a.jsonl")
    path.write_bytes('{"instruction": "Où est-il né ? Déjà à l’hôtel"}\n'.encode(encoding))
    with pytest.raises((TextError, ConfigError), match=r"`iconv -f (UTF-16|UTF-16BE|CP1252|UTF-32) -t UTF-8"):
        READERS[reader](path)

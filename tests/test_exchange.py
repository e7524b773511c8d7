"""TMX, XLIFF and PO files as one's own text: rows, reasons, languages, plural forms, inline tags, bad files."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman import corpora
from dragoman.config import FilePair, FilesCorpus, FileSet
from dragoman.corpora import CorpusError
from dragoman.text import TextError
from refusals import SCRIPTS, Bad, over, refuse
from support.files import PREPARE, Sides, files_config, lay


def prepared(
    path: Path, pair: str = "en-fr", split: str = "train", columns: dict[str, str] | None = None
) -> tuple[Sides, dict[str, int]]:
    """The rows that are kept, and how many are dropped by reason."""
    sets = FilePair(**{split: FileSet(path=str(path))}, columns=columns or {})
    out = path.parent / "out"
    counts = corpora.prepare(FilesCorpus(provider="files", pairs={pair: sets}), pair, path.parent, out)
    table = corpora.load(out, split)
    kept = list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    return kept, counts["splits"][split]["dropped"]


# ----------------------------------------------------------------------------------------------------------------- TMX


def tmx(*units: dict[str, str] | str, head: str = "") -> str:
    """A memory; a unit is given as {tag: segment}."""
    body = [
        unit
        if isinstance(unit, str)
        else "".join(f'<tuv xml:lang="{tag}"><seg>{segment}</seg></tuv>' for tag, segment in unit.items())
        for unit in units
    ]
    inner = "\n".join(f"<tu>{unit}</tu>" for unit in body)
    return f'<?xml version="1.0"?>\n{head}<tmx version="1.4"><header srclang="en"/><body>\n{inner}\n</body></tmx>'


THREE = tmx({"EN": "one", "fr": "un", "de": "eins"}, {"fr": "deux", "EN": "two"}, {"de": "drei"}, {"EN": "four"})


def test_a_memory_serves_every_pair_of_its_languages(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.tmx.gz", THREE)
    assert prepared(path) == ([("one", "un"), ("two", "deux")], {"untranslated": 1})
    assert prepared(path, "fr-de") == ([("un", "eins")], {"untranslated": 2})
    assert prepared(path, "de-en") == ([("eins", "one")], {"untranslated": 3})
    with pytest.raises(
        CorpusError, match=r"no 'nl'; its languages are: EN \(3 units\), fr \(2 units\), de \(2 units\)"
    ):
        prepared(path, "en-nl")


@pytest.mark.parametrize("pair", ["en-fr", "fr-en"])
def test_the_reverse_of_a_listed_pair(pair: str, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.tmx", THREE)
    corpus = FilesCorpus(provider="files", pairs={"fr-en": FilePair(train=FileSet(path=str(path)))})
    corpora.prepare(corpus, pair, tmp_path, tmp_path / "out")
    row = corpora.load(tmp_path / "out", "train").to_pylist()[0]
    assert (row["source"], row["target"]) == (("one", "un") if pair == "en-fr" else ("un", "one"))


@pytest.mark.parametrize(
    ("tag", "code"), [("EN-US", "en"), ("eng", "en"), ("pt_BR", "pt"), ("zh-Hant-TW", "zh"), ("nb", "no")]
)
def test_ways_to_write_a_language(tag: str, code: str, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.tmx", tmx({tag: "a", "fr": "b"}))
    assert prepared(path, f"{code}-fr")[0] == [("a", "b")]


def test_old_memories_write_lang(tmp_path: Path) -> None:
    old = THREE.replace("xml:lang", "lang").replace('version="1.4"', 'xmlns="http://www.lisa.org/tmx14"')
    assert prepared(lay(tmp_path / "a.tmx", old))[0] == [("one", "un"), ("two", "deux")]


BRAZIL = tmx({"en": "a", "pt-BR": "b"}, {"en": "c", "pt-PT": "d"}, {"en": "e", "pt-PT": "f", "pt-br": "g"})


def test_variants_of_a_language(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.tmx", BRAZIL)
    with pytest.raises(CorpusError, match=r"'pt' as 'pt-BR' and as 'pt-PT'; name one of them under `columns`"):
        prepared(path, "en-pt")
    assert prepared(path, "en-pt", columns={"pt": "pt_BR"}) == ([("a", "b"), ("e", "g")], {"untranslated": 1})
    assert prepared(path, "en-pt", columns={"pt": "pt-PT"}) == ([("c", "d"), ("e", "f")], {"untranslated": 1})
    kept, dropped = prepared(path, "en-pt", columns={"pt": "pt"})
    assert (kept, dropped) == ([("a", "b"), ("c", "d"), ("e", "f")], {"alternative": 1})


def test_several_texts_of_a_language(tmp_path: Path) -> None:
    unit = (
        '<tuv xml:lang="en"><seg>1</seg></tuv><tuv xml:lang="fr"><seg>2</seg></tuv>'
        '<tuv xml:lang="fr"><seg>3</seg></tuv><tuv xml:lang="en"><seg>4</seg></tuv>'
    )
    assert prepared(lay(tmp_path / "a.tmx", tmx(unit))) == ([("1", "2")], {"alternative": 2})


INLINE = {
    # a segment of TMX, and its text
    'Click <bpt i="1">&lt;b&gt;</bpt>here<ept i="1">&lt;/b&gt;</ept>.': "Click here.",
    'Open <ph x="1">%s</ph> now': "Open now",
    'Open<ph x="1">%s</ph> now': "Open now",
    '<ph x="1"/>Open <it pos="begin">&lt;i&gt;</it>': "Open",
    "a <hi>b</hi>  c": "a b  c",
    'a<ph type="lb"/>b <ph>&lt;br/&gt;</ph> c': "a b c",
    'a <ph>&lt;img alt="<sub>not this</sub>"&gt;</ph> b': "a b",
    "a<!-- not this -->b<?nor this?>c": "abc",
    "wrapped\n      by an editor": "wrapped by an editor",
    "R&amp;D &#233;<![CDATA[<]]>": "R&D é<",
    "a\u00a0b\u2028c": "a\u00a0b\u2028c",
}


@pytest.mark.parametrize("segment", INLINE)
def test_inline_tags_of_memories(segment: str, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.tmx", tmx({"en": segment, "fr": segment}))
    assert prepared(path)[0] == [(INLINE[segment], INLINE[segment])]


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8-sig"])
def test_encodings_that_the_declaration_or_a_mark_names(encoding: str, tmp_path: Path) -> None:
    declared = tmx({"en": "é", "fr": "à"}).replace("?>", f' encoding="{encoding.removesuffix("-sig")}"?>', 1)
    path = tmp_path / "a.tmx"
    path.write_bytes(declared.encode(encoding))
    assert prepared(path)[0] == [("é", "à")]


def test_a_document_type_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "tmx14.dtd").write_text("<!ENTITY % broken")
    head = f'<!DOCTYPE tmx SYSTEM "{tmp_path}/tmx14.dtd">\n'
    assert prepared(lay(tmp_path / "a.tmx", tmx({"en": "a", "fr": "b"}, head=head)))[0] == [("a", "b")]


def test_lines_are_counted_in_long_files(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.tmx", tmx({"en": "a", "fr": "b"}, "\n" * 70_000, {"en": "c"}))
    prepared(path)
    assert f'"{path}: unit 3: no text in' in (tmp_path / "out" / "dropped.jsonl").read_text()


# --------------------------------------------------------------------------------------------------------------- XLIFF


def xliff(*units: str, source: str = "en", target: str | None = "fr") -> str:
    """XLIFF 1.2; a unit is what is in it."""
    inner = "\n".join(f'<trans-unit id="{n}" {unit}</trans-unit>' for n, unit in enumerate(units))
    languages = f'source-language="{source}"' + (f' target-language="{target}"' if target else "")
    return (
        '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
        f'<file original="a" {languages}><header><note>n</note></header><body><group>{inner}</group></body></file>'
        "</xliff>"
    )


PLAIN = "><source>a</source><target>b</target>"
UNITS = {
    # a unit of XLIFF 1.2, and why it is dropped
    PLAIN: "",
    ' approved="yes"><source>a</source><target state="new">b</target>': "",
    ' approved="no"><source>a</source><target state="translated">b</target>': "",
    '><source>a</source><target state="final" state-qualifier="leveraged-mt">b</target>': "",
    ' approved="no"><source>a</source><target>b</target>': "unapproved",
    '><source>a</source><target state="needs-review-translation">b</target>': "needs-review",
    '><source>a</source><target state="needs-review-l10n">b</target>': "needs-review",
    '><source>a</source><target state="new">b</target>': "needs-work",
    '><source>a</source><target state="needs-adaptation">b</target>': "needs-work",
    '><source>a</source><target state-qualifier="mt-suggestion">b</target>': "suggestion",
    ' translate="no"><source>a</source><target>a</target>': "translate-no",
    "><source>a</source>": "untranslated",
    "><source>a</source><target/>": "untranslated",
    "><source>a</source><target> \n </target>": "untranslated",
}


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("unit", UNITS)
def test_units_that_are_not_finished(unit: str, split: str, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.xlf", xliff(unit, "><source>c</source><target>d</target>"))
    kept, dropped = prepared(path, split=split)
    assert kept == [("a", "b"), ("c", "d")][bool(UNITS[unit]) :]
    assert dropped == ({UNITS[unit]: 1} if UNITS[unit] else {})


def test_proposals_are_no_translations(tmp_path: Path) -> None:
    unit = (
        PLAIN + "<alt-trans><source>x</source><target>y</target></alt-trans><alt-trans><target>z</target></alt-trans>"
    )
    assert prepared(lay(tmp_path / "a.xliff", xliff(unit))) == ([("a", "b")], {"suggestion": 2})
    listed = (tmp_path / "out" / "dropped.jsonl").read_text()
    assert '"source": "x", "target": "y"' in listed
    assert '"source": "a", "target": "z"' in listed


def test_translate_no_is_inherited_and_can_be_taken_back(tmp_path: Path) -> None:
    text = xliff(PLAIN, ' translate="yes"><source>c</source><target>d</target>').replace(
        "<group>", '<group translate="no">'
    )
    assert prepared(lay(tmp_path / "a.xlf", text)) == ([("c", "d")], {"translate-no": 1})


@pytest.mark.parametrize("prefix", ["", "x:"])
def test_inline_tags_of_xliff_and_its_namespace(prefix: str, tmp_path: Path) -> None:
    unit = '><source>a <g id="1">b <x id="2"/> c</g><x id="LINE_BREAK" ctype="lb"/>d <mrk mtype="seg">e</mrk></source>'
    text = xliff(unit + "<target>t <ph id='1'>{0}</ph></target>")
    if prefix:
        text = text.replace("</", "<//").replace("<", "<x:").replace("<x://", "</x:").replace("xmlns=", "xmlns:x=")
    assert prepared(lay(tmp_path / "a.xlf", text))[0] == [("a b c d e", "t")]


def test_files_in_a_file_have_languages_of_their_own(tmp_path: Path) -> None:
    first, second = xliff(PLAIN), xliff("><source>c</source><target>d</target>", target="de")
    path = lay(tmp_path / "a.xlf", first.replace("</xliff>", "") + second[second.index("<file") :])
    assert prepared(path) == ([("a", "b")], {})
    assert prepared(path, "de-en") == ([("d", "c")], {})
    with pytest.raises(
        CorpusError, match=r"no unit of fr-de; its languages are: en \(2 units\), fr .*`columns: {fr: so"
    ):
        prepared(path, "fr-de")


def test_languages_that_a_file_does_not_name(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.xlf", xliff(PLAIN, target=None))
    assert prepared(path, "fr-en")[0] == [("b", "a")]
    assert prepared(path, "de-fr", columns={"de": "source", "fr": "target"})[0] == [("a", "b")]
    with pytest.raises(CorpusError, match="no unit of de-fr"):
        prepared(path, "de-fr")
    own = xliff('><source>a</source><target xml:lang="fr-CA">b</target>', target="fr")
    assert prepared(lay(tmp_path / "b.xlf", own))[0] == [("a", "b")]


SECOND = """<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="en-US" trgLang="fr">
<file id="f">
<unit id="1"><mtc:matches xmlns:mtc="urn:oasis:names:tc:xliff:matches:2.0"><mtc:match ref="#m"><source>s</source>
<target>t</target></mtc:match></mtc:matches><originalData><data id="d">not this</data></originalData>
<segment><source>Hello <pc id="1">big</pc> <ph id="2" dataRef="d"/> world</source>
<target>b<sm id="3"/>c</target></segment>
<ignorable><source> </source></ignorable>
<segment state="initial"><source>d</source><target>e</target></segment>
<segment state="final"><source>f</source><target>g</target></segment></unit>
<group id="g"><unit id="2" translate="no"><segment><source>h</source><target>h</target></segment></unit></group>
</file></xliff>"""


def test_the_second_xliff(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.xlf.gz", SECOND)
    expected = {"needs-work": 1, "suggestion": 1, "translate-no": 1}
    assert prepared(path) == ([("Hello big world", "bc"), ("f", "g")], expected)
    assert prepared(path, "fr-en")[0] == [("bc", "Hello big world"), ("g", "f")]


# ------------------------------------------------------------------------------------------------------------------ PO


def po(
    body: str, language: str = "fr", charset: str = "UTF-8", plural: str = "nplurals=2; plural=(n > 1)", more: str = ""
) -> str:
    said = {"Language": language, "Content-Type": f"text/plain; charset={charset}", "Plural-Forms": f"{plural};"}
    header = "".join(f'"{key}: {value}\\n"\n' for key, value in said.items() if value)
    return f'# Comment\nmsgid ""\nmsgstr ""\n{header}{more}\n{body}'


MESSAGES = """#: a.c:3
msgid "a\\n"
"b %s"
msgstr "é"

#, fuzzy, c-format
#| msgid "old"
msgid "c"
msgstr "d"

msgctxt "menu"
msgid "f"
msgstr ""

#~ msgid "x"
#~ msgstr "y"
"""


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_messages_by_reason(ending: str, split: str, tmp_path: Path) -> None:
    path = lay(tmp_path / f"a.po{ending}", po(MESSAGES))
    reasons = {"fuzzy": 1, "obsolete": 1, "untranslated": 1}
    assert prepared(path, split=split) == ([("a b %s", "é")], reasons)
    assert prepared(path, "fr-en") == ([("é", "a b %s")], reasons)


NUMBERS = 'msgid "%d file"\nmsgid_plural "%d files"\n' + "".join(f'msgstr[{n}] "{n}"\n' for n in range(6))
FORMS = {
    # language -> plural forms as gettext's manual and CLDR give them, and the forms for 1 and for most numbers
    "fr": ("nplurals=2; plural=(n > 1)", 0, 1),
    "pl": ("nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2)", 0, 2),
    "sl": ("nplurals=4; plural=(n%100==1 ? 1 : n%100==2 ? 2 : n%100==3 || n%100==4 ? 3 : 0)", 1, 0),
    "ar": ("nplurals=6; plural=(n==0?0:n==1?1:n==2?2:n%100>=3&&n%100<=10?3:n%100>=11?4:5)", 1, 4),
    "ja": ("nplurals=1; plural=0", None, 0),
}


@pytest.mark.parametrize("language", FORMS)
def test_plural_forms(language: str, tmp_path: Path) -> None:
    plural, one, many = FORMS[language]
    count = int(plural[9])
    message = "".join(line for line in NUMBERS.splitlines(True) if "msgstr" not in line or int(line[7]) < count)
    kept, dropped = prepared(lay(tmp_path / "a.po", po(message, language, plural=plural)), f"en-{language}")
    both = [("%d file", str(one)), ("%d files", str(many))]
    assert kept == both[one is None :]
    assert dropped == ({"plural-form": count - 2} if count > 2 else {})


@pytest.mark.parametrize("charset", ["ISO-8859-2", "windows-1250", "UTF-16"])
@pytest.mark.parametrize("comment", ["", "# Łukasz\n"])
def test_charsets(charset: str, comment: str, tmp_path: Path) -> None:
    """translate-toolkit 3.20.4 reads such a file as UTF-8, or as Latin-1 after a comment that is not ASCII."""
    path = tmp_path / "a.po"
    path.write_bytes((comment + po('msgid "a"\nmsgstr "łódź"\n', "pl", charset)).encode(charset))
    if charset == "UTF-16":
        with pytest.raises((CorpusError, TextError), match=r"this is UTF-16.*iconv"):
            prepared(path, "en-pl")
    else:
        assert prepared(path, "en-pl")[0] == [("a", "łódź")]


def test_languages_of_a_catalogue(tmp_path: Path) -> None:
    message = 'msgid "a"\nmsgstr "b"\n'
    path = lay(tmp_path / "a.po", po(message, "pt_BR"))
    assert prepared(path, "pt-en")[0] == [("b", "a")]
    with pytest.raises(
        CorpusError, match=r"are 'en' and their translations 'pt_BR'; .*`columns: {de: msgid, fr: msgstr}`"
    ):
        prepared(path, "de-fr")
    unnamed = lay(tmp_path / "b.po", po(message, ""))
    assert prepared(unnamed, "fr-en")[0] == [("b", "a")]
    assert prepared(unnamed, "de-fr", columns={"fr": "msgid", "de": "msgstr"})[0] == [("b", "a")]
    german = lay(tmp_path / "c.po", po(message, "fr", more='"X-Source-Language: de\\n"\n'))
    assert prepared(german, "de-fr")[0] == [("a", "b")]


# ------------------------------------------------------------------------------------------------------------- refused

GZ = gzip.compress(tmx(*[{"en": str(n), "fr": str(n * n)} for n in range(999)]).encode(), mtime=0)
CUT = po(MESSAGES)
FILES: list[tuple[str, str | bytes, list[str]]] = [
    ("a.tmx", THREE[:150], ["a.tmx is no whole XML file", "line 3"]),
    ("a.tmx", "", ["a.tmx is no whole XML file"]),
    ("a.tmx", "en\tfr\na\tb\n", ["a.tmx is no whole XML file", "line 1"]),
    ("a.tmx", THREE.replace("one", "o\x01ne"), ["a.tmx is no whole XML file", "line 3"]),
    ("a.tmx", THREE.replace("one", "<b>one"), ["a.tmx is no whole XML file", "line 3"]),
    ("a.tmx", xliff(PLAIN), ["a.tmx begins with <xliff>, not <tmx>; name it .xlf"]),
    ("a.xlf", THREE, ["a.xlf begins with <tmx>, not <xliff>; name it .tmx"]),
    ("a.xliff", "<TS/>", ["a.xliff begins with <TS>", "ts2po"]),
    ("a.xlf", "<html/>", ["a.xlf begins with <html>, not <xliff>; give another file"]),
    ("a.tmx", tmx({"en": "a", "de": "b"}), ["a.tmx has no 'fr'; its languages are: en (1 units), de (1 units)"]),
    ("a.tmx", tmx(), ["a.tmx has no 'en'; its languages are: none"]),
    (
        "a.tmx",
        tmx({"en": "&x;", "fr": "b"}, head='<!DOCTYPE tmx [<!ENTITY x "y">]>\n'),
        ["a.tmx:4: the entity &x; is declared by the file"],
    ),
    ("a.tmx.gz", GZ[:-20], ["a.tmx.gz cannot be read", "end-of-stream"]),
    ("a.tmx.gz", THREE, ["a.tmx.gz cannot be read", "Not a gzipped file"]),
    ("a.xlf", xliff("><source>a</source>"), ["a.xlf:1: there is no translation", "untranslated 1"]),
    ("a.xlf", xliff(), ["a.xlf has no unit of en-fr"]),
    ("a.po", CUT[:-3], ["a.po is no PO file, or was cut off", "on line"]),
    ("a.po", CUT + '\nmsgid "late"\n', ["a.po has 6 messages, but 5 of them have a `msgstr`"]),
    ("a.po", "", ["a.po holds no message"]),
    ("a.po", "en\tfr\n", ["a.po is no PO file", "line 1"]),
    ("a.po", THREE, ["a.po is XML, not PO; name it .tmx or .xlf"]),
    ("a.po", b"\xde\x12\x04\x95" + bytes(60), ["a.po is a compiled catalogue", "msgunfmt"]),
    ("a.po", po(MESSAGES).encode("iso-8859-1"), ["a.po:11: byte 173 (0xe9) is not UTF-8", "iconv"]),
    ("a.po", po(MESSAGES, charset="Klingon"), ["unknown charset, 'Klingon'"]),
    ("a.po", po(MESSAGES, plural='nplurals=2; plural=__import__("os")'), ["the plural form", "__import__"]),
    ("a.po", po(MESSAGES, plural="nplurals=2; plural=1/(n-1)"), ["the plural form", "1/(n-1)"]),
    ("a.po", po('msgid "a"\nmsgstr ""\n'), ["a.po:8: there is no translation", "untranslated 1"]),
    ("a.po", po(MESSAGES, "de"), ["'en' and their translations 'de'"]),
    ("a.po.gz", GZ[:40] + bytes(9) + GZ[60:], ["a.po.gz is not a whole gzip file"]),
]  # fmt: skip
ROWS = [
    Bad(f"{name}: {content[:40]!r}", PREPARE, said, {name: content, "c.yaml": files_config(path=name)})
    for name, content, said in FILES
]
ROWS.append(
    Bad("another ending", PREPARE, [".tmx, .xlf, .xliff, .po", "'a.ts'"], {"c.yaml": files_config(path="a.ts")})
)


@over(ROWS)
def test_refused(bad: Bad, tmp_path: Path) -> None:
    refuse(bad, tmp_path)


def test_the_libraries_are_imported_where_they_are_used() -> None:
    code = "import sys, dragoman.checks, dragoman.corpora.files; assert not {'lxml', 'translate'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(SCRIPTS)})


def test_many_units_without_a_translation_may_come_first(tmp_path: Path) -> None:
    body = "".join(f'msgid "{n}"\nmsgstr ""\n\n' for n in range(corpora.MAX_FAULTS + 5)) + 'msgid "a"\nmsgstr "b"\n'
    assert prepared(lay(tmp_path / "a.po", po(body)))[0] == [("a", "b")]

"""Language identifiers: fastText's models as they are published, fetched, and read; small ones written here."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from importlib.metadata import version

import pytest

import fasttext_files
from dragoman import grammar, known_files, languages, metrics
from dragoman.command import REPOSITORY
from dragoman.configfile import ConfigError, load_config, parse
from dragoman.known_files import FetchError, KnownFile
from dragoman.languages import identify
from dragoman.metrics import MetricError, offtarget, score, score_cache
from dragoman.plan import Plan
from support.claimed import config
from support.identifiers import GLOT, VOTES
from support.spoken import ENGLISH, FRENCH, GERMAN

AS_PUBLISHED = "offtarget:identifier=fasttext,languages=all,empty=asked"
PLAIN = f"{AS_PUBLISHED},bootstrap=0"


# -------------------------------------------------------------------------------------------------------------- lid.176


def test_lid_176_is_found_by_itself():
    found = score(AS_PUBLISHED, [GERMAN, ENGLISH, "", "20:15"], [], pair="en-de")
    assert found.segments == (0, 100, 100, 100)
    assert found.signature == (
        f"OTR|id:fasttext|version:fasttext-predict-{version('fasttext-predict')}|model:lid.176.ftz(8f3472cfe873)"
        "|langs:all|empty:asked|into:any|bs:1000|seed:12345"
    )
    assert metrics.requisites(AS_PUBLISHED, ["en-de"]) == []


def test_an_empty_line_into_english_counts_as_the_paper_counted_it():
    """lid.176 calls a line without words English. Of the published LLaMA-3-8B, which answers next to nothing before it
    is tuned (BLEU 0.0), 0.0 to 0.2 per cent are off-target into English, and 100 per cent out of it."""
    lines = ["", "  ", "</s>", "12345"]
    assert score(PLAIN, lines, [], pair="de-en").value == 0
    assert score(PLAIN, lines, [], pair="en-de").value == 100
    assert score(f"{PLAIN},into=english", lines, [], pair="en-de").value == 100
    ours = score("offtarget:identifier=fasttext,languages=all,bootstrap=0", lines, [], pair="de-en")
    assert (ours.segments, "|empty:off-target|" in ours.signature) == ((100, 100, 0, 0), True)
    assert offtarget.answered(["", ENGLISH], "de", "en", identifier="fasttext", empty="asked") == ["en", "en"]
    assert offtarget.answered(["", ENGLISH], "de", "en", identifier="fasttext") == ["", "en"]
    lingua = "offtarget:empty=asked,languages=en+de,bootstrap=0"
    assert score(lingua, ["", ENGLISH], [], pair="de-en").segments == (100, 0)


def test_every_candidate_has_a_rank():
    """At its usual threshold lid.176 leaves out labels below 0.00001: of a sure line all but two of 176."""
    line = "Das ist ein Haus und ein Garten."
    assert len(identify._predicted(str(identify._here("fasttext", None)), line, -1)) == 176
    found = identify.identifier("fasttext", frozenset({"ja", "yo"})).answers([line, GERMAN, FRENCH])
    assert identify.UNDETERMINED not in found
    everything = identify.identifier("fasttext")
    assert len(everything.candidates) == 175  # nn counts as no
    chances = [everything.confidence([GERMAN], language)[0] for language in sorted(everything.candidates)]
    assert sum(chances) == pytest.approx(1, abs=0.02)


def test_the_first_answer_and_its_probability():
    everything = identify.identifier("fasttext")
    [(german, sure), (nothing, unsure)] = everything.first([GERMAN, ""])
    assert (german, nothing) == ("de", "en")
    assert sure == pytest.approx(0.99, abs=0.01) and unsure == pytest.approx(0.1245, abs=1e-4)
    lingua = identify.identifier("lingua", frozenset({"de", "en"}))
    [(found, chance), nothing] = lingua.first([GERMAN, "20:15"])
    assert (found, nothing) == ("de", (identify.UNDETERMINED, 0)) and 0.9 < chance < 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Jeg ved ikke, hvad jeg skal gøre.", "da"),
        ("Eg veit ikkje kva eg skal gjera.", "no"),
        ("这是一本关于历史的书。", "zh"),
        ("這是一本關於歷史的書。", "zh"),
        ("我唔知道點解佢哋咁講", "yue"),
        ("Не знам шта да радим, али мислим да је добро.", "sr"),
        ("Ne znam što da radim, ali mislim da je dobro.", "sr"),  # Croatian: near relatives are taken for each other
    ],
)
def test_near_relatives(line, expected):
    assert identify.identifier("fasttext").answers([line]) == [expected]


@pytest.mark.parametrize("name", ["fasttext", "lingua"])
@pytest.mark.parametrize(
    ("line", "language"),
    [("Không, tôi không biết.", "vi"), ("나는 학생입니다.", "ko"), ("Příliš žluťoučký kůň úpěl.", "cs")],
)
def test_decomposed_letters_are_composed_first(name, line, language):
    """As they are, lid.176 calls these lines English and Swedish, and lingua the first German."""
    asked = identify.identifier(name, frozenset({"cs", "de", "en", "ko", "vi"}))
    decomposed = unicodedata.normalize("NFD", line)
    assert decomposed != line
    assert asked.answers([decomposed]) == [language]
    assert asked.first([decomposed]) == asked.first([line])
    assert asked.confidence([decomposed], "de") == asked.confidence([line], "de")


def test_fewer_candidates():
    croatian = "Ne znam što da radim, ali mislim da je dobro."
    found = score("offtarget:identifier=fasttext,languages=en+hr+de,bootstrap=0", [croatian, ENGLISH], [], pair="en-hr")
    assert found.segments == (0, 100)
    assert "|langs:de+en+hr|" in found.signature


@pytest.mark.parametrize(("language", "most"), [("en", 0), ("fr", 1), ("de", 0), ("nl", 1), ("it", 2), ("ro", 4)])
def test_few_false_alarms_in_the_demo_world(language, most):
    """Measured among all: nl 2.4 and ro 3.4 per cent of 500 sentences; lingua errs on 0.2 among the six."""
    lines = [grammar.realise(meaning, language).text for meaning in grammar.meanings(1, "test", 150)]
    other = next(each for each in grammar.LANGUAGES if each != language)
    found = score("offtarget:identifier=fasttext,languages=all,bootstrap=0", lines, [], pair=f"{other}-{language}")
    assert found.value <= most


# ------------------------------------------------------------------------------------------------ codes and candidates


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("__label__en", "en"),
        ("__label__nn", "no"),
        ("__label__als", "als"),  # Alemannic in lid.176, although ISO 639-3 calls Tosk Albanian so
        ("__label__eng_Latn", "en"),
        ("__label__als_Latn", "sq"),
        ("__label__cmn_Hani", "zh"),
        ("__label__yue_Hani", "yue"),
        ("__label__arb_Arab", "ar"),
        ("__label__arz_Arab", "arz"),
        ("__label__fas_Arab", "fa"),
        ("__label__ekk_Latn", "et"),
        ("__label__nob_Latn", "no"),
        ("__label__mlt_Latn", "mt"),
        ("__label__npi_Deva", "ne"),
        ("__label__khk_Cyrl", "mn"),
        ("__label__srp_Cyrl", "sr"),
        ("__label__srp_Latn", "sr"),
        ("__label__ast_Latn", "ast"),
        ("__label__zxx_Latn", identify.UNDETERMINED),
    ],
)
def test_labels_of_fasttext_models(label, code):
    assert identify.code_of_label(label) == code


def test_identifiers_and_the_table_of_languages_agree():
    lid = {code for code in identify.identifier("fasttext").candidates if len(code) == 2}
    assert lid - set(languages.TABLE) == {"bh"}  # Bihari, which ISO 639-3 takes for a group
    known = {
        each.iso_code_639_3.name.lower(): code for code, all_ in identify.lingua_languages().items() for each in all_
    }
    assert {three: languages.BY_CODE[three] for three in known} == known


def test_a_model_of_labels_like_glotlids(glot):
    lines = ["Der Hund", "The dog", "Los perros", "@ @", ""]
    spec = f"offtarget:identifier=glotlid,model={glot},bootstrap=0"
    found = score(spec, lines, [], pair="en-de")
    assert found.segments == (0, 100, 100, 100, 100)
    digest = hashlib.sha256(glot.read_bytes()).hexdigest()[:12]
    assert (
        f"|id:glotlid|version:fasttext-predict-{version('fasttext-predict')}|model:glot.bin({digest})|"
        in found.signature
    )
    assert "|langs:all|" in found.signature
    narrow = score(f"{spec},languages=en+de", lines, [], pair="en-de")
    assert narrow.segments == (0, 100, 0, 100, 100)
    assert "langs:de+en|" in narrow.signature
    assert score(spec, ["Il-kelb"], [], pair="en-mt").value == 0
    with pytest.raises(MetricError, match=r"does not know the language 'fr'.*known: ast, de, en, mt\)"):
        score(f"{spec},languages=en+de+fr", lines, [], pair="en-de")


@pytest.mark.parametrize(
    ("options", "pair", "message"),
    [
        # a target that no line can be taken for: the ratio would be 100, whatever was translated
        ("identifier=fasttext,languages=all", "en-bm", "fasttext does not know the language 'bm'"),
        ("identifier=fasttext", "en-ace", "fasttext does not know the language 'ace'"),
        ("languages=all", "en-mt", "lingua does not know the language 'mt'"),
        ("identifier=fasttext,languages=en+fr+ace", "en-fr", "does not know the language 'ace'"),
        ("identifier=fasttext,languages=en+fr", "en-de", "leaves out 'de' of en-de"),
        ("identifier=fasttext,model=lid.176", "fr-de", "no file 'lid.176'.*lid.176.ftz or lid.176.bin"),
        ("identifier=fasttext,model=model_v3.bin", "fr-de", "no file 'model_v3.bin'"),
        ("identifier=glotlid,model=absent.bin", "fr-de", "no file 'absent.bin'.*or model_v3.bin"),
        ("identifier=fastext", "fr-de", "did you mean 'fasttext'"),
        ("identifier=3", "fr-de", "unknown identifier 3"),
        ("empty=on-target", "fr-de", "unknown way to count empty lines 'on-target'"),
        ("empty=true", "fr-de", "unknown way to count empty lines 'True'"),
        ("empty=asked,into=empty", "fr-de", "no line counts as empty"),
    ],
)
def test_errors_say_what_to_do(options, pair, message):
    with pytest.raises(MetricError, match=message):
        score(f"offtarget:{options}", [GERMAN], [], pair=pair)
    with pytest.raises(MetricError, match=message):  # the same before anything runs
        offtarget.check([pair], **metrics.parse(f"offtarget:{options}")[1])


def test_files_that_are_no_model(tmp_path, glot, monkeypatch):
    for name, content, message in (
        ("a.bin", b"not a model", "a.bin cannot be read as a fastText model of languages.*wrong file format"),
        ("lid.176.bin", glot.read_bytes(), r"is not the published lid\.176\.bin"),
        ("lid.176.ftz", glot.read_bytes()[:200], r"is not the published lid\.176\.ftz"),  # cut off: fastText may crash
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MetricError, match=message):
            score(f"offtarget:identifier=fasttext,model={tmp_path / name}", [GERMAN], [], pair="en-de")
    fasttext_files.write(tmp_path / "vectors.bin", GLOT, VOTES, supervised=False)
    with pytest.raises(MetricError, match="needs to be supervised"):
        score(f"offtarget:identifier=fasttext,model={tmp_path / 'vectors.bin'}", [GERMAN], [], pair="en-de")
    monkeypatch.setitem(sys.modules, "fasttext", None)
    (tmp_path / "other.bin").write_bytes(b"weights")
    with pytest.raises(MetricError, match="fastText is not installed: run `make env`"):
        score(f"offtarget:identifier=fasttext,model={tmp_path / 'other.bin'}", [GERMAN], [], pair="en-de")


def test_answers_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(score_cache, "_folder", tmp_path)
    spec = "offtarget:identifier=fasttext,languages=en+de+fr,empty=asked,bootstrap=0"
    lines = [GERMAN, "", ENGLISH]
    first = score(spec, lines, [[GERMAN, FRENCH, GERMAN]], pair="en-de")
    assert len(list(tmp_path.glob("*.json"))) == 2  # hypotheses and references
    offtarget._answers.cache_clear()
    chosen = identify.identifier("fasttext", frozenset({"en", "de", "fr"}))
    used = []
    monkeypatch.setattr(offtarget.identify, "identifier", lambda *_: Counted(chosen, used))
    assert score(spec, lines, [[GERMAN, FRENCH, GERMAN]], pair="en-de") == first
    assert used == []
    assert score(spec, [GERMAN, "x", ENGLISH], [], pair="en-de").n == 3
    assert len(used) == 1


class Counted:
    """An identifier that notes when it is asked."""

    def __init__(self, identifier, used):
        self.signature, self.require, self.used, self.inner = identifier.signature, identifier.require, used, identifier

    def answers(self, lines):
        self.used.append(lines)
        return self.inner.answers(lines)


# --------------------------------------------------------------------------------------------------- files are fetched


def test_glotlid_is_fetched_once(file_server, glotlid_file):
    spec = "offtarget:identifier=glotlid,languages=all,bootstrap=0"
    [find] = metrics.requisites(spec, ["en-de"])
    assert file_server.asked == []
    assert find() == f"the model {glotlid_file.path} of the language identifier glotlid, sha256:{glotlid_file.sha256}"
    assert score(spec, ["Der Hund", "The dog"], [], pair="en-de").segments == (0, 100)
    assert metrics.requisites("lase:identifier=glotlid", ["en-de"])[1]() == find()
    assert len(file_server.asked) == 1
    assert sorted(path.name for path in glotlid_file.path.parent.iterdir()) == ["model_v3.bin", "model_v3.bin.lock"]
    file_server.files.clear()
    assert score(spec, ["The dog"], [], pair="en-de").value == 100


def test_an_interrupted_download_continues(file_server, glotlid_file):
    file_server.handler.cut = 60
    size = len(next(iter(file_server.files.values())))
    with pytest.raises(FetchError, match=f"ended after 60 of {size} bytes; run again to continue"):
        known_files.fetched(glotlid_file)
    assert not glotlid_file.path.exists()
    assert known_files.fetched(glotlid_file).stat().st_size == size
    assert [ranged for _, ranged in file_server.asked] == [None, "bytes=60-"]


def test_what_cannot_be_fetched_says_so(file_server, glotlid_file, monkeypatch):
    url = next(iter(file_server.files))
    content = file_server.files[url]
    file_server.files[url] = content[:-1] + b"!"
    with pytest.raises(FetchError, match=f"another SHA-256 than {glotlid_file.sha256}, so it was removed"):
        known_files.fetched(glotlid_file)
    part = glotlid_file.path.with_name("model_v3.bin.part")
    assert not part.exists() and not glotlid_file.path.exists()
    part.write_bytes(content + b"longer")
    with pytest.raises(FetchError, match="416"):
        known_files.fetched(glotlid_file)
    file_server.files.clear()
    with pytest.raises(FetchError, match=r"404.*or put the file there by hand, as .*model_v3\.bin"):
        known_files.fetched(glotlid_file)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9/cis-lmu.*run again where there is a network"):
        score("offtarget:identifier=glotlid", [GERMAN], [], pair="en-de")


def test_published_files_are_pinned():
    files = [file for each in identify.MODELS.values() for file in each.values()]
    assert [len(file.sha256) for file in files] == [64] * 3
    assert all(file.url.startswith("https://") and file.url.endswith(f"/{file.name}") for file in files)
    small = identify._here("fasttext", "lid.176.ftz")
    assert hashlib.sha256(small.read_bytes()).hexdigest() == identify.MODELS["fasttext"]["lid.176.ftz"].sha256
    assert identify._here("fasttext", "lid.176.bin") is None
    assert KnownFile("a", "https://dl.fbaipublicfiles.com/a", "").address.startswith("https://dl.fbai")


# ----------------------------------------------------------------------------------------------------- configurations


def configured(*specs):
    spec = config("results")
    spec["experiments"]["simulmask"]["metrics"] = list(specs)
    return Plan(parse(spec))


@pytest.mark.parametrize("name", ["langaware-revised", "langaware-v1"])
def test_the_papers_ratios_are_asked_as_the_papers_asked(name):
    config = load_config(REPOSITORY / "config" / "papers" / f"{name}.yaml")
    for experiment in config.experiments.values():
        ratios = [metrics.parse(spec)[1] for spec in experiment.metrics if spec.startswith("offtarget")]
        assert [each.pop("into", None) for each in ratios] == [None, "english", "source"]
        asked = {"identifier": "fasttext", "model": "lid.176.bin", "languages": "all", "empty": "asked"}
        assert all(each == asked for each in ratios)


def test_a_signature_needs_no_model(glotlid_file, file_server, monkeypatch):
    monkeypatch.setattr(identify, "_load", lambda path: pytest.fail(f"{path} was loaded"))
    build = f"version:fasttext-predict-{version('fasttext-predict')}"
    published_as = {"identifier": "fasttext", "model": "lid.176.bin", "languages": "all", "empty": "asked"}
    assert offtarget.signature("en-de", **published_as) == (
        f"OTR|id:fasttext|{build}|model:lid.176.bin(7e69ec5451bc)|langs:all|empty:asked|into:any|bs:1000|seed:12345"
    )
    glotlid = offtarget.signature("en-de", identifier="glotlid", languages="en+de", into="english", bootstrap=0)
    digest = glotlid_file.sha256[:12]
    assert glotlid == f"OTR|id:glotlid|{build}|model:model_v3.bin({digest})|langs:de+en|empty:off-target|into:english"
    assert file_server.asked == []
    monkeypatch.undo()
    assert (
        offtarget.signature("en-fr", languages="en+fr+de")
        == score("offtarget:languages=en+fr+de", [""], [], pair="en-fr").signature
    )


def test_a_configuration_is_checked_without_a_model(glotlid_file, file_server, monkeypatch):
    monkeypatch.setattr(identify, "_load", lambda path: pytest.fail(f"{path} was loaded"))
    plan = configured("offtarget:identifier=glotlid,languages=all,empty=asked", "offtarget:identifier=glotlid")
    assert len(plan.requisites("simulmask")) == 2
    assert file_server.asked == []
    with pytest.raises(ConfigError, match=r"metrics\.1.*no file 'x.bin'"):
        configured("bleu", "offtarget:identifier=glotlid,model=x.bin")

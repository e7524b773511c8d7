"""Tasks beside translation: tagged words and summaries of the demo world, how answers are read, how tags are scored."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from dragoman import corpora, pages, registry
from dragoman.config import DemoCorpus, Experiment, Limits, Pages, PseudoPrior, TaskPages
from dragoman.configfile import ConfigError, load_config
from dragoman.decoding.priors import most_aligned, pseudo
from dragoman.grammar import SPLITS, Meaning, documents, meanings, realise
from dragoman.metrics import MetricError, NoValueError, score, significance, tags
from dragoman.metrics.bootstrap import interval, resampled_sums
from dragoman.metrics.scoring import scored
from dragoman.plan import Plan

UPOS = set("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())  # noqa: SIM905

# ------------------------------------------------------------------------------------------------------------- corpora


def prepared(folder: Path, task: str, pair: str) -> dict[str, list[tuple[str, str, str]]]:
    limits = Limits(overlap="source") if task == "tagging" else Limits()
    corpus = DemoCorpus(provider="demo", task=task, train=60, validation=5, test=8, limits=limits)
    corpora.prepare(corpus, pair, folder, folder / pair)
    return {
        split: [(r["source"], r["target"], r["alignment"]) for r in corpora.load(folder / pair, split).to_pylist()]
        for split in SPLITS
    }


@pytest.mark.parametrize("language", ["en", "fr", "de", "nl", "it", "ro"])
def test_every_word_has_its_tag(tmp_path: Path, language: str) -> None:
    found = prepared(tmp_path, "tagging", f"{language}-{'en' if language != 'en' else 'fr'}")
    sentences = list(meanings(1, "test", 8))
    for (source, target, alignment), meaning in zip(found["test"], sentences, strict=True):
        own, sentence = target.split(), realise(meaning, language)
        assert source == sentence.text, "as people write it, so that it looks like any other line of the web"
        assert own == [token.upos for token in sentence.tokens]
        assert set(own) <= UPOS
        assert own[-1] == "PUNCT"
        links = [tuple(map(int, link.split("-"))) for link in alignment.split()]
        assert [word for word, _ in links] == list(range(len(source.split())))
        for word, tag in links:
            assert source.split()[word].lower().startswith(sentence.tokens[tag].text.lower())
    assert len(found["train"]) > 50, "rows of tags repeat, and that drops nothing"


def test_tags_that_repeat_need_another_check() -> None:
    with pytest.raises(ValidationError, match=r"nearly all lines would be dropped; write limits: \{overlap: source\}"):
        DemoCorpus(provider="demo", task="tagging", train=1)


@pytest.mark.parametrize("overlap", ["drop", "source", "keep"])
def test_known_answers_to_new_questions(overlap: str) -> None:
    checker = corpora.lines.Checker(Limits(overlap=overlap))
    assert checker.reason("test", "The cat", "DET NOUN") is None
    same_source, same_target = ("The cat", "DET VERB"), ("A dog", "DET NOUN")
    assert checker.reason("train", *same_source) == (None if overlap == "keep" else "in-test")
    assert checker.reason("train", *same_target) == ("in-test" if overlap == "drop" else None)


def test_dictionary_of_tags(tmp_path: Path) -> None:
    prepared(tmp_path, "tagging", "de-en")
    words = most_aligned(tmp_path / "de-en" / "train.parquet", "de-en")
    assert words["und"] == "CCONJ"
    assert words["in"] == "ADP"
    prior = PseudoPrior(kind="pseudo", corpus="tags", word="first")
    assert pseudo(prior, words, "In dem Garten.") == "ADP"


def test_summaries_in_another_language(tmp_path: Path) -> None:
    found = prepared(tmp_path, "summary", "en-fr")
    summaries = {split: {target for _, target, _ in rows} for split, rows in found.items()}
    assert all(not summaries[a] & summaries[b] for a, b in pairwise([*SPLITS, "train"]))
    for document, (source, target, alignment) in zip(documents(1, "test", 8), found["test"], strict=True):
        assert source == " ".join(realise(meaning, "en").text for meaning in document.sentences)
        assert target == realise(document.summary, "fr").text
        assert alignment == ""


def test_documents_are_about_one_person() -> None:
    found = list(documents(3, "train", 200))
    assert found == list(documents(3, "train", 200))
    assert len({document.key for document in found}) == 200
    assert {len(document.sentences) for document in found} == {2, 3}
    for first, *rest in (document.sentences for document in found):
        assert first.second is not None, "the first sentence says more than its summary"
        subjects = [meaning.main.subject for meaning in rest]
        assert all(subject is not None and subject.kind == "pronoun" for subject in subjects)
        assert len({subject.head for subject in subjects if subject}) == 1
        others = [first.main.object, first.main.companion, first.second.subject]
        assert not any(other and other.kind == "name" for other in others), "who she is must be clear"
    assert all(document.summary == Meaning(document.sentences[0].main) for document in found)
    with pytest.raises(ValueError, match=r"different nowhere documents of 1; ask for fewer"):
        next(documents(1, "nowhere", 1))


# --------------------------------------------------------------------------------------------------------------- pages

ROWS = [(f"english {i}", f"french {i}") for i in range(40)]
TAGS = [(f"words {i}", f"TAGS {i}") for i in range(7)]
SUMMARIES = [(f"story {i}", f"summary {i}") for i in range(7)]


def web(*tasks: TaskPages) -> Pages:
    return Pages(corpus="x", languages=["en", "fr"], count=2000, seed=3, tasks=list(tasks))


def test_pages_of_tasks_are_a_share_of_the_web() -> None:
    tagged = TaskPages(corpus="tags", pairs=["en-fr"], share=0.1)
    made = pages.make(
        web(tagged, TaskPages(corpus="told", pairs=["en-fr"], share=0.05)), {"en-fr": ROWS}, [TAGS, SUMMARIES]
    )
    found = [page for page in made if page.startswith("words")]
    assert set(found) == {"\n".join(row) for row in TAGS}, "the source first, the answer below"
    assert len(found) == pytest.approx(200, abs=40)
    assert sum(page.startswith("story") for page in made) == pytest.approx(100, abs=30)
    assert pages.make(web(), {"en-fr": ROWS}) == pages.make(web(), {"en-fr": ROWS}, [])
    with pytest.raises(ValueError, match="no training text to make pages of for tags"):
        pages.make(web(tagged), {"en-fr": ROWS}, [[]])
    with pytest.raises(ValidationError, match="must sum to less than 1"):
        web(*[TaskPages(corpus="tags", pairs=["en-fr"], share=0.5)] * 2)


# --------------------------------------------------------------------------------------------------------- experiments

CONFIG = """\
corpora:
  demo: {provider: demo, train: 20, test: 4}
  tags: {provider: demo, task: tagging, train: 20, test: 4, limits: {overlap: source}}
models:
  tiny:
    source: scratch
    architecture: llama
    text:
      corpus: demo
      languages: [en, fr]
      count: 10
      tasks: [{corpus: tags, pairs: [en-fr, fr-en], share: 0.2}]
experiments:
  tags:
    title: Tags
    task: tagging
    model: tiny
    test: {corpus: tags, pairs: [fr-en]}
    systems: {copy: {decoder: {name: copy}}}
"""


def plan_of(folder: Path, old: str = "", new: str = "") -> Plan:
    assert old in CONFIG
    (folder / "c.yaml").write_text(CONFIG.replace(old, new, 1), encoding="utf-8")
    return Plan(load_config(folder / "c.yaml"))


def test_a_task_brings_its_prompt_and_metrics(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    experiment = plan.experiment("tags")
    assert (experiment.prompt, experiment.metrics) == ("tags", ["tags", "tags:of=chunk"])
    texts = [("demo", "en-fr"), ("tags", "en-fr"), ("tags", "fr-en")]
    assert plan.model("tiny").texts == [plan.text(*text) for text in texts]
    assert plan.text("tags", "en-fr") in plan.texts_used
    own = plan_of(tmp_path, "    model: tiny", "    model: tiny\n    prompt: headed\n    metrics: [chrf]")
    assert (own.experiment("tags").prompt, own.experiment("tags").metrics) == ("headed", ["chrf"])
    plain = Experiment.model_validate(
        {"title": "t", "model": "m", "test": {"corpus": "c", "pairs": ["en-fr"]}, "systems": {"s": {}}}
    )
    assert (plain.task, plain.prompt, plain.metrics) == ("translation", "headed", ["bleu", "chrf"])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    task: tagging\n", "    task: tags\n", ["experiments.tags.task = 'tags'", "did you mean 'tagging'"]),
        (
            "    task: tagging\n",
            "    paper: pretty\n",
            ["this corpus is for tagging, but the experiment's task is translation"],
        ),
        (
            "{corpus: tags, pairs: [en-fr, ",
            "{corpus: tag, pairs: [en-fr, ",
            ["text.tasks.0.corpus", "did you mean 'tags'"],
        ),
        ("pairs: [en-fr, fr-en]", "pairs: [en-ru]", ["text.tasks.0.pairs.0", "has no such pair"]),
        ("share: 0.2", "share: 1.2", ["text.tasks.0.share", "less than 1"]),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(tmp_path, old, new)
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize("name", registry.names("task"))
def test_a_task_names_what_there_is(name: str, tmp_path: Path) -> None:
    task = registry.module_of("task", name)
    assert task.PROMPT in plan_of(tmp_path).prompts
    assert {spec.partition(":")[0] for spec in task.METRICS} <= set(registry.names("metric"))
    assert task.parse("") == ""


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("translation", "Ein  Hund\nbellt", "Ein  Hund\nbellt"),
        ("summary", "A dog\nbarks. \n\nRead more", "A dog barks."),
        ("tagging", "DET NOUN\nVERB", "DET NOUN VERB"),
        ("tagging", "DET, NOUN, VERB.", "DET NOUN VERB"),
        ("tagging", "The/DET dog/NOUN barks_VERB ./PUNCT", "DET NOUN VERB PUNCT"),
        ("tagging", "[('The', 'DET'), ('dog', 'NOUN')]", "The DET dog NOUN"),  # words stay: that is no row of tags
        ("tagging", "det NOUN dog", "det NOUN dog"),
    ],
)
def test_how_an_answer_is_read(name: str, text: str, answer: str) -> None:
    assert registry.module_of("task", name).parse(text) == answer


# -------------------------------------------------------------------------------------------------------------- metric


def both(answers: list[str], gold: list[str]) -> tuple[float, float]:
    """Accuracy, and what the official script prints."""
    found = [score(spec, answers, [gold], gold, "de-en", {}).value for spec in ("tags", "tags:of=chunk")]
    return round(found[0], 1), round(found[1], 1)


GOLD = "DET NOUN VERB DET ADJ NOUN"


@pytest.mark.parametrize(
    ("answer", "gold", "accuracy", "precision"),
    [
        (GOLD, GOLD, 100, 100),
        # one error in six: the run NOUN NOUN is one chunk, and wrong; 4 of 5 chunks
        ("DET NOUN VERB DET NOUN NOUN", GOLD, 83.3, 80.0),
        # one error in six that spoils two chunks, NOUN NOUN and VERB; 3 of 5
        ("DET NOUN VERB VERB ADP PRON", "DET NOUN NOUN VERB ADP PRON", 83.3, 60.0),
        # cut short: half of the words, and yet nothing that was said is wrong
        ("DET NOUN VERB", GOLD, 50.0, 100.0),
        (f"{GOLD} PUNCT", GOLD, 100, 100),
        # the first letter is not looked at: NOUN and another word that ends so are one type
        ("DET POUN VERB DET ADJ NOUN", GOLD, 83.3, 100.0),
        # a tag that begins with S never joins its neighbour, others do
        ("SCONJ SCONJ", "SCONJ SCONJ", 100, 100),
        ("SCONJ NOUN", "SCONJ SCONJ", 50.0, 50.0),
        ("NOUN VERB", "NOUN NOUN", 50.0, 0.0),
        # X at the end has no type, as the end has none: it is not seen
        ("NOUN X", "NOUN VERB", 50.0, 100.0),
        ("noun verb", "NOUN VERB", 0.0, 0.0),
    ],
)
def test_accuracy_and_the_official_number(answer: str, gold: str, accuracy: float, precision: float) -> None:
    assert both([answer], [gold]) == (accuracy, precision)


def test_chunks_by_hand() -> None:
    assert tags.chunks([["DET", "NOUN", "NOUN"], ["NOUN"]]) == {("ET", 0, 0), ("OUN", 1, 2), ("OUN", 4, 4)}
    assert tags.chunks([["SCONJ", "SCONJ", "CCONJ"]]) == {("CONJ", 0, 0), ("CONJ", 1, 1), ("CONJ", 1, 2)}
    assert tags.chunks([["O", "O"]]) == set()


def test_words_count_once_each() -> None:
    long, short = "NOUN " * 9, "VERB"
    found = score("tags", [long, "NOUN"], [[long, short]], ["a", "b"], "de-en", {})
    assert found.value == pytest.approx(90)
    assert found.segments == (100, 0)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 100


def test_claims_weigh_words_as_the_score_does() -> None:
    answers, gold = ["NOUN " * 9, "NOUN"], [["NOUN " * 9, "VERB"]]
    found = significance.statistics("tags", answers, gold, ["a", "b"], "de-en")
    assert found.value == score("tags", answers, gold, ["a", "b"], "de-en").value == pytest.approx(90)
    assert found.of([1]).value == 0


@pytest.mark.parametrize(
    ("spec", "answers", "references", "message"),
    [
        ("tags:of=word", ["A"], [["A"]], "of=token or of=chunk, not 'word'"),
        ("tags", ["A"], [["A"], ["A"]], "one reference, not 2"),
        ("tags", ["A", "A"], [["A", ""]], "reference 2 has no tags"),
    ],
)
def test_what_has_no_number(spec: str, answers: list[str], references: list[list[str]], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        score(spec, answers, references, answers, "de-en", {})


def test_answers_without_a_tag_have_no_precision_and_stop_no_run() -> None:
    with pytest.raises(NoValueError, match="no answer has a tag, so there is no precision"):
        score("tags:of=chunk", [""], [["NOUN"]], ["a"], "de-en", {})
    place = {"paper": "pretty", "experiment": "e", "system": "s", "setting": "", "pair": "de-en", "seed": 1}
    record, result = scored(place, "tags:of=chunk", [""], [["NOUN"]], ["a"], {}, {})
    assert (record.value, record.note, result) == (None, "no answer has a tag, so there is no precision", None)


def test_what_the_official_script_prints_has_an_interval() -> None:
    gold = ["DET NOUN VERB", "PRON VERB ADV PUNCT", "NOUN NOUN VERB"]
    answers = ["DET NOUN NOUN", "PRON VERB", "VERB NOUN VERB"]
    found = score("tags:of=chunk", answers, [gold], pair="en-fr")
    # chunks right and made, sentence by sentence: DET (but not NOUN, which runs on); PRON, VERB; VERB alone of three
    counts = [(1, 2), (2, 2), (1, 3)]
    assert found.value == pytest.approx(100 * 4 / 7)
    expected = interval([100 * right / made for right, made in resampled_sums(counts, 1000)])
    assert (found.low, found.high) == pytest.approx(expected)
    assert "|bs:1000|" in found.signature
    without = score("tags:of=chunk", answers, [gold], pair="en-fr", bootstrap=0)
    assert (without.low, without.signature) == (None, "XGLUE-POS|seqeval chunks")

"""Word alignment: against the formulas written out word by word, by hand, and against the grammar's gold alignments."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dragoman import corpora, grammar
from dragoman.config import DemoCorpus, FilesCorpus
from dragoman.configfile import ConfigError, load_config
from dragoman.corpora import aligner
from dragoman.text import TextError

Sentences = list[list[str]]


def made_up(count: int) -> tuple[Sentences, Sentences]:
    """Sentences of 1 to 7 words, each side with words of its own, loosely a translation."""
    rng = random.Random(1)
    sources = [rng.choices("abcdefgh", k=rng.randint(1, 7)) for _ in range(count)]
    targets = [
        [word.upper() for word in rng.sample(source, rng.randint(1, len(source)))] + ["X"] * rng.randint(0, 1)
        for source in sources
    ]
    return sources, targets


def slow_digamma(x: float) -> float:
    """From far out, where two terms of the series are enough, back to x."""
    if x < 60:
        return slow_digamma(x + 1) - 1 / x
    return math.log(x) - 1 / (2 * x) - 1 / (12 * x * x)


def slow_model(
    givens: Sentences, mades: Sentences
) -> tuple[dict[tuple[str, str], float], float, list[list[int | None]]]:
    """t, lambda and the likeliest maker of each word, straight from the formulas; "" makes what nothing makes."""
    t: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    tension = 4.0

    def prior(j: int, m: int, n: int) -> list[float]:
        odds = [math.exp(-tension * abs((i + 1) / m - (j + 1) / n)) for i in range(m)]
        return [each / sum(odds) for each in odds]

    def weights(given: list[str], made: list[str], j: int) -> list[float]:
        near = prior(j, len(given), len(made))
        from_words = [0.92 * p * t[word, made[j]] for p, word in zip(near, given, strict=True)]
        return [*from_words, 0.08 * t["", made[j]]]

    for number in range(4):
        counts: Counter[tuple[str, str]] = Counter()
        shares = []
        for given, made in zip(givens, mades, strict=True):
            for j, word in enumerate(made):
                found = weights(given, made, j)
                share = [each / sum(found) for each in found]
                shares.append((j, len(given), len(made), share))
                for maker, part in zip([*given, ""], share, strict=True):
                    counts[maker, word] += part
        for _ in range(8 if number else 0):
            slope = words = 0.0
            for j, m, n, share in shares:
                distance = [abs((i + 1) / m - (j + 1) / n) for i in range(m)]
                expected = sum(p * d for p, d in zip(prior(j, m, n), distance, strict=True))
                slope += sum(part * (expected - d) for part, d in zip(share[:-1], distance, strict=True))
                words += sum(share[:-1])
            tension = min(14.0, max(0.1, tension + 20 * slope / words))
        totals: Counter[str] = Counter()
        for (maker, _), count in counts.items():
            totals[maker] += count + 0.01
        t = {key: math.exp(slow_digamma(c + 0.01) - slow_digamma(totals[key[0]])) for key, c in counts.items()}
    best: list[list[int | None]] = []
    for given, made in zip(givens, mades, strict=True):
        rows = [weights(given, made, j) for j in range(len(made))]
        best.append([max(range(len(given)), key=row.__getitem__) if max(row[:-1]) > row[-1] else None for row in rows])
    return dict(t), tension, best


def lines(sentences: Sentences) -> list[str]:
    return [" ".join(words) for words in sentences]


@pytest.mark.parametrize("cells", [4_000_000, 40])
def test_model_is_what_the_formulas_say(cells: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(aligner, "CELLS", cells)
    sources, targets = made_up(40)
    for given in (1, 2):
        sides = (sources, targets) if given == 1 else (targets, sources)
        t, tension, best = slow_model(*sides)
        with open(tmp_path / "cells", "w+b") as file:
            text = aligner._Text(lines(sources), lines(targets), file)
            assert (len(text.chunks) > 5) == (cells == 40)
            direction = aligner._Direction(text, given)
            assert direction.tension == pytest.approx(tension, abs=1e-5)
            assert tension not in (0.1, 4.0, 14.0)
            names = [list(dict.fromkeys(word.lower() for line in side for word in line)) for side in (sources, targets)]
            for makers, made, value in zip(text.pairs[given - 1], text.pairs[2 - given], direction.table, strict=True):
                maker, word = names[given - 1][makers], names[2 - given][made]
                key = (maker, word.upper()) if given == 1 else (maker.upper(), word)
                assert value == pytest.approx(t[key], rel=1e-4, abs=1e-30)
            for chunk in text.chunks:
                for block, found in zip(chunk.blocks, direction.best(chunk, text.ids(chunk)), strict=True):
                    for row, pair in enumerate(block.rows):
                        grid = found.links[row] if given == 1 else found.links[row].T
                        assert [int(c.argmax()) if c.any() else None for c in grid.T] == best[pair]


def test_digamma_by_known_values() -> None:
    found = aligner.digamma(np.array([1.0, 0.5, 10.0, 0.01]))
    gamma = 0.5772156649015329
    assert found == pytest.approx([-gamma, -gamma - 2 * math.log(2), 2.251752589066721, -100.56088545786867], abs=1e-8)


@pytest.mark.parametrize(
    ("forward", "backward", "found"),
    [
        ([(0, 0), (1, 1)], [(0, 0), (1, 1)], [(0, 0), (1, 1)]),
        # 1-1 touches 0-0 diagonally and gives both their first link; 2-1 then touches 1-1 and gives 2 its first
        ([(0, 0), (1, 1)], [(0, 0), (2, 1)], [(0, 0), (1, 1), (2, 1)]),
        # 0-2 touches nothing and 0 has a link; 4-4 touches nothing, but neither side has one
        ([(0, 0), (0, 2)], [(0, 0), (4, 4)], [(0, 0), (4, 4)]),
        # 1-0 comes first; then 0-1 gives nothing new to 0, but 1 its first link
        ([(0, 0), (0, 1)], [(0, 0), (1, 0)], [(0, 0), (0, 1), (1, 0)]),
        # both sides of 1-1 are linked by then
        ([(0, 0), (0, 1), (1, 1)], [(0, 0), (1, 0)], [(0, 0), (0, 1), (1, 0)]),
        # nothing in common: the forward links come first
        ([(0, 0)], [(0, 1), (1, 0), (1, 1)], [(0, 0), (1, 1)]),
        ([], [], []),
    ],
)
def test_two_directions_made_one(forward: Any, backward: Any, found: Any) -> None:
    assert aligner.joined(forward, backward) == found


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert [aligner.folded(word) for word in ("Haus.", "»Straße«", "l'eau,", "3.5%", "—", "...")] == [
        "haus",
        "straße",
        "l'eau",
        "3.5",
        "—",
        "...",
    ]


def test_textbook_text() -> None:
    """What a Haus and a Buch are follows from three sentences; blanks of any kind divide words."""
    sources = ["das  Haus", "das Buch", "ein\u2003Buch.", "", "Wort"]
    targets = ["the house", "The book", "a book", "nothing", ""]
    assert aligner.align(sources, targets) == ["0-0 1-1", "0-0 1-1", "0-0 1-1", "", ""]
    assert aligner.align(sources[:3] * 2, targets[:3] * 2) == ["0-0 1-1"] * 6
    assert aligner.align([], []) == []


def test_every_pair_gets_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligner, "P_NULL", 1 - 1e-9)
    assert aligner.align(["a b c"], ["x y z"]) == ["0-0"], "the diagonal is likeliest, its first cell comes first"


@pytest.mark.parametrize(("language", "precision", "recall"), [("fr", 0.95, 0.66), ("de", 0.90, 0.62)])
def test_gold_alignments_of_the_grammar(language: str, precision: float, recall: float) -> None:
    """Gold links join every word of a phrase with every other of its translation, so recall cannot be high."""
    sources, targets, gold = [], [], []
    for meaning in grammar.meanings(1, "train", 5000):
        source, target = (grammar.realise(meaning, code) for code in ("en", language))
        sources.append(source.text)
        targets.append(target.text)
        gold.append(set(grammar.align(source, target)))
    found = aligner.align(sources, targets)
    links = [{tuple(map(int, link.split("-"))) for link in line.split()} for line in found]
    right = sum(len(a & b) for a, b in zip(links, gold, strict=True))
    assert right / sum(map(len, links)) > precision
    assert right / sum(map(len, gold)) > recall


def test_corpus_without_alignments_gets_them(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(
        "en\tde\talignment\nThe house\tDas Haus\t\nthe book\tdas Buch\t1-1\na book\tein Buch\t\n", encoding="utf-8"
    )
    (tmp_path / "b.tsv").write_text("en\tde\nThe old house\tDas alte Haus\n", encoding="utf-8")
    pairs = {
        "en-de": {split: {"path": str(tmp_path / name)} for split, name in (("train", "a.tsv"), ("test", "b.tsv"))}
    }
    made = {}
    for align in (False, True):
        corpus = FilesCorpus.model_validate({"provider": "files", "align": align, "pairs": pairs})
        for pair in ("en-de", "de-en"):
            manifest = corpora.prepare(corpus, pair, tmp_path / "none", tmp_path / f"{pair}-{align}")
            assert manifest.get("aligned") == (2 if align else None)
            table = corpora.load(tmp_path / f"{pair}-{align}", "train")
            made[pair, align] = table["alignment"].to_pylist()
            assert len(table) == 3
            assert corpora.load(tmp_path / f"{pair}-{align}", "test")["alignment"].to_pylist() == [""]
    assert made["en-de", False] == ["", "1-1", ""]
    assert made["en-de", True] == made["de-en", True] == ["0-0 1-1", "1-1", "0-0 1-1"], "given ones stay"


def test_alignment_given_in_a_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"en": "The house", "de": "Das Haus", "alignment": "0-0"}\n{"en": "a", "de": "b c", "alignment": "0-2"}\n'
    )
    corpus = FilesCorpus.model_validate(
        {"provider": "files", "align": True, "pairs": {"en-de": {"train": {"path": str(tmp_path / "a.jsonl")}}}}
    )
    manifest = corpora.prepare(corpus, "en-de", tmp_path / "none", tmp_path / "out")
    assert manifest["splits"]["train"]["dropped"] == {"alignment": 1}
    assert corpora.load(tmp_path / "out", "train")["alignment"].to_pylist() == ["0-0"]
    dropped = (tmp_path / "out" / "dropped.jsonl").read_text(encoding="utf-8")
    assert "a.jsonl:2: the alignment links 0-2, but the sides have 1 and 2 words" in dropped


def test_alignments_of_chinese_link_characters(tmp_path: Path) -> None:
    """Given ones are checked against characters, and those made here are of characters, in either direction."""
    lines = [("I love tea", "我爱 茶", "0-0 1-1 2-2"), ("I love", "我爱", ""), ("tea", "茶", "")]
    rows = [{"en": en, "zh": zh, "alignment": links} for en, zh, links in lines]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    corpus = {"provider": "files", "align": True, "pairs": {"en-zh": {"train": {"path": str(path)}}}}
    for pair in ("en-zh", "zh-en"):
        corpora.prepare(FilesCorpus.model_validate(corpus), pair, tmp_path / "none", tmp_path / pair)
        found = corpora.load(tmp_path / pair, "train")["alignment"].to_pylist()
        assert found == ["0-0 1-1 2-2", "0-0 1-1", "0-0"]
    path.write_text(json.dumps(rows[0] | {"alignment": "0-3"}), encoding="utf-8")
    with pytest.raises(TextError, match="links 0-3, but the sides have 3 words and 3 characters"):
        corpora.prepare(FilesCorpus.model_validate(corpus), "en-zh", tmp_path / "none", tmp_path / "out")


def test_grammar_has_alignments_already() -> None:
    with pytest.raises(ValueError, match="gold word alignments; remove `align`"):
        DemoCorpus.model_validate({"provider": "demo", "train": 3, "align": True})


UNALIGNED = """\
models: {m: {source: scratch, architecture: falcon-alibi, text: {corpus: demo, languages: [en, de], count: 10}}}
corpora:
  demo: {provider: demo, train: 10, test: 5}
  stories: {provider: demo, task: summary, train: 10, test: 5}
  hub: {provider: hub, dataset: a/b, revision: main, files: {train: t.parquet, test: s.parquet}, pairs: [en-de]}
  files: {provider: files, pairs: {en-de: {train: {path: t.tsv}, test: {path: t.tsv}}}ALIGN}
experiments:
  e:
    title: Title
    model: m
    prompt: headed
    train: {corpus: CORPUS, pairs: [en-de]}
    test: {corpus: CORPUS, pairs: [en-de]}
    tunings:
      t: {method: simulmask, options: {policies: [{name: POLICY, k: 1}]}, training: {steps: 1}}
    systems:
      whole: {tuning: t, decoder: {name: simultaneous, k: [1]}}
      s:
        decoder:
          name: prefilled
          n: [1]
          prior: PRIOR
          unit: token
          seam: target
          stop_at_newline: true
          score_prior: true
"""


@pytest.mark.parametrize(
    ("corpus", "rows", "align", "advice"),
    [
        ("stories", "", "", "use a corpus of translations"),
        ("hub", "", "", "give this corpus `align: true`"),
        ("files", "en\tde\na\tb\n", "", "give this corpus `align: true` or a column `alignment`"),
        ("files", "en\tde\talignment\na\tb\t\n", "", "give this corpus `align: true` or a column `alignment`"),
        ("files", "en\tde\talignment\na\tb\t0-0\n", "", None),
        ("files", "en\tde\na\tb\n", ", align: true", None),
        ("demo", "", "", None),
    ],
)
@pytest.mark.parametrize("user", ["prior", "policy"])
def test_text_without_alignments_is_refused_where_they_are_needed(
    corpus: str, rows: str, align: str, advice: str | None, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.tsv").write_text(rows or "en\tde\na\tb\n", encoding="utf-8")
    prior = f"{{kind: pseudo, corpus: {corpus}, word: first}}" if user == "prior" else "{kind: none}"
    text = UNALIGNED.replace("CORPUS", corpus).replace("ALIGN", align).replace("PRIOR", prior)
    text = text.replace("{name: POLICY, k: 1}", "{name: alignment}" if user == "policy" else "{name: wait-k, k: 1}")
    Path("my.yaml").write_text(text.replace("n: [1]", "n: [1]" if user == "prior" else "n: [0]"), encoding="utf-8")
    if advice is None:
        load_config("my.yaml")
        return
    with pytest.raises(ConfigError) as refused:
        load_config("my.yaml")
    assert f"the training text of {corpus!r} has none; {advice}" in str(refused.value)
    assert str(refused.value).count("has none") == 1

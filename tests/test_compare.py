"""Two results folders side by side."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import compare as script
from conftest import REPOSITORY
from dragoman.metrics import significance
from dragoman.metrics.scoring import score_hypotheses
from dragoman.reporting import sidebyside
from dragoman.results import comparison, records
from dragoman.results.comparison import Change, Folder, compare

WORDS = ["un", "chat", "noir", "dort", "dans", "la", "grande", "maison", "rouge", "ici"]
WRONG = ["the", "house", "was", "very", "old", "and", "nobody", "slept", "there"]


def results(
    folder: Path,
    wrong: dict[str, float],
    seeds: tuple[int, ...] = (1,),
    sentences: int = 60,
    first: int = 0,
    metrics: tuple[str, ...] = ("bleu", "gflops"),
) -> Path:
    """A results folder whose systems, wait-k at two k, get a share of their words wrong; its records are scored."""
    found = []
    for system, share in wrong.items():
        for seed in seeds:
            rows = []
            for setting in ("k=1", "k=3"):
                for number in range(first, first + sentences):
                    draw = random.Random(f"{number}")
                    reference = [draw.choice(WORDS) for _ in range(8)]
                    draw = random.Random(f"{system} {setting} {seed} {number}")
                    words = [word if draw.random() >= share else draw.choice(WRONG) for word in reference]
                    rows.append(
                        {
                            "id": number,
                            "setting": setting,
                            "source": f"source {number}",
                            "reference": " ".join(reference),
                            "hypothesis": " ".join(words),
                            "gflops": 1.0 + number % 3,
                        }
                    )
            path = folder / "decodes" / "x" / system / "en-fr" / f"seed-{seed}" / "hypotheses.jsonl"
            path.parent.mkdir(parents=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            place = {"paper": "", "experiment": "x", "system": system, "pair": "en-fr", "seed": seed}
            found += score_hypotheses(path, place, metrics, {"offtarget": {"languages": "de+en+fr"}})
    records.write(folder / "records.jsonl", found)
    return folder


def changed(folder: Path, **change: object) -> None:
    """Change every record of a folder."""
    path = folder / "records.jsonl"
    records.write(path, [replace(record, **change) for record in records.read(path)])


def by_place(changes: list[Change]) -> dict[tuple[str, str, str], Change]:
    return {(c.place.system, c.place.setting, c.place.metric): c for c in changes}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Folder]:
    folder = tmp_path_factory.mktemp("folders")
    metrics = ("bleu", "offtarget", "gflops")
    a = results(folder / "a", {"steady": 0.2, "falls": 0.1, "gone": 0.3}, metrics=metrics)
    b = results(folder / "b", {"steady": 0.2, "falls": 0.8, "new": 0.3}, metrics=metrics)
    return Folder(a), Folder(b)


def test_what_changed_and_what_did_not(pair: tuple[Folder, Folder]) -> None:
    found = by_place(compare(*pair))
    assert {key[0]: change.verdict for key, change in found.items() if key[2] == "bleu"} == {
        "steady": "same",
        "falls": "worse",
        "gone": "only in A",
        "new": "only in B",
    }
    fell = found["falls", "k=1", "bleu"]
    one, other = (
        significance.statistics(
            "bleu",
            [row["hypothesis"] for row in rows],
            [[row["reference"] for row in rows]],
            [row["source"] for row in rows],
            "en-fr",
        )
        for rows in (folder.hypotheses(fell.place, 1) for folder in pair)
    )
    tested = significance.randomisation([other], [one])
    assert (fell.difference, fell.low, fell.high) == pytest.approx((tested.difference, tested.low, tested.high))
    assert fell.test == tested.signature
    assert fell.p == pytest.approx(2 * tested.below)
    assert fell.p <= fell.p_holm < 0.05
    assert found["falls", "k=1", "gflops"].verdict == "same"
    strayed = found["falls", "k=1", "offtarget"]
    assert (strayed.verdict, strayed.test) == ("worse", fell.test), "the languages are those of the signature"
    assert sum(comparison.counts(found.values()).values()) == len(found)


def test_a_sentence_or_two_that_differ_prove_nothing(tmp_path: Path) -> None:
    a = results(tmp_path / "a", {"s": 0.1})
    b = results(tmp_path / "b", {"s": 0.1})
    path = b / "decodes/x/s/en-fr/seed-1/hypotheses.jsonl"
    first, *others = path.read_text().splitlines()
    row = json.loads(first)
    path.write_text("\n".join([json.dumps(row | {"hypothesis": "tout faux"}), *others]) + "\n")
    place = {"paper": "", "experiment": "x", "system": "s", "pair": "en-fr", "seed": 1}
    records.write(b / "records.jsonl", score_hypotheses(path, place, ["bleu"]))
    change = by_place(compare(Folder(a), Folder(b)))["s", "k=1", "bleu"]
    assert change.difference < 0
    assert (change.verdict, change.p > 0.5) == ("within chance", True)


def test_seeds_are_paired_averaged_and_must_agree(tmp_path: Path) -> None:
    a = Folder(results(tmp_path / "a", {"s": 0.1}, seeds=(1, 2)))
    worse = by_place(compare(a, Folder(results(tmp_path / "b", {"s": 0.4}, seeds=(1, 2)))))["s", "k=1", "bleu"]
    assert (worse.verdict, worse.seeds, worse.spread > 0) == ("worse", 2, True)
    part = by_place(compare(a, Folder(results(tmp_path / "c", {"s": 0.4}, seeds=(2, 3)))))["s", "k=1", "bleu"]
    assert (part.verdict, part.seeds, part.note) == ("worse", 1, "of seeds 2 only")
    others = by_place(compare(a, Folder(results(tmp_path / "d", {"s": 0.4}, seeds=(3, 4)))))["s", "k=1", "bleu"]
    assert (others.verdict, others.seeds) == ("worse", 2)
    more = by_place(compare(a, Folder(results(tmp_path / "e", {"s": 0.4}, seeds=(3, 4, 5)))))["s", "k=1", "bleu"]
    assert (more.verdict, more.note) == ("not comparable", "seeds 1 2 in A, 3 4 5 in B")
    folder = results(tmp_path / "f", {"s": 0.4}, seeds=(1, 2))
    found = records.read(folder / "records.jsonl")
    records.write(
        folder / "records.jsonl",
        [replace(r, value=r.value + (90 if r.seed == 1 else 0), made_from={}) for r in found],
    )
    torn = by_place(compare(a, Folder(folder)))["s", "k=1", "bleu"]
    assert (torn.verdict, "seeds disagree" in torn.note) == ("within chance", True)


def test_without_the_same_sentences_intervals_decide(tmp_path: Path) -> None:
    a = Folder(results(tmp_path / "a", {"s": 0.1}))
    other = by_place(compare(a, Folder(results(tmp_path / "b", {"s": 0.4}, first=500))))["s", "k=1", "bleu"]
    assert (other.verdict, other.note) == ("worse", "other test sentences")
    assert other.test == "intervals, normal approximation"
    first, second = (a.records[other.place][1], records.read(tmp_path / "b/records.jsonl")[0])
    assert first.metric == second.metric == "bleu"
    half = ((first.high - first.low) ** 2 + (second.high - second.low) ** 2) ** 0.5 / 2
    assert (other.low, other.high) == pytest.approx((other.difference - half, other.difference + half))
    same = by_place(compare(a, Folder(results(tmp_path / "c", {"s": 0.1}, first=500))))["s", "k=1", "bleu"]
    assert same.verdict == "within chance"

    gone = results(tmp_path / "d", {"s": 0.4})
    (gone / "decodes/x/s/en-fr/seed-1/hypotheses.jsonl").unlink()
    without = by_place(compare(a, Folder(gone)))["s", "k=1", "bleu"]
    assert (without.verdict, without.note) == ("worse", "B no longer has the hypotheses that were scored")
    changed(gone, low=None, high=None)
    untested = by_place(compare(a, Folder(gone)))["s", "k=1", "bleu"]
    assert (untested.verdict, untested.p, untested.note.endswith("no interval")) == ("untested", None, True)


def test_what_was_not_measured_alike_is_not_compared(tmp_path: Path) -> None:
    a = Folder(results(tmp_path / "a", {"s": 0.1}))
    b = results(tmp_path / "b", {"s": 0.4})
    changed(b, signature="BLEU|tok:char|bs:7|version:2.6.0")
    change = by_place(compare(a, Folder(b)))["s", "k=1", "bleu"]
    assert (change.verdict, change.p) == ("not comparable", None)
    assert "tok:13a" in change.note
    assert "tok:char in B" in change.note
    assert "bs:" not in change.note
    changed(b, value=None, low=None, high=None, note="this decoder writes no gflops")
    lost = by_place(compare(a, Folder(b)))["s", "k=1", "gflops"]
    assert (lost.verdict, lost.note) == ("only in A", "this decoder writes no gflops")


def test_claims_that_came_to_another_verdict(tmp_path: Path, pair: tuple[Folder, Folder]) -> None:
    assert comparison.compare_claims(*pair) == []
    fields = ["paper", "statement", "source", "experiment", "metric", "comparison", "test", "note"]
    for folder, verdict in zip(pair, ("holds", "undecided"), strict=True):
        line = dict.fromkeys(fields, "s") | {"id": "c", "verdict": verdict, "p": None, "p_holm": None, "evidence": []}
        (folder.path / "claims.jsonl").write_text(f"{json.dumps(line)}\n{json.dumps(line | {'id': verdict})}\n")
    found = [(claim.id, claim.a, claim.b) for claim in comparison.compare_claims(*pair)]
    assert found == [("c", "holds", "undecided"), ("holds", "holds", None), ("undecided", None, "undecided")]
    for folder in pair:
        (folder.path / "claims.jsonl").unlink()


def test_the_command_says_what_differs(tmp_path: Path, pair: tuple[Folder, Folder]) -> None:
    files = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "markdown", "html")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    command = [sys.executable, REPOSITORY / "scripts" / "compare.py", pair[0].path, pair[1].path, *options]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "24 numbers: " in done.stdout
    assert "only in A: x / gone, 6 numbers" in done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("x           falls, k=1") and "BLEU" in line]
    assert line.endswith("*  worse")
    with files["csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {row["verdict"] for row in rows} >= {"same", "worse", "only in A", "only in B"}
    table = [line for line in files["markdown"].read_text().splitlines() if line.startswith("| x |")]
    assert len(table) == len(sidebyside.Sides(pair[0].path, pair[1].path, compare(*pair), []).shown)
    page = files["html"].read_text()
    assert "<td>falls, k=1</td>" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


@pytest.mark.parametrize("b", ["a", "./a", "copy"])
def test_what_does_not_differ_is_said_in_one_line(tmp_path: Path, b: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(results(tmp_path / "a", {"s": 0.1, "t": 0.2}, sentences=5), tmp_path / "copy")
    script.main([str(tmp_path / "a"), f"{tmp_path}/{b}"])
    said = capsys.readouterr()
    assert said.out == f"Nothing differs between {tmp_path}/a and {tmp_path / b} (8 numbers compared).\n"
    assert said.err == ""


def test_an_experiment_that_one_folder_lacks_is_one_line(pair: tuple[Folder, Folder]) -> None:
    place = comparison.Place("y", "s", "k=1", "en-fr", "bleu")
    others = [Change(place._replace(system=name), "only in B", b=1.0) for name in "stu"]
    sides = sidebyside.Sides(pair[0].path, pair[1].path, [*compare(*pair), *others], [])
    assert sides.alone == [("x / gone", "only in A", 6), ("x / new", "only in B", 6), ("y", "only in B", 3)]
    assert not sides.equal
    claim = comparison.ClaimChange("c", "s", "holds", "fails")
    assert not sidebyside.Sides(pair[0].path, pair[1].path, [], [claim]).equal


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        ("nowhere", "b", "nowhere: no such folder; give the results folder of a finished run"),
        ("empty", "b", "empty: no records.jsonl; finish its run"),
        ("twice", "b", "twice/records.jsonl: two records for one number: x, s, k=1, en-fr, bleu, seed 1"),
        ("bad", "b", "bad/records.jsonl:1: unknown keys in a record: oops"),
    ],
)
def test_folders_that_cannot_be_compared(
    tmp_path: Path, a: str, b: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (results(tmp_path / "b", {"s": 0.1}, sentences=3) / "records.jsonl").read_text()
    contents = {"twice": whole * 2, "bad": '{"oops":1}\n'}
    for name in ("empty", *contents):
        (tmp_path / name).mkdir()
    for name, content in contents.items():
        (tmp_path / name / "records.jsonl").write_text(content)
    with pytest.raises(ValueError, match=re.escape(text)):
        script.main([str(tmp_path / a), str(tmp_path / b)])
    assert capsys.readouterr().out == ""

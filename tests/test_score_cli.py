import gzip
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman import records
from dragoman.metrics import MetricError
from dragoman.metrics.scoring import digest_of, score_hypotheses
from dragoman.text import lines

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "ref.txt").write_bytes("Der Hund schläft im Garten .\r\nEr liest ein altes Buch .\r\n".encode())
    (tmp_path / "hyp.txt").write_text("Der Hund schläft in dem Garten .\nEr liest ein Buch .\n", encoding="utf-8")
    (tmp_path / "src.txt").write_text("The dog sleeps in the garden .\nHe reads an old book .\n", encoding="utf-8")
    return tmp_path


def run(*arguments, cwd=None):
    command = [sys.executable, str(SCRIPTS / "score.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=60)


def test_text_prints_records_and_nothing_else(files):
    arguments = ("--hypothesis", "hyp.txt", "--reference", "ref.txt", "--source", "src.txt", "--pair", "en-de")
    done = run("text", *arguments, "--metric", "bleu", "chrf", "chrf:word_order=2", cwd=files)
    assert done.returncode == 0, done.stderr
    found = [records.from_dict(json.loads(line)) for line in done.stdout.splitlines()]
    assert [r.metric for r in found] == ["bleu", "chrf", "chrf:word_order=2"]
    assert {(r.system, r.pair, r.paper, r.experiment, r.setting, r.seed, r.n) for r in found} == {
        ("hyp.txt", "en-de", "", "", "", 0, 2)
    }
    assert all(0 < r.low <= r.value <= r.high < 100 for r in found)
    assert "tok:13a" in found[0].signature
    assert found[0].made_from["hypotheses"] == hashlib.sha256((files / "hyp.txt").read_bytes()).hexdigest()
    assert set(found[0].made_from) == {"hypotheses", "references", "sources"}
    assert done.stdout.splitlines() == [r.line() for r in found]


def test_options_gzip_and_several_systems(files):
    with gzip.open(files / "hyp.txt.gz", "wb") as file:
        file.write((files / "hyp.txt").read_bytes())
    arguments = ("--hypothesis", "hyp.txt", "hyp.txt.gz", "--reference", "ref.txt", "ref.txt", "--pair", "en-de")
    done = run("text", *arguments, "--metric", "bleu", "--tokenize", "char", "--bootstrap", "0", cwd=files)
    plain, packed = [json.loads(line) for line in done.stdout.splitlines()]
    assert plain["value"] == packed["value"]
    assert (plain["low"], plain["high"]) == (None, None)
    assert "nrefs:2" in plain["signature"]
    assert "tok:char" in plain["signature"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one line\n", "hyp.txt has 1 lines, but ref.txt has 2"),
        (b"good\nbad \xff\xfe\n", "hyp.txt:2: byte 9 (0xff) is not UTF-8"),
        (b"", "hyp.txt has 0 lines"),
        (None, "hyp.txt"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(files, content, message):
    if content is None:
        (files / "hyp.txt").unlink()
    else:
        (files / "hyp.txt").write_bytes(content)
    done = run("text", "--hypothesis", "hyp.txt", "--reference", "ref.txt", "--pair", "en-de", cwd=files)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr


def test_lines_end_at_line_feeds_only(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffone\u2028still one\r\ntwo\x85still two\n\nfour".encode())
    assert list(lines(path)) == ["one\u2028still one", "two\x85still two", "", "four"]
    assert digest_of(["a", "b"]) == hashlib.sha256(b"a\nb\n").hexdigest()
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ValueError, match="not a whole gzip file"):
        list(lines(tmp_path / "broken.gz"))


PLACE = {"paper": "p", "experiment": "e", "system": "s", "pair": "en-de", "seed": 1}


def rows_to(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def row(number, setting="", **change):
    text = f"Satz Nummer {number} steht hier ."
    return {"id": number, "setting": setting, "source": "x", "reference": text, "hypothesis": text} | change


def test_one_group_of_records_per_setting(tmp_path):
    rows = [row(i, setting) for i in range(3) for setting in ("k=9", "k=11")]
    rows[0]["hypothesis"] = "ganz etwas anderes als die Referenz"
    found = score_hypotheses(rows_to(tmp_path / "h.jsonl", rows), PLACE, ["bleu", "chrf", "bleu"])
    assert [(r.setting, r.metric) for r in found] == [
        ("k=9", "bleu"),
        ("k=9", "chrf"),
        ("k=11", "bleu"),
        ("k=11", "chrf"),
    ]
    assert found[0].value < 90 < found[2].value
    assert {r.n for r in found} == {3}
    assert len({r.made_from["references"] for r in found}) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1), row(2, hypothesis=None)], r"h\.jsonl:2: no 'hypothesis'"),
        ([row(1), row(2, hypothesis=3)], r"h\.jsonl:2: 'hypothesis' is not a text"),
        ([row(1), row(1)], r"h\.jsonl:2: id 1 stands twice"),
        ([row(1), row(2, reference=["a", "b"])], "more references than others"),
        ([], "no sentences"),
    ],
)
def test_bad_hypotheses_are_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message) as caught:
        score_hypotheses(rows_to(tmp_path / "h.jsonl", rows), PLACE, ["bleu"])
    assert isinstance(caught.value, MetricError | ValueError)


def test_hypotheses_of_a_run(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        """
        corpora: {demo: {provider: demo, train: 10, test: 3}}
        models:
          tiny: {source: scratch, architecture: llama, text: {corpus: demo, languages: [en, de], count: 9}}
        experiments:
          first:
            title: First
            model: tiny
            prompt: simulmask
            test: {corpus: demo, pairs: [en-de]}
            systems: {copy: {decoder: {name: copy}}}
        """
    )
    rows_to(tmp_path / "h.jsonl", [row(i) for i in range(3)])
    common = ("--config", config, "--pair", "en-de", "--seed", 1, "--hypotheses", tmp_path / "h.jsonl")
    out = tmp_path / "scores" / "seed-1.jsonl"
    done = run("hypotheses", *common, "--experiment", "first", "--system", "copy", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert [(r.paper, r.experiment, r.system, r.metric) for r in records.read(out)] == [
        ("dragoman", "first", "copy", "bleu"),
        ("dragoman", "first", "copy", "chrf"),
    ]
    done = run("hypotheses", *common, "--experiment", "frist", "--system", "copy", "--out", out)
    assert done.returncode == 1
    assert "did you mean 'first'" in done.stderr


def test_no_script_hides_a_package():
    """Python puts scripts/ first on its path, so scripts/tabulate.py would be what sacrebleu gets for `tabulate`."""
    before = list(sys.path)
    try:
        sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != SCRIPTS]
        importlib.invalidate_caches()
        found = {path.stem: importlib.util.find_spec(path.stem) for path in SCRIPTS.glob("*.py")}
    finally:
        sys.path[:] = before
    assert not [name for name, spec in found.items() if spec is not None and Path(spec.origin).parent != SCRIPTS]

import gzip
import hashlib
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.metrics.scoring import digest_of, score_hypotheses
from dragoman.results import records
from dragoman.text import lines
from refusals import Bad, over, refuse

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


def test_what_a_metric_writes_itself_stands(files):
    arguments = ("--hypothesis", "hyp.txt", "--reference", "ref.txt", "--pair", "en-de", "--bootstrap", "0")
    metrics = ("bleu", "bleu:tokenize=char", "rouge", "rouge:bootstrap=10")
    done = run("text", *arguments, "--metric", *metrics, "--tokenize", "none", cwd=files)
    found = {record["metric"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert [*found] == [*metrics], done.stderr
    assert "tok:none" in found["bleu"]["signature"]
    assert "tok:char" in found["bleu:tokenize=char"]["signature"]
    assert [found[name]["low"] is None for name in metrics] == [True, True, True, False]


def test_sentences_follow_the_record_that_is_made_of_them(files):
    from sacrebleu.metrics import BLEU, CHRF

    arguments = ("--hypothesis", "hyp.txt", "--reference", "ref.txt", "--pair", "en-de", "--bootstrap", "0")
    done = run("text", *arguments, "--metric", "bleu", "chrf", "rouge", "--sentences", cwd=files)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row.get("sentence") for row in found] == [None, 1, 2] * 3
    assert {tuple(sorted(row)) for row in found if "sentence" in row} == {
        ("metric", "pair", "sentence", "signature", "system", "value")
    }
    hypotheses, references = (list(lines(files / name)) for name in ("hyp.txt", "ref.txt"))
    for theirs, ours in ((BLEU(effective_order=True), found[1:3]), (CHRF(), found[4:6])):
        pairs = zip(hypotheses, references, strict=True)
        assert [row["value"] for row in ours] == pytest.approx([theirs.sentence_score(h, [r]).score for h, r in pairs])
        assert ours[0]["signature"].endswith(str(theirs.get_signature()))
    assert [row["value"] for row in found[7:]] == pytest.approx([100 * 2 * 4 / 11, 100 * 2 * 4 / 9])
    plain = run("text", *arguments, "--metric", "bleu", "chrf", "rouge", cwd=files)
    assert plain.stdout.splitlines() == done.stdout.splitlines()[::3]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    (tmp_path / "many.txt").write_text("a b c\n" * 1500)
    command = [sys.executable, str(SCRIPTS / "score.py"), "text", "--pair", "en-de", "--metric", "rouge", "--sentences"]
    command += ["--hypothesis", "many.txt", "--reference", "many.txt", "--bootstrap", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["value"] == 100
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


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
    return {"id": number, "setting": setting, "source": "a b c d e f", "reference": text, "hypothesis": text} | change


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


CONFIG = """
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
    metrics: [bleu, laal, gflops]
"""
TEXT = "score.py text --hypothesis hyp.txt --reference ref.txt --pair en-de --bootstrap 0"
RUN = "score.py hypotheses --config c.yaml --experiment first --system copy --pair en-de --seed 1"
RUN += " --hypotheses h.jsonl --out out.jsonl"
TWO = b"Ein Satz .\nZwei davon .\n"


def timed(number, **change):
    return row(number, delays=[1, 2, 3, 4, 5, 6], gflops=1.5) | change


ROWS = [
    *(
        Bad(what, f"{TEXT} {more}", [said], {"ref.txt": TWO, "hyp.txt": content})
        for what, content, more, said in [
            ("a line too few", b"one line\n", "", "hyp.txt has 1 lines, but ref.txt has 2"),
            ("not UTF-8", b"good\nbad \xff\xfe\n", "", "hyp.txt:2: byte 9 (0xff) is not UTF-8"),
            ("UTF-16", "a\nb\n".encode("utf-16"), "", "hyp.txt:1: byte 0 (0xff) is not UTF-8"),
            ("nothing", b"", "", "hyp.txt has 0 lines"),
            ("a cut archive", gzip.compress(TWO * 999, mtime=0)[:-20], "", "hyp.txt is cut off after line"),
            ("a broken archive", b"\x1f\x8bnonsense", "", "hyp.txt is not a whole gzip file"),
            ("an unknown metric", TWO, "--metric blue", "unknown metric 'blue'; did you mean 'bleu'?"),
            (
                "an unknown option",
                TWO,
                "--metric chrf:word=2",
                "unknown option of chrf 'word'; did you mean 'word_order'",
            ),
            ("an option that is none", TWO, "--metric chrf:2", "an option must be written as name=value"),
            ("an option of another kind", TWO, "--metric chrf:word_order=two", "word_order"),
            ("an unknown tokenizer", TWO, "--metric bleu --tokenize 13b", "13b"),
            ("a metric of latency", TWO, "--metric laal --source hyp.txt", "needs the delays of a decoding"),
            ("a metric that reads sources", TWO, "--metric comet", "comet needs the source sentences"),
            ("a pair that is none", TWO, "--pair ende", "a pair is two language codes joined by '-'"),
            ("a reference that is not there", TWO, "--reference no.txt", "no.txt cannot be read: No such file"),
            ("a source of another length", TWO, "--source c --metric bleu", "c cannot be read"),
            ("a tokenizer for no BLEU", TWO, "--metric chrf --tokenize char", "--tokenize is for BLEU"),
            (
                "a tokenizer for nothing",
                TWO,
                "--metric bleu:tokenize=char chrf --tokenize none",
                "--tokenize is for BLEU, but each bleu in --metric has its own",
            ),
            ("negative resamples", TWO, "--bootstrap -1", "resamples cannot be negative: -1"),
        ]
    ),
    Bad("no hypotheses", TEXT, ["hyp.txt cannot be read: No such file"], {"ref.txt": TWO}),
    Bad("every reference empty", TEXT, ["every reference is empty"], {"ref.txt": b"\n\n", "hyp.txt": TWO}),
    *(
        Bad(what, RUN, said, {"c.yaml": CONFIG, "h.jsonl": "".join(json.dumps(each) + "\n" for each in rows)})
        for what, rows, said in [
            ("no hypothesis", [timed(1), timed(2, hypothesis=None)], ["h.jsonl:2: no 'hypothesis'"]),
            (
                "a number for a hypothesis",
                [timed(1), timed(2, hypothesis=3)],
                ["h.jsonl:2: 'hypothesis' is not a text"],
            ),
            ("an id twice", [timed(1), timed(1)], ["h.jsonl:2: id 1 stands twice"]),
            ("a list for an id", [timed([1])], ["h.jsonl:1: 'id' is neither"]),
            (
                "more references than others",
                [timed(1), timed(2, reference=["a", "b"])],
                ["more references than others"],
            ),
            ("no references at all", [timed(1, reference=[])], ["h.jsonl:1: 'reference' is neither"]),
            ("a number for a reference", [timed(1, reference=["a", 1])], ["h.jsonl:1: 'reference' is neither"]),
            ("delays of some rows only", [timed(1), row(2)], ["h.jsonl: some rows have 'delays' and others do not"]),
            ("delays that go back", [timed(1, delays=[3, 2, 1, 4, 5, 6])], ["shorter"]),
            ("NaN for a delay", [timed(1, delays=[1, 2, 3, 4, 5, math.nan])], ["not finite"]),
            ("a text for a delay", [timed(1, delays=[1, 2, 3, 4, 5, "x"])], ["delays"]),
            ("NaN operations", [timed(1), timed(2, gflops=math.nan)], ["sentence 2: no number of operations"]),
            ("a text for operations", [timed(1, gflops="many")], ["gflops"]),
            ("nothing", [], ["no sentences to score"]),
            ("a list for a row", [[1]], ["h.jsonl:1: expected a JSON object, found list"]),
        ]
    ),
    Bad("half a row", RUN, ["h.jsonl:2: not JSON"], {"c.yaml": CONFIG, "h.jsonl": json.dumps(timed(1)) + '\n{"id": 2'}),
    Bad("no hypotheses of the run", RUN, ["h.jsonl cannot be read: No such file"], {"c.yaml": CONFIG}),
    Bad("an unknown system", RUN.replace("copy", "cpy"), ["did you mean 'copy'"], {"c.yaml": CONFIG}),
    Bad("an unknown experiment", RUN.replace("first", "frist"), ["did you mean 'first'"], {"c.yaml": CONFIG}),
    Bad(
        "a folder to write to",
        RUN.replace("out.jsonl", "d"),
        ["a folder stands where"],
        {"c.yaml": CONFIG, "d/x": "", "h.jsonl": json.dumps(timed(1))},
    ),
]


@over(ROWS, least=41)
def test_refused(bad, tmp_path):
    refuse(bad, tmp_path)


def test_hypotheses_of_a_run(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("[bleu, laal, gflops]", "[bleu, chrf]"))
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

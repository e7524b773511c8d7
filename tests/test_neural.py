"""COMET and BLEURT, with tiny random models of the real architectures, in an environment of their own.

`make test` makes that environment, which takes half a minute and 1.3 GB. Tests that need it are skipped without it;
those of the process and its protocol have a scorer of their own and always run.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import REPOSITORY
from dragoman import metrics
from dragoman.metrics import MetricError, neural, score_cache, significance
from dragoman.metrics.bleurt import BLEURT
from dragoman.metrics.comet import COMET
from hub_server import Hub
from support.scorers import FAKE

TEXTS = [
    {"src": "ein hund", "mt": "a dog", "ref": "the dog"},
    {"src": "ja", "mt": "", "ref": "yes"},
    {"src": "wir haben lange gewartet", "mt": "we waited for long", "ref": "we have waited for a long time"},
    {"src": "z" * 90, "mt": "x" * 90, "ref": "y" * 90},  # longer than the models read
    {"src": "ein hund", "mt": "no cat", "ref": "the dog"},
]
SOURCES, HYPOTHESES, REFERENCES = ([text[key] for text in TEXTS] for key in ("src", "mt", "ref"))


@pytest.fixture(autouse=True, scope="module")
def ended() -> Iterator[None]:
    yield
    neural.close()


def score(spec: str, references: list[list[str]] | None = None, sources: list[str] = SOURCES) -> metrics.Score:
    return metrics.score(spec, HYPOTHESES, [REFERENCES] if references is None else references, sources, "de-en")


# -- the process, without models --------------------------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which any file name is a model, of a scorer whose scores are lengths."""
    (tmp_path / "scorer.py").write_text(FAKE)
    monkeypatch.setattr(neural, "SCORER", tmp_path / "scorer.py")
    monkeypatch.setenv("DRAGOMAN_NEURAL_PYTHON", sys.executable)
    for name in ("plain", "free", "fails", "dies", "killed", "talks", "refuses", "slow", "nan"):
        (tmp_path / name).touch()
    yield tmp_path
    neural.close()
    score_cache.use(None)


def test_a_score_is_the_mean_of_its_segments(fake: Path) -> None:
    found = metrics.score(f"comet:model={fake}/plain", ["ab", "abcd"], [["x", "y"]], ["s", "t"], "de-en")
    assert found.segments == (0.2, 0.4)
    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high, found.n, found.note) == (0.2, 0.4, 2, "")
    expected = "COMET|model:fake|revision:1|nrefs:1|precision:fp32|bs:1000|seed:12345|comet:2"
    assert found.signature == expected
    without = metrics.score(f"comet:model={fake}/plain", ["ab"], [["x"]], ["s"], "de-en", bootstrap=0)
    assert (without.low, without.high, "bs:" in without.signature) == (None, None, False)


def test_a_process_is_kept_for_its_model_and_ends_with_us(fake: Path) -> None:
    first = neural.scorer("comet", str(fake / "plain"))
    assert neural.scorer("comet", str(fake / "plain")) is first
    assert neural.scorer("bleurt", str(fake / "plain")) is not first
    assert neural.scorer("comet", str(fake / "slow")) is not first
    neural.close()
    assert first.process.returncode == 0


def test_references_are_read_as_the_model_says(fake: Path) -> None:
    free = score(f"comet:model={fake}/free", references=[])
    assert "|nrefs:0|" in free.signature
    assert score(f"comet:model={fake}/free", references=[REFERENCES, REFERENCES]).segments == free.segments
    with pytest.raises(MetricError, match=r"plain: this model needs references"):
        score(f"comet:model={fake}/plain", references=[])
    with pytest.raises(MetricError, match=r"COMET compares with one reference, not 2"):
        score(f"comet:model={fake}/plain", references=[REFERENCES, REFERENCES])
    with pytest.raises(MetricError, match=r"comet needs the source sentences"):
        score(f"comet:model={fake}/plain", sources=[])
    with pytest.raises(MetricError, match=r"bleurt needs references"):
        score(f"bleurt:model={fake}/plain", references=[])


def test_what_was_scored_is_not_scored_again(
    fake: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    score_cache.use(fake / "stored")
    spec = f"comet:model={fake}/plain"

    def loads() -> int:
        neural.close()
        return capfd.readouterr().err.count("loaded")

    first = score(spec)
    assert (loads(), len(list((fake / "stored").iterdir()))) == (1, 1)
    assert score(spec) == first
    assert score(f"{spec},bootstrap=0").segments == first.segments  # an interval is no part of it
    assert loads() == 0, "the model is found, so that its version is known, but not loaded"
    metrics.score(spec, [*HYPOTHESES[:-1], "no dog"], [REFERENCES], SOURCES, "de-en")
    metrics.score(spec, HYPOTHESES, [[*REFERENCES[:-1], "a dog"]], SOURCES, "de-en")
    metrics.score(spec, HYPOTHESES, [REFERENCES], [*SOURCES[:-1], "hund"], "de-en")
    score(f"{spec},batch=2")
    assert (loads(), len(list((fake / "stored").iterdir()))) == (1, 5)
    with monkeypatch.context() as patch:
        patch.setenv("FAKE", "revision:2")
        assert "|revision:2|" in score(spec).signature
        assert loads() == 1, "another version of the model"
    for path in (fake / "stored").iterdir():
        path.write_text(path.read_text().replace("0.", "1.", 1))
    with caplog.at_level(logging.WARNING):
        assert score(spec) == first
    assert (loads(), "is damaged; its scores are computed again" in caplog.text) == (1, True)
    assert score(spec) == first
    assert loads() == 0


def test_differences_are_tested_on_the_scores_of_sentences(fake: Path) -> None:
    spec, sources = f"bleurt:model={fake}/plain", ["s"] * 40
    short, long = (["a" * (3 + i % 5 + more) for i in range(40)] for more in (0, 1))
    made = [significance.statistics(spec, lines, [short], sources, "de-en") for lines in (long, short)]
    found = significance.randomisation([made[0]], [made[1]])
    assert found.difference == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert found.above < 0.001
    assert significance.randomisation([made[0]], [made[0]]).above == 1


def test_what_a_metric_needs_is_found_without_being_loaded(fake: Path, capfd: pytest.CaptureFixture[str]) -> None:
    [found] = metrics.requisites(f"comet:model={fake}/plain", ["de-en"])
    assert found() == "the model fake of comet, revision:1"
    [fails] = metrics.requisites(f"bleurt:model={fake}/fails", ["de-en"])
    with pytest.raises(MetricError, match=r"^bleurt: there is no such model$"):
        fails()
    neural.close()
    assert "loaded" not in capfd.readouterr().err
    assert metrics.requisites("chrf", ["de-en"]) == []


def test_a_process_that_ends_is_no_score(fake: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MetricError, match=r"^comet: there is no such model$"):
        score(f"comet:model={fake}/fails")
    with pytest.raises(MetricError, match=r"^comet, model .*dies: the process has ended with exit code 1"):
        score(f"comet:model={fake}/dies")
    assert "what a library says" in capfd.readouterr().err
    killed = neural.scorer("comet", str(fake / "killed"))
    with pytest.raises(MetricError, match=r"ended with signal SIGKILL .* memory ran out"):
        killed.score([{"mt": "kill"}])
    assert killed.process.returncode == -signal.SIGKILL
    assert neural.scorer("comet", str(fake / "killed")).score([{"mt": "abc"}]) == ([0.3], 0)  # a new one
    with pytest.raises(MetricError, match=r"the process said 'hello', which is no JSON"):
        score(f"comet:model={fake}/talks")
    with pytest.raises(MetricError, match=r"the score of sentence 1 is nan"):
        score(f"comet:model={fake}/nan")


def test_a_request_refused_is_not_the_end(fake: Path) -> None:
    scorer = neural.scorer("comet", str(fake / "refuses"))
    with pytest.raises(MetricError, match=r"^comet: too large$"):
        scorer.score([{"mt": "abc"}])
    assert scorer.score([{"mt": "ab"}]) == ([0.2], 0)


def test_progress_is_shown(fake: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(neural, "_SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level(logging.INFO):
        neural.scorer("comet", str(fake / "slow")).score([{"mt": "a"}] * 5)
    assert [line.split("] ")[1].split(",")[0] for line in caplog.messages[1:]] == ["1/5", "2/5", "3/5", "4/5"]


def test_a_request_that_was_interrupted_leaves_no_answer_behind(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(neural, "_SECONDS_BETWEEN_LINES", 0)
        patch.setattr(neural, "bar", interrupt)
        with pytest.raises(KeyboardInterrupt):
            neural.scorer("comet", str(fake / "slow")).score([{"mt": "a"}] * 3)
    assert neural.scorer("comet", str(fake / "slow")).score([{"mt": "abc"}] * 3) == ([0.3] * 3, 0)


def test_what_can_be_refused_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_NEURAL_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(MetricError, match=r"names no file \(.*nowhere\): run `make env-neural`"):
        score("comet")
    monkeypatch.delenv("DRAGOMAN_NEURAL_PYTHON")
    monkeypatch.setattr(neural, "REPOSITORY", tmp_path)
    with pytest.raises(MetricError, match=r"is not made yet \(.*/\.venv-neural/bin/python\): run `make env-neural`"):
        score("bleurt")
    for spec, text in {
        f"comet:model={tmp_path}/no": r"no such file or folder: '.*/no'.*hf download",
        "comet:model=wmt22-comet-da": r"no such file or folder: 'wmt22-comet-da'.*like `Unbabel/wmt22-comet-da`",
        "bleurt:model=./a": r"no such file or folder: './a'",
        "comet:revision=12e4": r'revision=120000.0 was read as a number; write revision="..." with the quotes',
        f"comet:model={tmp_path},revision=main": r"is on this machine, so there is no revision",
        "comet:batch=0": r"batch is a whole number of segments from 1, not 0",
        "comet:modell=a/b": r"did you mean 'model'\?",
    }.items():
        with pytest.raises(MetricError, match=text):
            score(spec)
    with pytest.raises(MetricError, match=r"unknown option 'modell'; did you mean 'model'\?"):
        COMET.check(modell="a/b")
    BLEURT.check(revision="main", batch=4, bootstrap=0)


def test_labels_tell_models_apart() -> None:
    names = {
        "comet": "COMET",
        "comet:model=Unbabel/wmt22-comet-da,batch=4": "COMET",
        "comet:model=Unbabel/wmt22-cometkiwi-da": "COMET (wmt22-cometkiwi-da)",
        "bleurt:model=/models/BLEURT-20-D12": "BLEURT (BLEURT-20-D12)",
        "bleurt:revision=v1": "BLEURT (revision v1)",
    }
    assert {spec: metrics.presentation(spec).label for spec in names} == names


# -- models -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models, and of what their own libraries say about `TEXTS`."""
    python = REPOSITORY / ".venv-neural" / "bin" / "python"
    if os.environ.get("NEURAL") == "0":
        pytest.skip("COMET and BLEURT were left out (NEURAL=0)")
    if not python.is_file():
        pytest.skip("the environment of COMET and BLEURT is not made; `make env-neural` makes it")
    folder = tmp_path_factory.mktemp("models")
    (folder / "texts.json").write_text(json.dumps(TEXTS))
    command = [python, "-I", REPOSITORY / "tests" / "neural_models.py", folder]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize(
    ("spec", "name", "signature"),
    [
        ("comet", "comet", "COMET|model:comet|sha256:"),
        ("comet", "unite", "COMET|model:unite|sha256:"),
        ("comet", "kiwi", "COMET|model:kiwi|sha256:"),
        ("comet", "xcomet", "COMET|model:xcomet|sha256:"),
        ("bleurt", "bleurt", "BLEURT|model:bleurt|sha256:"),
    ],
)
def test_scores_are_the_librarys(models: Path, spec: str, name: str, signature: str) -> None:
    found = score(f"{spec}:model={models / name}")
    expected = json.loads((models / "expected.json").read_text())[name]
    assert found.segments == pytest.approx(expected, abs=2e-6)
    assert len(set(found.segments)) == len(TEXTS)
    assert found.value == pytest.approx(sum(expected) / len(expected), abs=2e-6)
    assert found.low < found.value < found.high
    assert found.signature.startswith(signature)
    assert f"|nrefs:{int(name != 'kiwi')}|" in found.signature
    assert "|transformers:4." in found.signature
    assert found.note.startswith("1 of 5 hypotheses are empty")
    assert found.note.endswith("of 5 sentences may be longer than the model reads")

    again = score(f"{spec}:model={models / name}")
    assert again == found  # to the last bit
    for batch in (1, 2):
        alone = score(f"{spec}:model={models / name},batch={batch}")
        assert alone.segments == pytest.approx(found.segments, abs=2e-6)
    if name in ("unite", "xcomet"):  # works without references, too, and says so
        without = score(f"{spec}:model={models / name}", references=[])
        assert "|nrefs:0|" in without.signature
        assert without.segments != found.segments
    if name == "kiwi":
        assert score(f"{spec}:model={models / name}", references=[]).segments == found.segments


def test_the_command_line_says_the_same_bytes(models: Path, tmp_path: Path) -> None:
    for name, lines in {"hyp": HYPOTHESES, "ref": REFERENCES, "src": SOURCES}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    specs = [f"comet:model={models}/comet/checkpoints/model.ckpt", f"bleurt:model={models}/bleurt"]
    command = [sys.executable, REPOSITORY / "scripts" / "score.py", "text", "--pair", "de-en", "--metric", *specs]
    command += ["--hypothesis", tmp_path / "hyp", "--reference", tmp_path / "ref", "--source", tmp_path / "src"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["metric"] for record in records] == specs
    for name, record in zip(("comet", "bleurt"), records, strict=True):
        here = score(f"{name}:model={models / name}")
        assert [record[key] for key in ("value", "low", "high", "n", "note")] == [
            here.value,
            here.low,
            here.high,
            here.n,
            here.note,
        ]
        assert record["signature"].split("|sha256:")[1] == here.signature.split("|sha256:")[1]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("comet:model=M/lacking", r"model\.ckpt lacks 6 of the model's weights \(estimator"),
        (
            "comet:model=M/pickled",
            r"model\.ckpt \(\d+ bytes\) is broken, or holds more than weights: .*TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",
        ),
        (
            "comet:model=M/elsewhere",
            r"configuration and tokenizer of 'nobody/encoder'.*/hf download nobody/encoder --include",
        ),
        ("comet:model=M/bleurt", r"is no COMET model: .*checkpoints/model\.ckpt is missing"),
        ("bleurt:model=M/comet", r"is no BLEURT model in PyTorch"),
        ("comet", r"Unbabel/wmt22-comet-da is not on this machine .*`hf download Unbabel/wmt22-comet-da --local-dir"),
    ],
)
def test_a_model_that_cannot_be_used_is_an_error(
    models: Path, spec: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MetricError, match=text):
        score(spec.replace("M/", f"{models}/"))
    assert "a checkpoint has run a program" not in "".join(capfd.readouterr())


def test_models_of_a_hub(models: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    names = ("hparams.yaml", "checkpoints/model.ckpt")
    files = {name: (models / "elsewhere" / name).read_bytes() for name in names}
    commit = hub.add("model", "tiny/comet", files | {"README.md": b"not needed"})
    hub.add("model", "nobody/encoder", {file.name: file.read_bytes() for file in (models / "encoder").iterdir()})
    with pytest.raises(MetricError, match=r"the hub has no model 'tiny/nothing'.*HF_TOKEN"):
        score("comet:model=tiny/nothing")
    with pytest.raises(MetricError, match=r"the hub has no revision 'v9' of tiny/comet"):
        score("comet:model=tiny/comet,revision=v9")
    hub.gated["tiny/comet"] = "secret"
    with pytest.raises(MetricError, match=r"tiny/comet is gated: accept its terms at .*tiny/comet, then set HF_TOKEN"):
        score("comet:model=tiny/comet")
    monkeypatch.setenv("HF_TOKEN", "secret")
    found = score("comet:model=tiny/comet")
    assert f"|model:tiny/comet|revision:{commit}|" in found.signature
    assert found.segments == score(f"comet:model={models / 'comet'}").segments
    assert not hub.gets("README")
    neural.close()
    hub.close()  # what was fetched stays
    assert score(f"comet:model=tiny/comet,revision={commit}") == found

"""The whole workflow on the smoke configuration, as a user runs it, from an empty folder."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from browser import grave, watch
from dragoman import models
from dragoman.configfile import load_config
from dragoman.metrics import instances
from dragoman.plan import Plan
from dragoman.results import records
from dragoman.results.judging import OUTCOMES, metric
from dragoman.storage import read_jsonl, read_manifest
from hub_server import Hub
from support.trainings import spec
from support.workflow import SMOKE, contents, planned, snakemake

REPOSITORY = Path(__file__).resolve().parents[1]
PLAN = Plan(load_config(REPOSITORY / "config" / "smoke.yaml"))
EVERYTHING = {
    "prepare": sum(text.corpus == "demo" for text in PLAN.texts_used),
    "pretrain": len(PLAN.models_used),
    "finetune": len(PLAN.tuning_runs),
    "decode": len(PLAN.decode_runs),
    "score": len(PLAN.decode_runs),
}


Run = tuple[Path, "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A second run, one job at a time. It goes on beside all tests of the first, and the last of them waits for it."""
    folder = tmp_path_factory.mktemp("again")
    with ThreadPoolExecutor(1) as pool:
        yield folder, pool.submit(snakemake, folder, "--cores", "1")


@pytest.fixture(scope="module")
def finished(repeated: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workflow")
    done = snakemake(folder, "--cores", "2")
    assert done.returncode == 0, done.stderr[-5000:]
    *_, report, merged = done.stdout.splitlines()
    assert report == "The report: results/smoke/report/index.html"
    assert load_config(folder / merged.rpartition("--config ")[2]) == PLAN.config
    return folder


@pytest.mark.workflow
class TestFinished:
    """What a finished run looks like, and what it takes to change it."""

    def test_every_number_is_there(self, finished: Path) -> None:
        judged = {metric(outcome) for outcome in OUTCOMES}
        found = records.read(finished / "results/smoke/records.jsonl")
        silent = [record for record in found if record.metric in judged]
        assert {(r.system, r.metric, r.value, r.note) for r in silent} == {
            ("ours", each, None, "not judged: the configuration names no judge") for each in judged
        }
        found = [record for record in found if record not in silent]
        keys = {(r.experiment, r.system, r.pair, r.setting, r.seed, r.metric) for r in found}
        promised = sum(
            len(run.system_config.decoder.settings) * len(run.experiment_config.metrics) for run in PLAN.decode_runs
        )
        assert len(keys) == len(found) == promised
        for record in found:
            test = PLAN.experiment(record.experiment).test
            assert record.n == (test.limit or PLAN.config.corpora[test.corpus].test)
            assert record.signature if record.value is not None else record.note
            assert set(record.made_from) >= {"hypotheses", "references"}
        copied = [r.value for r in found if r.system == "copy" and r.metric == "chrf"]
        assert copied[0] is not None
        assert copied[0] > 5, "names and numbers survive copying"

    def test_hypotheses_are_in_the_order_of_the_test_set(self, finished: Path) -> None:
        rows = read_jsonl(finished / "results/smoke/decodes/sft-llama/copy/en-fr/seed-1/hypotheses.jsonl")
        assert [row["id"] for row in rows] == list(range(12))
        assert all(row["hypothesis"] == row["source"] for row in rows)

    def test_manifests_hold_what_was_made(self, finished: Path) -> None:
        for path in (finished / "results/smoke").glob("**/manifest.json"):
            assert read_manifest(path.parent)["files"]
        tuning = read_manifest(finished / "results/smoke/tunings/sft-llama/sft/all/seed-1")
        assert tuning["examples"] == {"made": 100, "kept": 100}
        mixed = read_manifest(finished / "results/smoke/tunings/langaware/mt/all/seed-1")
        assert mixed["examples"] == {"made": 4 * 16 + 5, "kept": 4 * 16 + 5}, "translations, and instructions"
        assert not list((finished / "results/smoke/.work").glob("*")), "unfinished state is gone when all is done"

    def test_page_tables_and_figures(self, finished: Path) -> None:
        results = finished / "results/smoke"
        page = (results / "report/index.html").read_text(encoding="utf-8")
        assert "Fine-tuning with all weights, two seeds" in page
        assert "http://" not in page.replace("http://www.w3.org", "")
        for suffix in ("csv", "md", "tex", "html"):
            assert (results / f"tables/sft-llama.{suffix}").stat().st_size > 100
        assert (results / "figures/sft-llama-loss.svg").read_text(encoding="utf-8").startswith("<?xml")

    def test_page_works_in_a_browser(self, finished: Path, chromium: Any) -> None:
        complaints: list[str] = []
        tab = chromium.new_page()
        watch(tab, complaints)
        tab.goto((finished / "results/smoke/report/index.html").as_uri())
        drawn = tab.locator("svg[role=img]").count()
        assert drawn == tab.locator('a[download$=".pdf"]').count() > len(PLAN.config.experiments)
        assert tab.locator(".timeline").count() > 0
        assert grave(tab) == []
        tab.close()
        assert complaints == []

    def test_second_run_has_nothing_to_do(self, finished: Path) -> None:
        done = snakemake(finished, "--cores", "2")
        assert done.returncode == 0
        assert "Nothing to be done" in done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("old", "new", "again"),
        [
            ("max_new_tokens: 12, beam: 2", "max_new_tokens: 12, beam: 3", {"decode": 2, "score": 2}),
            ("title: Fine-tuning with an adapter", "title: Tuning with an adapter", {"table": 1, "plot": 2}),
            ("adapter: {rank: 4}", "adapter: {rank: 5}", {"finetune": 1, "decode": 4, "score": 4}),
            ("test: 12}", "test: 11}", EVERYTHING),
        ],
    )
    def test_only_what_depends_on_a_change_is_made_again(
        self, finished: Path, old: str, new: str, again: dict[str, int]
    ) -> None:
        assert old in SMOKE
        jobs = planned(snakemake(finished, "--dry-run", config=SMOKE.replace(old, new)))
        assert {rule: count for rule, count in jobs.items() if rule in {*again, "pretrain", "finetune"}} == again

    def test_words_that_are_piped_give_what_was_decoded(self, finished: Path) -> None:
        folder = finished / "results/smoke/decodes/simulmask/sm-norec-mod,k=3/en-fr/seed-1"
        rows = read_jsonl(folder / "hypotheses.jsonl")
        command = [sys.executable, str(REPOSITORY / "scripts/stream.py"), "--config", "config.yaml", "--k", "3"]
        command += ["--experiment", "simulmask", "--system", "sm-norec-mod", "--pair", "en-fr", "--log", "stream.log"]
        text = "".join(row["source"] + "\n" for row in rows)
        done = subprocess.run(command, cwd=finished, input=text, capture_output=True, text=True)
        assert done.stdout == "".join(row["hypothesis"] + "\n" for row in rows), done.stderr
        timed = instances.read(finished / "stream.log")
        assert [list(each.delays) for each in timed] == [row["delays"] for row in rows]
        assert all(list(each.elapsed) == sorted(each.elapsed) for each in timed)

    def test_snakemake_report(self, finished: Path) -> None:
        done = snakemake(finished, "--report", "snakemake.html")
        assert done.returncode == 0, done.stderr
        assert (finished / "snakemake.html").stat().st_size > 100_000

    def test_another_run_has_the_same_bytes(self, finished: Path, repeated: Run) -> None:
        """Times are apart; given the same times, the page is the same."""
        folder, run = repeated
        done = run.result()
        assert done.returncode == 0, done.stderr[-5000:]
        first, second = contents(finished / "results/smoke"), contents(folder / "results/smoke")
        assert len(second) > 150
        assert first == second
        for name in ("timings", "benchmarks"):
            shutil.copytree(finished / "results/smoke" / name, folder / "results/smoke" / name, dirs_exist_ok=True)
        for own in (finished, folder):
            (own / "config.yaml").write_text(SMOKE, encoding="utf-8")  # dry runs of other tests left theirs
            command = [sys.executable, str(REPOSITORY / "scripts/report.py"), "--config", "config.yaml"]
            subprocess.run([*command, "--out", "again.html"], cwd=own, check=True, capture_output=True)
        assert (finished / "again.html").read_bytes() == (folder / "again.html").read_bytes()


HUB = """
corpora:
  iwslt17:
    provider: hub
    dataset: IWSLT/iwslt2017
    revision: refs/convert/parquet
    files:
      train: "{config}/train/*.parquet"
      validation: "{config}/validation/*.parquet"
      test: "{config}/test/*.parquet"
    configs: {de-en: iwslt2017-de-en}
    pairs: [de-en, en-de]
    limits: {overlap: keep}
models:
  falcon-rw-1b: {source: hub, id: tiiuae/falcon-rw-1b, revision: main, alibi: true}
experiments:
  hub:
    title: A model and a corpus of the hub
    model: falcon-rw-1b
    prompt: simulmask
    train: {corpus: iwslt17, pairs: [en-de]}
    test: {corpus: iwslt17, pairs: [en-de]}
    tunings:
      sft: {method: sft, training: {steps: 2, batch_size: 8}}
    systems:
      tuned: {tuning: sft, decoder: {name: offline, max_new_tokens: 8}}
"""


@pytest.mark.workflow
def test_model_and_corpus_of_the_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's path, on repositories of the same form: fetched once, then never asked for again."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.iwslt2017(rows=40)
    model = tmp_path / "model"
    tokenizer = models.train_tokenizer(["This is sentence 1 of train.", "Das ist Satz 1 von train."], 300)
    tokenizer.save_pretrained(model)
    models.build(spec("falcon-alibi"), tokenizer).save_pretrained(model)
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    hub.add("model", "tiiuae/falcon-rw-1b", files | {"pytorch_model.bin": b"a pickle", "modeling_falcon.py": b"1/0"})

    done = snakemake(tmp_path, "--cores", "2", config=HUB)
    assert done.returncode == 0, done.stderr[-5000:]
    (bleu, chrf) = records.read(tmp_path / "results/records.jsonl")
    assert (bleu.n, chrf.metric) == (3, "chrf")
    assert read_manifest(tmp_path / "results/models/falcon-rw-1b")["commit"] == Hub.commit(
        files | {"pytorch_model.bin": b"a pickle", "modeling_falcon.py": b"1/0"}
    )
    assert not hub.gets("pytorch_model.bin")
    assert not hub.gets("modeling_falcon.py")

    assert hub.gets("/resolve/")[-1]["authorization"] == "Bearer hf_secret"
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]
    assert "hf_secret" not in done.stdout + done.stderr
    assert kept == [], "a token is in no log, record or report"

    asked = len(hub.requests)
    (tmp_path / "results/models/falcon-rw-1b/manifest.json").unlink()
    done = snakemake(tmp_path, "--cores", "2", config=HUB)
    assert done.returncode == 0, done.stderr[-5000:]
    assert len(hub.requests) == asked, "everything was here already"


def test_mistake_is_one_message_before_any_job(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--cores", "2", config=SMOKE.replace("model: llama-smoke", "model: lama-smoke", 1))
    assert done.returncode != 0
    line = SMOKE[: SMOKE.index("model: llama-smoke")].count("\n") + 1
    assert f"config.yaml:{line}: experiments.sft-llama.model = 'lama-smoke': unknown model" in done.stderr
    assert "did you mean 'llama-smoke'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_failing_script_is_a_failed_job(tmp_path: Path) -> None:
    """Every job pipes what it says into a log; the pipe must not hide how it ended."""
    (tmp_path / "bad.tsv").write_text("en\tde\nonly one column\n", encoding="utf-8")
    config = HUB.replace(
        HUB[HUB.index("  iwslt17:") : HUB.index("models:")],
        "  iwslt17: {provider: files, pairs: {en-de: {train: {path: bad.tsv}, test: {path: bad.tsv}}}}\n",
    )
    done = snakemake(tmp_path, "--cores", "1", "results/corpora/iwslt17/en-de/manifest.json", config=config)
    assert done.returncode != 0
    assert "Error in rule prepare" in done.stderr
    assert "returned non-zero exit status 1" in done.stderr
    assert "bad.tsv:2: 1 columns, but the header has 2" in done.stdout + done.stderr
    assert "completed successfully, but" not in done.stderr


def test_one_value_on_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--dry-run", "--quiet"]
    done = subprocess.run([*command, "--config", "threads=2"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_demonstration_has_the_right_jobs(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--dry-run", config=(REPOSITORY / "config/config.yaml").read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr
    jobs = planned(done)
    assert {rule: jobs[rule] for rule in ("pretrain", "finetune", "decode")} == {
        "pretrain": 2,
        # stage 1 and two stages 2, three seeds; three tunings for all k and three for each of four, one seed; twins and
        # task models, three seeds
        "finetune": 3 * 3 + (3 + 3 * 4) + 3 * 3 * 2,
        # pairs x (systems without a tuning + systems with one, once a seed); four for all k, four for each k;
        # translation, tagging and summaries with prior tokens
        "decode": 16 * (1 + 3 * 3) + 2 * (4 + 4 * 4) + 2 * (6 + 4 * 3 + 2 * (1 + 4 * 3)),
    }
    assert jobs["prepare"] == 15 + 20 + 3 * 2, "pairs of the web, of many directions, of the other experiments"


def test_a_run_of_another_target_does_not_name_the_report(tmp_path: Path) -> None:
    page = tmp_path / "results/smoke/report/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("of an earlier run")
    done = snakemake(tmp_path, "--cores", "1", "results/smoke/corpora/demo/en-fr/manifest.json")
    assert done.returncode == 0, done.stderr
    assert "The report" not in done.stdout


def test_neural_metrics_bring_their_environment(tmp_path: Path) -> None:
    config = SMOKE.replace("metrics: [bleu, laal, atd, gflops]", "metrics: [bleu, comet]")
    done = snakemake(tmp_path, "--dry-run", "--forceall", config=config)
    assert planned(done)["neural_environment"] == 1
    rule = r"rule score:\n.*\n    output: \S+/scores/(\w+)/.*\n(?:    (?!res).*\n)*    resources: (.*)"
    asked = dict(re.findall(rule, done.stdout + done.stderr))
    assert "gpu=1" in asked["simulmask"]
    assert "gpu=0" in asked["langaware"]
    assert "neural_environment" not in planned(snakemake(tmp_path, "--dry-run", "--forceall"))


ELSEWHERE = {"neural_scorer.py", "simuleval_agent.py"}
"""Scripts that run in environments of their own."""


@pytest.mark.parametrize("script", sorted({p.name for p in (REPOSITORY / "scripts").glob("*.py")} - ELSEWHERE))
def test_every_script_explains_itself(script: str, in_repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a program, but in this process: others are started by many tests."""
    monkeypatch.setattr(sys, "argv", [f"scripts/{script}", "--help"])
    output = io.StringIO()
    with contextlib.redirect_stdout(output), pytest.raises(SystemExit) as end:
        runpy.run_path(sys.argv[0], run_name="__main__")
    assert end.value.code == 0
    assert "usage:" in output.getvalue()
    assert "example" in output.getvalue()


def test_run_that_is_not_planned_is_named(in_repository: Path) -> None:
    arguments = ["--config", "config/smoke.yaml", "--experiment", "sft-llama", "--tuning", "sft", "--seed", "3"]
    done = subprocess.run([sys.executable, "scripts/finetune.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown run 'sft-llama/sft/all seed 3'; did you mean 'sft-llama/sft/all seed " in done.stderr
    assert len(done.stderr.splitlines()) == 1

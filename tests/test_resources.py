"""What jobs ask for, and what a configuration is said to take before it runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from dragoman import models
from dragoman.config import HubModel
from dragoman.configfile import ConfigError, load_config
from dragoman.metrics import neural
from dragoman.plan import Plan, resources
from dragoman.plan.estimates import UNFINISHED, Forecast, forecast, jobs
from dragoman.storage import write_json
from support.trainings import spec
from support.workflow import CONFIG, given, planned, snakemake

REPOSITORY = Path(__file__).resolve().parents[1]
TABLE = resources.load()


@pytest.mark.parametrize("architecture", ["falcon-alibi", "falcon-rotary", "llama", "mistral", "qwen3", "gpt-neox"])
def test_parameters_by_formula_are_those_of_the_model(architecture: str) -> None:
    tokenizer = models.train_tokenizer(["the cat number 1 sleeps here"] * 3, 260)
    given = spec(architecture).model_copy(update={"vocabulary": len(tokenizer), "width": 48, "heads": 3})
    assert resources.parameters(given) == models.build(given, tokenizer).num_parameters()


def test_larger_models_ask_for_more_and_unknown_ones_for_most() -> None:
    sizes = [10**6, 10**8, 10**9, 7 * 10**9]
    for train in (True, False):
        memory = [TABLE.with_model(size, train=train).mem_mb for size in sizes]
        assert memory == sorted(set(memory))
        assert TABLE.with_model(None, train=train) == TABLE.with_model(10**12, train=train)
        assert TABLE.with_model(None, train=train).mem_mb == memory[-1]
    assert TABLE.without_model("no such rule") == TABLE.light["other"]


def test_memory_and_time_grow_with_the_attempt() -> None:
    assert [TABLE.grown(1000, attempt) for attempt in (1, 2, 3)] == [1000, 1500, 2250]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("growth: 1.5", "growth: 0.5", "growth = 0.5: input should be greater than or equal to 1"),
        ("mem_mb: 4000, runtime: 30", "memory: 4000, runtime: 30", "light.other.memory: unknown key 'memory'"),
        ("  other:", "  others:", "the row `other` is missing"),
        ("parameters: 50000000\n", "parameters: 900000000\n", "rows must go from small models to large ones"),
        ("prefix: 13.7", "prefiks: 13.7", "unknown method 'prefiks'; did you mean 'prefix'?"),
    ],
)
def test_mistake_in_the_table_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = re.sub(r" +#.*", "", resources.TABLE.read_text(encoding="utf-8"))
    assert old in text
    path = tmp_path / "resources.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{re.escape(str(path))}:\d+: .*{re.escape(said)}"):
        resources.load(path)


def test_sizes_change_no_result() -> None:
    """They are for estimates: a user who fills them in trains nothing anew."""
    path = REPOSITORY / "config" / "papers" / "simulmask.yaml"
    plan = Plan(load_config(path))
    assert plan.model("falcon-rw-1b").spec == {
        "model": {"source": "hub", "id": "tiiuae/falcon-rw-1b", "alibi": True,
                  "revision": "e4b9872bb803165eb22f0a867d4e6a64d34fce19"},
        "threads": 4,
    }  # fmt: skip
    assert "sizes" not in plan.text("iwslt17", "en-fr").spec["corpus"]


def test_rules_ask_for_what_the_table_says(tmp_path: Path) -> None:
    done = snakemake(tmp_path, "--dry-run")
    assert planned(done).items() >= jobs(Plan(load_config(REPOSITORY / "config" / "smoke.yaml"))).items()
    asked = re.findall(r"rule (\w+):\n(?:    (?!resources).*\n)*    resources: (.*)", done.stdout + done.stderr)
    small = TABLE.models[0]
    by_rule = {"finetune": {small.train}, "pretrain": {small.train}, "diverge": {small.decode}}
    by_rule |= {rule: {TABLE.light["other"]} for rule in ("table", "plot", "claims", "page", "costs")}
    by_rule["answer"] = {small.decode}
    by_rule |= {"decode": {small.decode, TABLE.light["decode"]}, "score": {TABLE.light["score"]}}
    found: dict[str, set[resources.Need]] = {}
    for rule, text in asked:
        values = dict(re.findall(r"(\w+)=(\d+)(?:,|$)", text))
        if rule in by_rule:
            assert "nodes" not in values, "one machine is what SLURM gives unless asked"
            numbers = {name: int(values[name]) for name in ("gpu", "cpus_per_task", "mem_mb", "runtime")}
            found.setdefault(rule, set()).add(resources.Need(**numbers))
    assert found == by_rule


def test_many_devices_are_several_nodes(tmp_path: Path) -> None:
    """What SLURM is asked for: by our rules, and by the executor that makes a command of it."""
    assert [TABLE.nodes(devices) for devices in (1, 8, 9, 12, 16, 11)] == [1, 1, 3, 2, 2, 11]
    need = TABLE.models[0].train
    assert need.times(12, 2) == need.model_copy(
        update={"gpu": 12, "cpus_per_task": 6 * need.cpus_per_task, "mem_mb": 6 * need.mem_mb, "nodes": 2}
    )
    given(tmp_path)
    config = yaml.safe_load(CONFIG)
    config["experiments"]["e"]["tunings"]["sft"]["training"] |= {"devices": 16, "batch_size": 32}
    done = snakemake(tmp_path, "--dry-run", config=yaml.safe_dump(config))
    (asked,) = re.findall(r"rule finetune:\n(?:    (?!resources).*\n)*    resources: (.*)", done.stdout + done.stderr)
    values = {name: int(value) if value.isdigit() else value for name, value in re.findall(r"(\w+)=([^,]+)", asked)}
    job = SimpleNamespace(resources=SlurmResources(values), threads=1, is_group=lambda: False)
    empty = dict.fromkeys(("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir"), "")
    line = get_submit_command(job, empty) + set_gres_string(job)
    for option in ("--nodes=2", "--ntasks=2", "--gpus=16", f"--cpus-per-task={8 * need.cpus_per_task}"):
        assert f" {option} " in f"{line} "
    assert f" --mem {8 * need.mem_mb} " in line
    assert "ntasks-per-gpu" not in line


class SlurmResources(dict[str, Any]):
    """As jobs of Snakemake have them."""

    __getattr__ = dict.__getitem__


def estimated(config: dict[str, object], folder: Path) -> Forecast:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return forecast(Plan(load_config(path)), TABLE)


HUB = {
    "corpora": {"c": {"provider": "hub", "dataset": "a/b", "revision": "main", "pairs": ["en-de"],
                      "files": {"train": "t/*.parquet", "test": "s/*.parquet"}, "sizes": {"train": 1000, "test": 50}}},
    "models": {"m": {"source": "hub", "id": "a/m", "revision": "main", "parameters": 1_000_000_000}},
    "experiments": {
        "e": {
            "title": "t", "model": "m", "prompt": "simulmask", "seeds": [1, 2],
            "train": {"corpus": "c", "pairs": ["en-de"]}, "test": {"corpus": "c", "pairs": ["en-de"], "limit": 20},
            "tunings": {"sft": {"training": {"epochs": 2}}},
            "systems": {"tuned": {"tuning": "sft"}},
        }
    },
}  # fmt: skip


def test_formula_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found, assumed = estimated(HUB, tmp_path), TABLE.estimate
    training = 6 * 1e9 * 2 * 1000 * assumed.tokens / assumed.training_flops + assumed.job_seconds
    decoding = 2 * 1e9 * 20 * assumed.tokens / assumed.decoding_flops + assumed.job_seconds
    assert found.rules["finetune"].gpu_seconds == pytest.approx(2 * training)
    assert found.rules["decode"].gpu_seconds == pytest.approx(2 * decoding)
    assert found.disk["fine-tuned models"] == 2 * 4e9
    assert found.disk["one training in progress"] == UNFINISHED * 1e9
    assert found.download == {"models": 2e9, "text": 1050 * assumed.sentence_bytes}
    assert not found.unknown


def test_other_jobs_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers, a comparison with the twin, contrasts, and an answer that is computed again and again."""
    monkeypatch.chdir(tmp_path)
    questions = tmp_path / "questions.json"
    questions.write_text('[{"instruction": "a"}, {"instruction": "b"}, {"instruction": "c"}]', encoding="utf-8")
    whole = yaml.safe_load(yaml.safe_dump(HUB))
    whole["experiments"]["e"] |= {
        "seeds": [1],
        "systems": {
            "tuned": {"tuning": "sft"},
            "contrast": {"tuning": "sft", "decoder": {"name": "contrastive"}},
            "again": {"tuning": "sft", "decoder": {"name": "simultaneous", "k": [1, 3], "recompute": True}},
            "copy": {"decoder": {"name": "copy"}},
        },
        "divergence": {"twin": "sft", "n": [0, 1, 2], "sentences": 10},
        "instructions": {"path": "questions.json", "systems": ["tuned"], "limit": 2, "max_new_tokens": 100},
    }
    found, assumed = estimated(whole, tmp_path), TABLE.estimate

    def seconds(tokens: float) -> float:
        return 2 * 1e9 * tokens / assumed.decoding_flops + assumed.job_seconds

    half = assumed.tokens / 2
    again = half * (1 + (half / 1.5 + 1) / 2)  # after each of its words the answer is fed anew: half of it on average
    assert found.rules["answer"].gpu_seconds == pytest.approx(seconds(2 * (assumed.tokens + 100)))
    assert found.rules["diverge"].gpu_seconds == pytest.approx(seconds(2 * 3 * 10 * assumed.tokens))
    decodings = seconds(20 * assumed.tokens) + seconds(20 * 3 * assumed.tokens) + seconds(20 * 2 * again)
    assert found.rules["decode"].gpu_seconds == pytest.approx(decodings), "a copy takes no card"


def test_instructions_that_are_mixed_in_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mixed = yaml.safe_load(yaml.safe_dump(HUB))
    hub = {"dataset": "a/c", "revision": "main", "files": "*.parquet"}
    mixed["corpora"]["alpaca"] = {"provider": "instructions", "sizes": {"train": 5000}} | hub
    seconds = {}
    for limit in (None, 4000, 9000):
        mixed["experiments"]["e"]["tunings"]["sft"]["mix"] = limit and {"corpus": "alpaca", "limit": limit}
        seconds[limit] = estimated(mixed, tmp_path).rules["finetune"].gpu_seconds - 2 * TABLE.estimate.job_seconds
    assert seconds[4000] == pytest.approx(5 * seconds[None])
    assert seconds[9000] == pytest.approx(6 * seconds[None])


@pytest.mark.parametrize("metric", neural.METRICS)
def test_neural_metrics_bring_their_environment(metric: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spoken = yaml.safe_load(yaml.safe_dump(HUB))
    spoken["experiments"]["e"]["metrics"] = [metric]
    found = estimated(spoken, tmp_path)
    assert (found.rules["neural_environment"].jobs, found.rules["requisites"].jobs) == (1, 1)
    assert found.disk["neural metrics"] == found.download["neural metrics"] > 0
    assert "neural_environment" not in estimated(HUB, tmp_path).rules


def test_what_is_unknown_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bare = yaml.safe_load(yaml.safe_dump(HUB))
    del bare["models"]["m"]["parameters"], bare["corpora"]["c"]["sizes"]
    found = estimated(bare, tmp_path)
    assert (found.rules["finetune"].unknown, found.rules["decode"].unknown) == (2, 2)
    assert found.gpu_hours == 0
    assert set(found.unknown) == {
        "the size of the model m: set models.m.parameters",
        "the number of sentences of c: set corpora.c.sizes.train",
        "the number of sentences of c: set corpora.c.sizes.test",
    }


def test_earlier_runs_count_more_than_formulas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that ran says what the other will take; a decoding's benchmark what the other's will."""
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "results/timings/e/sft/all/seed-1.json", {"seconds": 720.0})
    benchmark = tmp_path / "results/benchmarks/decode/e/tuned/en-de/seed-2.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\tmax_rss\tcpu_time\n36.0\t100.0\t20.0\n", encoding="utf-8")
    found = estimated(HUB, tmp_path)
    assert (found.rules["finetune"].measured, found.rules["decode"].measured) == (2, 2)
    assert found.gpu_hours == pytest.approx((2 * 720 + 2 * 36) / 3600)


@pytest.mark.parametrize(
    ("budget", "code", "said"),
    [
        (["--budget-gpu-hours", "5000"], 0, r"^fits: [\d.]+ of 5,000 GPU hours$"),
        (["--budget-gpu-hours", "1"], 1, r"^does not fit: at least [\d.]+ of 1 GPU hours$"),
        (["--budget-disk-gb", "10", "--budget-download-gb", "1e9"], 1, r"^does not fit: .* GB of disk\nfits: "),
    ],
)
def test_script_says_whether_it_fits(in_repository: Path, budget: list[str], code: int, said: str) -> None:
    command = [sys.executable, "scripts/plan.py", "config/papers/simulmask.yaml", *budget]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")
    assert re.search(said, done.stdout, flags=re.MULTILINE)
    assert re.search(r"^finetune +95 +\d+\.\d+", done.stdout, flags=re.MULTILINE)
    assert "disk: " in done.stdout
    assert "download: " in done.stdout


def test_papers_models_have_their_sizes() -> None:
    for path in sorted((REPOSITORY / "config" / "papers").glob("*.yaml")):
        for model in load_config(path).models.values():
            assert not isinstance(model, HubModel) or model.parameters, path

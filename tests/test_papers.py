"""The papers' own configurations: they are planned whole, with the numbers of jobs that follow from the papers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dragoman.config import Config, Experiment, HubCorpus, SimultaneousDecoder
from dragoman.config.sweeps import written_out
from dragoman.configfile import load_config
from dragoman.methods import language_aware
from dragoman.plan import Plan
from dragoman.reporting import gather, markup, tables
from dragoman.reporting.arrange import lay_out
from dragoman.results import published as numbers
from dragoman.yamlfile import read_yaml
from support.workflow import planned, snakemake

REPOSITORY = Path(__file__).resolve().parents[1]
SIMULMASK = REPOSITORY / "config" / "papers" / "simulmask.yaml"
PRETTY = REPOSITORY / "config" / "papers" / "pretty.yaml"
PAIRS = ["en-fr", "en-nl", "en-it", "en-de", "en-ro"]


def published(column: str) -> set[str]:
    """What stands in a column of the paper's curves."""
    with open(REPOSITORY / "config" / "published" / "simulmask.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row[column] for row in rows if row["table"].startswith("BLEU against LAAL")}


def test_simulmask_has_the_right_jobs(tmp_path: Path) -> None:
    """Per pair: prefix, mask, mask with ALiBi and published mask once for each of 4 k, causal, converse, any k once.

    A system whose models differ by k is decoded once per model, the others once for all k.
    """
    done = snakemake(tmp_path, "--dry-run", config=SIMULMASK.read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = planned(done)
    tunings = 4 * 4 + 3
    decodings = 4 * 6 + 4  # prefix-rec, prefix-norec and four of the mask; offline, causal-rec, converse, any k
    assert {rule: jobs[rule] for rule in ("download", "prepare", "fetch_model", "finetune", "decode", "score")} == {
        "download": 5,
        "prepare": 5,
        "fetch_model": 1,
        "finetune": 5 * tunings,
        "decode": 5 * decodings,
        "score": 5 * decodings,
    }
    assert "pretrain" not in jobs


def test_simulmask_is_the_papers_experiment() -> None:
    config = load_config(SIMULMASK)
    experiment = config.experiments["simulmask"]
    assert experiment.train is not None
    assert experiment.train.pairs == experiment.test.pairs == PAIRS
    assert published("pair") == set(PAIRS)
    assert published("system") <= set(experiment.systems)
    corpus = config.corpora["iwslt17"]
    assert isinstance(corpus, HubCorpus)
    assert corpus.align, "`converse` goes by alignments, and the hub has none"

    plan = Plan(config)
    tunings, systems = plan.experiment("simulmask").tunings, plan.experiment("simulmask").systems
    trained = {name: tuning.options["policies"][0]["k"] for name, tuning in tunings.items() if "," in name}
    assert trained == {
        f"{name},k={k}": k + 4 for name in ("prefix", "sm-plain", "sm-modified", "sm-official") for k in (1, 3, 5, 7)
    }
    points = {f"k={k}" for k in (1, 3, 5, 7)}
    for name, system in systems.items():
        if isinstance(system.decoder, SimultaneousDecoder):
            at = system.decoder.k
            assert at == [int(name.rpartition("=")[2])] if "," in name else {f"k={k}" for k in at} == points
            assert system.decoder.recompute == name.partition(",")[0].endswith("-rec")
    assert {setting for setting in published("setting") if setting.startswith("k=")} == points | {"k=mean"}


def test_simulmask_trains_as_the_authors_say() -> None:
    """README of their repository: 2 epochs of 64, 2e-4, inverse square root, 3 % warm-up, decay 0.1, norm 1, 512."""
    config = load_config(SIMULMASK)
    for tuning in config.experiments["simulmask"].tunings.values():
        how = tuning.training
        assert (how.epochs, how.batch_size, how.learning_rate, how.schedule) == (2, 64, 2e-4, "inverse_sqrt")
        assert (how.warmup, how.weight_decay, how.max_grad_norm, how.max_length) == (0.03, 0.1, 1.0, 512)
        assert how.adapter is None
        assert tuning.per_pair
    assert config.models["falcon-rw-1b"].source == "hub"


def test_pretty_has_the_right_jobs(tmp_path: Path) -> None:
    """Two model families, three tasks: a twin of each, a task model where none is public, every kind of prior."""
    done = snakemake(tmp_path, "--dry-run", config=PRETTY.read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = planned(done)
    translation, summaries, tags = 8, 7, 5
    decodings = 2 * (11 * translation + 7 * summaries + 7 * tags)
    expected = {
        "download": translation + summaries + tags + 1,  # and the English treebank, which is trained on
        "prepare": translation + summaries + tags + 1,
        "fetch_model": 2 + 1,  # and NLLB
        "finetune": 2 * (1 + 2 + 2),
        "decode": decodings,
        "score": decodings,
        "diverge": 2 * translation,
    }
    assert {rule: jobs[rule] for rule in expected} == expected
    assert "pretrain" not in jobs


def test_pretty_says_what_it_assumes() -> None:
    """A1 to A6 of every experiment, and languages, models and prompt, which nobody has published either."""
    for experiment in load_config(PRETTY).experiments.values():
        names = [name.split()[0] for name in experiment.assumptions]
        assert sorted(names) == ["A1", "A2", "A3", "A4", "A5", "A6", "L", "M", "P"]


# --------------------------------------------------------------- what carries a paper's name is the paper's, everywhere

CONFIGS = [*(REPOSITORY / "config").glob("config.yaml"), *(REPOSITORY / "config").glob("smoke.yaml")]
CONFIGS += [*sorted((REPOSITORY / "config" / "papers").glob("*.yaml"))]
CONFIGS += [*sorted((REPOSITORY / "config" / "examples").glob("*.yaml"))]
EXPERIMENTS = [
    (f"{path.stem}/{name}", experiment)
    for path in CONFIGS
    for name, experiment in Config.model_validate(read_yaml(path)[0]).experiments.items()  # its files need not be there
]


def papers_own(experiment: Experiment, *names: str) -> list[str]:
    """Systems of these names that are not called variants."""
    return [name for name in names if name in experiment.systems and not experiment.systems[name].variant]


@pytest.mark.parametrize(("place", "experiment"), EXPERIMENTS, ids=[place for place, _ in EXPERIMENTS])
def test_the_papers_systems_are_the_papers(place: str, experiment: Experiment) -> None:
    """Stage 2: the official sampler, alpha 0.05. Whatever waits for k words is trained to wait for k + 4, one model for
    each k. But where a sweep varies that very key, or a system calls itself a variant."""
    for name in papers_own(experiment, "ours"):
        tuning = experiment.tunings[experiment.systems[name].tuning or ""]
        options = language_aware.Options.model_validate(tuning.options)
        swept = tuning.sweep.key if tuning.sweep else ""
        assert tuning.method == "language-aware"
        assert options.sampler == "official"
        assert options.alpha == 0.05 or swept == "options.alpha"
    whole = written_out(experiment)
    for name in papers_own(experiment, "sm-norec-mod", "sm-norec", "prefix-rec", "prefix-norec"):
        points = [key for key in whole.systems if key.split(",")[0] == name]
        assert len(points) > 1, "one model for each k"
        for key in points:
            system = whole.systems[key]
            assert isinstance(system.decoder, SimultaneousDecoder)
            [policy] = whole.tunings[system.tuning or ""].options["policies"]
            assert [policy["k"]] == [k + 4 for k in system.decoder.k], key


def test_every_system_besides_the_papers_says_so() -> None:
    """In the experiments of a paper that has tables, a system is in one of these, or is called a variant, or is a
    control: an untrained or solved task that nobody takes for the paper's."""
    controls = {
        "copy",
        "foundation",
        "untuned-legacy",
        "consistency",
        "cpo",
        "orpo",
        "simpo",
        "cpo-all-pairs",
        "all-pairs",
    }
    for place, experiment in EXPERIMENTS:
        if experiment.paper in ("simulmask", "langaware"):
            known = {number.system for number in numbers.load(experiment.paper)}
            for name, system in experiment.systems.items():
                assert name in known | controls or system.variant, f"{place}: {name}"


def test_variants_are_printed_under_the_tables() -> None:
    plan = Plan(load_config(REPOSITORY / "config" / "config.yaml"))
    layout = gather.layout_from(plan, "langaware")
    assert list(layout.variants) == ["stage 2, all directions"]
    text = markup.markdown(lay_out(tables.cells([], layout), layout))
    reason = layout.variants["stage 2, all directions"]
    assert f"Variants of the paper's systems. stage 2, all directions: {reason}." in text
    changed = plan.config.model_copy(deep=True)
    changed.experiments["langaware"].systems["ours-all-directions"].__dict__["variant"] = "another reason"
    assert Plan(changed).table_spec("langaware") != plan.table_spec("langaware"), "tables are made again"

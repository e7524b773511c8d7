"""Tunings trained several times, tunings that go on from others, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config.sweeps import joined, split, variant
from dragoman.configfile import ConfigError, load_config
from dragoman.plan import Plan, TuningRun

GOOD = """\
corpora:
  demo: {provider: demo, train: 10, test: 5}
models:
  tiny:
    source: scratch
    architecture: falcon-alibi
    text: {corpus: demo, languages: [en, fr], count: 10}
experiments:
  e:
    title: E
    model: tiny
    prompt: simulmask
    train: {corpus: demo, pairs: [en-fr, en-de]}
    test: {corpus: demo, pairs: [en-fr, en-de]}
    tunings:
      first: {method: sft, training: {steps: 2}}
      second: {method: sft, start: first, training: {steps: 1}}
      sm:
        method: simulmask
        options: {policies: [{name: wait-k, k: 9}]}
        per_pair: true
        training: {steps: 2}
        sweep: {axis: k, key: options.policies.0.k, values: {1: 5, 3: 7}}
    systems:
      two: {tuning: second}
      sm: {label: SM, tuning: sm, decoder: {name: simultaneous, k: [1, 3]}}
"""
NO_POSITIONS = "method: simulmask, options: {policies: [{name: wait-k, k: 1}], positions: none}, training: {steps: 1}"


def loaded(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return Plan(load_config(path))


def test_a_sweep_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it is written into the working directory
    plan = loaded(tmp_path, GOOD)
    experiment = plan.experiment("e")
    assert list(experiment.tunings) == ["first", "second", "sm,k=1", "sm,k=3"]
    assert [experiment.tunings[f"sm,k={k}"].options["policies"][0]["k"] for k in (1, 3)] == [5, 7], "k_train = k + 4"
    assert [experiment.systems[f"sm,k={k}"].decoder.k for k in (1, 3)] == [[1], [3]]
    assert {run.system for run in plan.decode_runs} == {"two", "sm,k=1", "sm,k=3"}
    assert sum(run.tuning.startswith("sm") for run in plan.tuning_runs) == 4, "two settings, two pairs"
    specs = [TuningRun(plan, "e", f"sm,k={k}", "en-fr", 1).spec for k in (1, 3)]
    assert specs[0] != specs[1]
    saved = Plan(load_config(plan.save()))
    assert saved.digest == plan.digest
    assert saved.tuning_runs == plan.tuning_runs


def test_names_of_settings() -> None:
    assert split(variant("sm", "k", "3")) == ("sm", "k=3")
    assert split("sm") == ("sm", "")
    assert joined("alpha=0.1", "k=3") == "alpha=0.1, k=3"
    assert joined("k=3", "k=3") == "k=3"
    assert joined("", "") == ""


def test_a_tuning_goes_on_from_another(tmp_path: Path) -> None:
    plan = loaded(tmp_path, GOOD)
    first, second = (TuningRun(plan, "e", name, "all", 1) for name in ("first", "second"))
    assert plan.tuning_runs.index(first) < plan.tuning_runs.index(second)
    assert second.start == first
    assert first.start == plan.model("tiny")
    swept = GOOD.replace("first: {", "first: {sweep: {axis: n, key: training.steps, values: [1, 2]}, ").replace(
        "start: first", "start: first, sweep: {axis: n, key: training.steps, values: [1, 2]}"
    )
    plan = loaded(tmp_path, swept)
    assert TuningRun(plan, "e", "second,n=2", "all", 1).start == TuningRun(plan, "e", "first,n=2", "all", 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("key: options.policies.0.k", "key: options.policy.k", "no such key; write nested keys with dots"),
        ("key: options.policies.0.k", "key: options.policies.1.k", "no such key"),
        ("{1: 5, 3: 7}", "{1: 5, 3: zero}", "valid integer"),
        ("{1: 5, 3: 7}", "{1: 5, 3: 0}", "sweep.values = 0"),
        ("{1: 5, 3: 7}", "{1: 5, 4: 8}", "the decoder lacks 4"),
        ("{1: 5, 3: 7}", "{}", "at least 1"),
        ("{1: 5, 3: 7}", "[[1], 3]", "[1] cannot be a name; write {name: [1]}"),
        ("{1: 5, 3: 7}", "[1, '1']", "two values have the same name"),
        ("{1: 5, 3: 7}", "{'a b': 5}", "a setting must be one word"),
        ("start: first", "start: frist", "did you mean 'first'"),
        ("start: first", "start: second", "circle: second -> second"),
        ("start: first", "start: sm", "'sm' has `per_pair: true`"),
        ("start: first", "start: sm, per_pair: true", "'sm' is swept; sweep this tuning over the same settings"),
        ("tuning: sm, decoder: {name: simultaneous", "tuning: sm, decoder: {name: conversation", "decoder.k"),
        (
            "{tuning: second}",
            "{tuning: second, decoder: {name: conversation, chunk: [2]}}",
            "they are not trained on turns",
        ),
        ("{tuning: second}", "{decoder: {name: conversation, chunk: [2]}}", "needs a tuning with `method: converse`"),
        ("{tuning: second}", "{decoder: {name: interleaved}}", "needs a tuning with `method: interleave`"),
        ("{tuning: second}", "{tuning: second, decoder: {name: interleaved}}", "they are not trained on turns"),
        ("second: {method: sft", "second: {method: interleave", "are decoded with `interleaved`"),
        ("second: {method: sft", "second: {method: converse", "are decoded with `conversation`"),
        ("k: [1, 3]}", "k: [1, 3], positions: group}", "set `positions: group` in both or in neither"),
        ("k: [1, 3]}", "k: [1, 3], positions: none}", "set `positions: none` in both or in neither"),
        ("options: {policies", "options: {positions: none, policies", "set `positions: none` in both or in neither"),
        ("options: {policies", "options: {positions: group, policies", "need rotary positions"),
        ("options: {policies", "options: {unit: character, policies", "write it under the experiment"),
        (
            "options: {policies",
            "options: {positions: group, origin: 3, policies",
            "the tuning has `origin: 3`; set the same number in both",
        ),
        ("falcon-alibi", "llama", "need ALiBi positions"),
        ("k: [1, 3]}", "k: [0, 3]}", "greater than 0"),
    ],
)
def test_mistake(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, GOOD.replace(old, new))
    assert message in str(caught.value)


OTHER = """
  other:
    title: O
    model: tiny
    prompt: simulmask
    train: {corpus: demo, pairs: [en-fr, en-de]}
    test: {corpus: demo, pairs: [en-de]}
    seeds: [1, 2]
    tunings:
      ended: {method: sft, start: begun, training: {steps: 1}}
      begun: {method: sft, training: {steps: 2}}
      longer: {method: sft, start: begun, training: {steps: 3}}
      alone:
        method: simulmask
        options: {policies: [{name: wait-k, k: 7}]}
        per_pair: true
        training: {steps: 2}
    systems:
      two: {tuning: ended}
      three: {tuning: longer}
      one: {tuning: alone, decoder: {name: simultaneous, k: [3]}}
"""


def test_a_model_that_two_experiments_use_is_trained_once(tmp_path: Path) -> None:
    plan = loaded(tmp_path, GOOD + OTHER)
    own = {(run.tuning, run.scope, run.seed) for run in plan.tuning_runs if run.experiment == "other"}
    assert own == {
        ("longer", "all", 1),
        *(("begun", "all", 2), ("ended", "all", 2), ("longer", "all", 2)),
        ("alone", "en-de", 2),
    }
    first = TuningRun(plan, "e", "first", "all", 1)
    assert TuningRun(plan, "other", "longer", "all", 1).start == first
    assert plan.decode_run("other", "two", "en-de", 1).tuning_run == TuningRun(plan, "e", "second", "all", 1)
    assert plan.decode_run("other", "one", "en-de", 1).tuning_run == TuningRun(plan, "e", "sm,k=3", "en-de", 1)
    begun = TuningRun(plan, "other", "begun", "all", 1)
    assert plan.tunings_of("other")[begun] == first, "its loss is drawn there, too"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("begun: {method: sft", "begun: {prompt: short, method: sft"),
        ("begun: {method: sft", "begun: {limit: 5, method: sft"),
        ("begun: {method: sft", "begun: {pairs: [en-fr], method: sft"),
        ("begun: {method: sft, training: {steps: 2}}", "begun: {method: sft, training: {steps: 2, batch_size: 8}}"),
        ("    title: O\n    model: tiny", "    title: O\n    unit: character\n    model: tiny"),
    ],
)
def test_a_model_that_differs_is_trained_apart(tmp_path: Path, old: str, new: str) -> None:
    assert old in OTHER
    plan = loaded(tmp_path, GOOD + OTHER.replace(old, new))
    assert TuningRun(plan, "other", "begun", "all", 1) in plan.tuning_runs
    assert TuningRun(plan, "other", "ended", "all", 1) in plan.tuning_runs, "what it continues from differs"


@pytest.mark.parametrize("positions", ["group", "none"])
@pytest.mark.parametrize(
    "decoder",
    [
        "{name: offline}",
        "{name: offline, beam: 2}",
        "{name: contrastive}",
        "{name: gated, corpus: demo}",
        "{name: steered, corpus: demo}",
        "{name: prefilled, prior: {kind: gold}}",
        "{name: conversation, chunk: [2]}",
        "{name: interleaved}",
        "{name: simultaneous, k: [1]}",
        "{name: streaming, k: [1], recompute: true}",
        "{name: simultaneous, k: [1], positions: OTHER}",
    ],
)
def test_positions_of_a_tuning_are_those_of_its_decoder(tmp_path: Path, decoder: str, positions: str) -> None:
    """Decoders that read the whole source first have plain positions only."""
    text = at_positions(positions, decoder.replace("OTHER", {"group": "none", "none": "group"}[positions]))
    with pytest.raises(ConfigError, match=r"systems.two.decoder.(name|positions) = .*: the tuning has .*positions"):
        loaded(tmp_path, text)
    for name in ("streaming", "simultaneous"):
        loaded(tmp_path, at_positions(positions, f"{{name: {name}, k: [1], positions: {positions}}}"))


def at_positions(positions: str, decoder: str) -> str:
    """The configuration with a tuning of a rotary model that has these positions, and its decoder."""
    old = "method: sft, start: first, training: {steps: 1}"
    assert old in GOOD
    text = GOOD.replace("options: {policies", "options: {positions: plain, policies").replace("falcon-alibi", "llama")
    text = text.replace(old, f"start: first, {NO_POSITIONS}".replace("none", positions))
    return text.replace("{tuning: second}", f"{{tuning: second, decoder: {decoder}}}")


def test_modified_positions_are_plain_once_the_source_is_over(tmp_path: Path) -> None:
    old = "method: sft, start: first, training: {steps: 1}"
    loaded(tmp_path, GOOD.replace(old, f"start: first, {NO_POSITIONS}".replace("none", "modified")))


def test_positions_that_are_swept(tmp_path: Path) -> None:
    swept = at_positions("plain", "{name: offline}").replace("positions: plain}, training", "SWEPT}, training")
    swept = swept.replace("SWEPT}, training: {steps: 1}", "positions: plain}, training: {steps: 1}, sweep: VALUES")
    loaded(tmp_path, swept.replace("VALUES", "{axis: seen, key: options.visibility, values: [exact, official]}"))
    with pytest.raises(ConfigError, match=r"two.decoder.name = 'offline': the tuning has `positions: group`, which"):
        loaded(tmp_path, swept.replace("VALUES", "{axis: p, key: options.positions, values: [plain, group]}"))


def test_twins_have_plain_positions(tmp_path: Path) -> None:
    text = at_positions("group", "{name: simultaneous, k: [1], positions: group}")
    prior = "other: {decoder: {name: prefilled, prior: {kind: sft, twin: second}}}"
    with pytest.raises(ConfigError, match=r"prior.twin = 'second': the tuning has `positions: group`, but a twin"):
        loaded(tmp_path, text.replace("    systems:\n", f"    systems:\n      {prior}\n"))
    with pytest.raises(ConfigError, match=r"divergence.twin = 'second': the tuning has `positions: group`, but a twin"):
        loaded(tmp_path, text.replace("    systems:\n", "    divergence: {twin: second}\n    systems:\n"))


@pytest.mark.parametrize(("positions", "fine"), [("group", False), ("none", False), ("plain", True)])
def test_a_foundation_model_has_plain_positions(tmp_path: Path, positions: str, fine: bool) -> None:
    """On ALiBi, `group` is the same as `plain`."""
    text = at_positions("plain", "{name: offline}")
    system = f"untuned: {{decoder: {{name: simultaneous, k: [1], positions: {positions}}}}}"
    text = text.replace("    systems:\n", f"    systems:\n      {system}\n")
    if fine:
        loaded(tmp_path, text)
        return
    with pytest.raises(ConfigError, match=r"untuned.decoder.positions = .*trained with plain positions; remove this"):
        loaded(tmp_path, text)
    alibi = text.replace("architecture: llama", "architecture: falcon-alibi")
    if positions == "group":
        loaded(tmp_path, alibi)

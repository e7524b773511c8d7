"""Claims and published numbers find experiments and systems by their roles; verdicts of several worlds side by side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dragoman import claims
from dragoman.claims import statements
from dragoman.claims.printed import printed
from dragoman.claims.roles import own_metric
from dragoman.config import Config
from dragoman.configfile import ConfigError, parse
from dragoman.plan import Plan
from dragoman.reporting import page, worlds
from dragoman.results import published, verdicts
from dragoman.results.records import Record
from dragoman.storage import canonical
from dragoman.yamlfile import read_yaml
from refusals import Bad, over, refuse
from support.claimed import World, claim, config

REPOSITORY = Path(__file__).resolve().parents[1]
NAMES = {"good": "mask", "bad": "plain", "offline": "whole"}
ROLES = {"mask": "sm-norec-mod", "plain": "causal-rec", "whole": "causal-offline"}
CLAIM = {"system": "sm-norec-mod", "against": "causal-rec", "settings": ["k=1"]}


def renamed(*places: str, **top: Any) -> dict[str, Any]:
    """The configuration of test_claims.py under other names, with roles; as often as there are places."""
    whole = config("results", pairs=["en-fr"])
    experiment = whole["experiments"].pop("simulmask") | {"role": "simulmask"}
    experiment["systems"] = {
        NAMES[name]: system | {"role": ROLES[NAMES[name]]} for name, system in experiment["systems"].items()
    }
    whole["experiments"] = dict.fromkeys(places or ("falcon",), experiment)
    return whole | top


def moved(world: World, folder: Path, *places: str) -> Plan:
    """The world's hypotheses as results of the renamed configuration."""
    for place in places:
        for name, other in NAMES.items():
            old = world.plan.results / "decodes" / "simulmask" / name
            shutil.copytree(old, folder / "decodes" / place / other)
    plan = Plan(parse(renamed(*places)))
    plan.results = folder
    return plan


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(tmp_path_factory.mktemp("world"), sentences=30, pairs=["en-fr"])
    for name, wrong in (("good", 0.05), ("bad", 0.4), ("offline", 0.02)):
        made.write(name, wrong, pairs=["en-fr"])
    return made


def test_other_names_get_the_same_verdicts(world: World, tmp_path: Path) -> None:
    """But for the names, everything is the same, p-values too."""
    plan = moved(world, tmp_path, "falcon")
    for keys in (
        {},
        {"relation": "below"},
        {"by": 90},
        {"against": "causal-offline", "against_settings": [""], "by": -60},
    ):
        asked = claim(**CLAIM | keys)
        back = {role: name for name, other in NAMES.items() for role in [ROLES[other]]}
        before = world.ask(**asked.model_dump() | {key: back[getattr(asked, key)] for key in ("system", "against")})
        [found] = claims.evaluate([asked], plan)
        assert found.comparison.split()[0] == "mask"
        assert found.experiment == "falcon"
        assert (found.verdict, found.p) == (before.verdict, before.p)
        named = [replace(e, setting=e.setting.replace("offline", "whole")) for e in before.evidence]
        assert found.evidence == named


def test_a_claim_is_tested_on_every_experiment_with_its_role(world: World, tmp_path: Path) -> None:
    plan = moved(world, tmp_path, "falcon", "llama")
    path = tmp_path / "decodes" / "llama"
    (path / "plain").rename(path / "spare")
    (path / "mask").rename(path / "plain")  # there, the good one is the other
    (path / "spare").rename(path / "mask")
    found = claims.evaluate([claim(**CLAIM), claim(**CLAIM | {"id": "d", "system": "prefix-rec"})], plan)
    assert [(each.id, each.experiment, each.verdict) for each in found] == [
        ("c", "falcon", "holds"), ("c", "llama", "fails"), ("d", "falcon", "not run"), ("d", "llama", "not run"),
    ]  # fmt: skip
    assert found[2].note == "no system has the role 'prefix-rec' in experiment 'falcon'"
    assert found[0].p_holm == pytest.approx(2 * found[0].p), "two claims were tested"
    assert {key: len(each) for key, each in claims.by_id(found).items()} == {"c": 2, "d": 2}


def test_the_role_counts_and_not_the_name() -> None:
    """An experiment of that name, which has another role, and a system of that name, which has another."""
    whole = renamed("simulmask", "langaware")
    whole["experiments"]["langaware"] = whole["experiments"]["langaware"] | {"role": "simulmask"}
    whole["experiments"]["simulmask"] = whole["experiments"]["simulmask"] | {"role": "pretty"}
    for place, roles in (("simulmask", ["twin", "task"]), ("langaware", ["sm-norec-mod", "prefix-rec"])):
        systems = [{"tuning": "t", "role": role} for role in roles]
        whole["experiments"][place]["systems"] = dict(zip(["causal-rec", "sm-norec-mod"], systems, strict=True))
    [found] = claims.evaluate([claim(**CLAIM)], Plan(parse(whole)))
    assert (found.verdict, found.note) == ("not run", "no system has the role 'causal-rec' in experiment 'langaware'")


@pytest.mark.parametrize(
    ("asked", "there", "taken"),
    [
        ("bleu", ["chrf", "bleu"], "bleu"),
        ("bleu", ["bleu:tokenize=flores101", "bleu"], "bleu"),
        ("bleu", ["chrf", "bleu:tokenize=flores101"], "bleu:tokenize=flores101"),
        ("offtarget", ["offtarget:into=english"], "offtarget"),
        ("offtarget", ["offtarget:into=english,model=m", "offtarget:identifier=fasttext,model=m"],
         "offtarget:identifier=fasttext,model=m"),
        ("offtarget:into=english", ["offtarget:model=m", "offtarget:model=m,into=english"],
         "offtarget:model=m,into=english"),
        ("offtarget:into=english", ["offtarget:identifier=fasttext,model=m"],
         "offtarget:into=english,identifier=fasttext,model=m"),
        ("offtarget", ["offtarget:into=english,model=m"], "offtarget:model=m"),
        ("tags", ["tags:of=chunk"], "tags"),
        ("rouge:of=rouge2", ["rouge:of=rougeL", "rouge:of=rouge2"], "rouge:of=rouge2"),
        ("agreement@1", ["bleu"], "agreement@1"),
    ],
)  # fmt: skip
def test_a_metric_is_computed_as_the_experiment_does(asked: str, there: list[str], taken: str) -> None:
    assert own_metric(asked, there) == taken


# ------------------------------------------------------------------------------------------------------------ bad input


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    whole = renamed()
    change(whole)
    return yaml.safe_dump(whole)


def system(name: str, **keys: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda whole: whole["experiments"]["falcon"]["systems"][name].update(keys)


def experiment(**keys: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda whole: whole["experiments"]["falcon"].update(keys)


def test_two_systems_of_one_role_and_its_siblings(tmp_path: Path) -> None:
    """The configuration that the rows below spoil is right."""
    parse(renamed())


VALIDATE = "validate.py c.yaml"
TUNED = {"tuning": "t"}
LINE = json.dumps(dict.fromkeys(["id", "paper"], "x")) + "\n"


@over(
    [
        Bad("two systems of one role", VALIDATE, ["systems.whole.role", "'plain' has the role 'causal-rec', too"],
            {"c.yaml": changed(system("whole", role="causal-rec"))}),
        Bad("a role that is the name of another system", VALIDATE, ["systems.sm-norec-mod", "'mask' has the role"],
            {"c.yaml": changed(lambda w: w["experiments"]["falcon"]["systems"].update({"sm-norec-mod": TUNED}))}),
        Bad("a system's role with a typo", VALIDATE, ["systems.mask.role", "did you mean 'sm-norec-mod'?"],
            {"c.yaml": changed(system("mask", role="sm-norec-mdo"))}),
        Bad("a role of another experiment", VALIDATE, ["systems.mask.role", "unknown role of a system 'prior-sft'"],
            {"c.yaml": changed(system("mask", role="prior-sft"))}),
        Bad("an experiment's role with a typo", VALIDATE, ["falcon.role", "did you mean 'simulmask'?"],
            {"c.yaml": changed(experiment(role="simulmusk"))}),
        Bad("roles in an experiment without one", VALIDATE, ["no claim has the experiment 'falcon'", "`role`"],
            {"c.yaml": changed(experiment(role=None))}, lines=3),
        Bad("a variant with a claimed role", VALIDATE, ["systems.mask.variant", "another name or role"],
            {"c.yaml": changed(system("mask", variant="half the steps"))}, lines=0),
        Bad("a world that is not there", VALIDATE, ["worlds.real", "'results/real'", "run its configuration first"],
            {"c.yaml": changed(lambda w: w.update(worlds={"real": "results/real"}))}),
        Bad("a world that is this one", VALIDATE, ["worlds.real", "of this configuration"],
            {"c.yaml": changed(lambda w: w.update(worlds={"real": "./results"}))}),
        Bad("a world's claims of another form", VALIDATE, ["worlds.real", "r/claims.jsonl:1:", "run its configuration"],
            {"c.yaml": changed(lambda w: w.update(worlds={"real": "r"})), "r/claims.jsonl": LINE}),
        Bad("a world's claims cut off", VALIDATE, ["worlds.real", "r/claims.jsonl", "JSON"],
            {"c.yaml": changed(lambda w: w.update(worlds={"real": "r"})), "r/claims.jsonl": LINE[:9]}),
        Bad("a claim on a role with a typo", "claims.py --config c.yaml --claims x.yaml --out x",
            ["x.yaml:1: claims.0.system", "unknown role of a system 'mod'; did you mean 'mods'?"],
            {"c.yaml": changed(experiment()), "x.yaml": json.dumps(
                {"roles": {"simulmask": {"mods": "m", "bad": "b"}}, "claims": [claim(system="mod").model_dump()]})}),
        Bad("a claim on an experiment with a typo", "claims.py --config c.yaml --claims x.yaml --out x",
            ["x.yaml:1: claims.0.experiment", "unknown role of an experiment 'simulmusk'; did you mean 'simulmask'?"],
            {"c.yaml": changed(experiment()), "x.yaml": json.dumps(
                {"roles": {"simulmask": {}}, "claims": [claim(experiment="simulmusk").model_dump()]})}),
    ]
)  # fmt: skip
def test_roles_and_worlds_that_cannot_be_are_refused(bad: Bad, tmp_path: Path) -> None:
    refuse(bad, tmp_path)


# ------------------------------------------------------------------------------------------------ what is shipped


def lacking(path: str) -> set[str]:
    """Claims that no experiment of a shipped configuration has all roles for, though it has the experiment's."""
    whole = Config.model_validate(read_yaml(REPOSITORY / "config" / path)[0])  # its files need not be there
    found = set()
    for each in claims.load():
        for place in whole.experiments_of(each.experiment):
            roles = whole.experiments[place].roles
            if any(name not in roles for name in (each.system, each.against) if name and not each.reading):
                found.add(each.id)
    return found


@pytest.mark.parametrize(
    ("path", "experiments", "not_run"),
    [
        ("papers/simulmask.yaml", 1, set()),
        ("papers/langaware-v1.yaml", 3, set()),
        ("papers/langaware-revised.yaml", 4, set()),
        ("papers/langaware-ablations.yaml", 1, {"post-ins-below-mt", "ours-below-post-ins", "foundation-off-target"}),
        ("papers/pretty.yaml", 6, set()),
        ("examples/langaware-ablations.yaml", 1, set()),
        ("examples/langaware-general.yaml", 3, {"post-ins-below-mt", "ours-below-post-ins", "foundation-off-target"}),
        ("examples/files-gpu.yaml", 3, {"post-ins-below-mt", "ours-below-post-ins", "refined-prior-reaches",
                                        "wrong-language-misleads", "few-shot-falls-short"}),
        ("config.yaml", 5, {"post-ins-below-mt", "ours-below-post-ins"}),
    ],
)  # fmt: skip
def test_claims_find_their_systems_in_what_is_shipped(path: str, experiments: int, not_run: set[str]) -> None:
    whole = Config.model_validate(read_yaml(REPOSITORY / "config" / path)[0])
    assert sum(len(whole.experiments_of(role)) for role in statements.read().roles) == experiments
    assert lacking(path) == not_run


def test_every_system_of_a_published_table_has_a_role() -> None:
    roles = statements.read().roles
    for paper in ("simulmask", "langaware"):
        assert {number.system for number in published.load(paper) if number.pair} <= set(roles[paper])


def test_published_numbers_are_found_by_role() -> None:
    plan = Plan(parse(renamed()))
    made = Record("simulmask", "falcon", "mask", "en-fr", "k=1", 1, "bleu", 20.0, None, None, "BLEU", 5)
    [found] = [each for each in verdicts.judge(plan, [made]) if each.experiment]
    assert (found.published.system, found.published.value, found.value) == ("sm-norec-mod", 28.89, 20.0)


# ---------------------------------------------------------------------------------------------------------- the page


def test_the_papers_own_numbers_by_hand() -> None:
    """en-fr of the figures: 28.89 at k = 1, against 8.73; both curves at LAAL 3, between their neighbours."""
    known = {each.id: each for each in claims.load()}
    [first] = [e for e in printed(known["sm-above-causal-rec"]) if (e.pair, e.setting) == ("en-fr", "k=1")]
    assert (first.value, first.against, first.threshold, first.margin) == (28.89, 8.73, 8.73, pytest.approx(20.16))
    [at] = [e for e in printed(known["converse-above-early"]) if (e.pair, e.setting) == ("en-fr", "LAAL 3")]
    assert at.value == pytest.approx(31.93 + (3 - 2.46) / (3.55 - 2.46) * (35.02 - 31.93))
    assert at.against == pytest.approx(28.89 + (3 - 2.05) / (3.67 - 2.05) * (36.47 - 28.89))
    halved = {e.pair: (e.value, e.threshold) for e in printed(known["off-target-halved"])}
    assert halved["mean of Table 1, llama-7b, v1"] == (12.0, 41.9 / 2)
    for none in (
        "supervised-kept",
        "mt-answers-in-english",
        "agreement-rises",
        "sm-half-cost-causal",
        "one-token-on-target",
    ):
        assert printed(known[none]) == [], "the paper printed no such scores"
    assert printed(claim(paper=None, **CLAIM)) == []


def test_two_worlds_side_by_side(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This run, in which the claim holds; one with two experiments, in which it holds and fails; the paper."""
    monkeypatch.chdir(tmp_path)
    other, here = tmp_path / "real", tmp_path / "results"
    asked = [claim(**CLAIM), claim(**CLAIM | {"id": "d", "system": "prefix-rec"})]
    [held, absent] = claims.evaluate(asked, moved(world, here, "falcon"))
    results = {here: [held, absent], other: [
        replace(held, experiment="gemma"), replace(held, experiment="smollm", verdict="fails"),
        replace(absent, statement="another")]}  # fmt: skip
    for folder, found in results.items():
        folder.mkdir(exist_ok=True)
        (folder / "claims.jsonl").write_text("".join(canonical(asdict(each)) + "\n" for each in found))
        assert claims.read(folder / "claims.jsonl") == found
    plan = Plan(parse(renamed(worlds={"real-model": "real"})))
    text = page.render(plan, [])
    table = text[text.index('<table class="worlds">') :].partition("</table>")[0]
    assert [part.partition("<")[0] for part in table.split('<th scope="col">')[1:]] == [
        "Claim", "this run", "real-model", "published"]  # fmt: skip
    first, second = table[table.index("<tbody>") :].split("<tr>")[1:]
    assert [part.partition("<")[0] for part in first.split("</span><b>")[1:]] == ["holds", "holds", "fails"]
    margin = f"margin {held.evidence[0].margin:+.1f}"
    assert first.count(margin) == 3
    assert "gemma: " in first and "smollm: " in first
    assert "5 of 5 as claimed" in first and "28.9, threshold 8.7" not in first, "the smallest margin of five pairs"
    assert "no system has the role &#39;prefix-rec&#39;" in second and "the claim was different then" in second
    for kind in ("csv", "md", "tex"):
        assert f'download="worlds.{kind}"' in text
    assert worlds.rows(found, {}) == [], "no other world, no table"
    (other / "claims.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"worlds.real-model.*no claims.jsonl in this folder"):
        parse(renamed(worlds={"real-model": "real"}))

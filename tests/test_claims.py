import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from dragoman import claims
from dragoman.claims import evaluate
from dragoman.configfile import ConfigError, parse
from dragoman.metrics import MetricError, score, significance
from dragoman.metrics.scoring import score_hypotheses
from dragoman.plan import Plan
from dragoman.results import records
from dragoman.storage import canonical
from support.claimed import World, claim, config

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.write("good", 0.05, gflops=1.0)
    made.write("bad", 0.4, gflops=3.0)
    made.write("offline", 0.02)
    return made


# -------------------------------------------------------------------------------------------------------- the file


def test_the_file_has_enough_claims_of_each_paper_and_names_what_there_is():
    found = claims.load()
    papers = [each.paper for each in found]
    assert len(found) >= 15 and {papers.count(paper) >= 4 for paper in ("simulmask", "langaware", "pretty")} == {True}
    from dragoman.configfile import load_config

    experiments = load_config(REPOSITORY / "config" / "config.yaml").experiments
    for each in found:
        if each.experiment in experiments and not each.reading:
            systems = {*experiments[each.experiment].systems, "post-ins"}  # which only the paper's configuration runs
            assert each.system in systems and (each.against is None or each.against in systems), each.id


def test_claims_are_true_of_the_published_numbers():
    """Each claim about scores per pair and setting, held against the paper's own points."""
    from dragoman.results import published

    printed = [n for n in published.load("simulmask") if (n.version, n.quantity) == ("emnlp", "score")]
    points = {published.key(number): number for number in printed}
    assert len(points) == len(printed), "no two with one key"
    held = 0
    for each in claims.load():
        if each.paper != "simulmask" or each.metric != "bleu" or each.lags:
            continue
        for pair in ("en-fr", "en-nl", "en-it", "en-de", "en-ro") if each.pairs == "all" else each.pairs:
            for place, setting in enumerate(each.settings):
                other = (each.against_settings or each.settings)[place]
                ours = points["simulmask", each.system, pair, setting, "bleu"].value
                limit = each.factor * points["simulmask", each.against, pair, other, "bleu"].value + each.by
                assert (ours > limit) == (each.relation == "above"), (each.id, pair, setting)
                held += 1
    assert held > 80


def test_claims_about_time_are_true_of_the_published_times():
    """Each by the published seconds of what is behind its systems."""
    from dragoman.results import published

    seconds = {n.system: n.value for n in published.load("simulmask") if (n.metric, n.quantity) == ("seconds", "score")}
    behind = {
        "sm-norec-mod": "simulmask",
        "causal-offline": "causal",
        "prefix-rec": "prefix",
        "converse-norec": "converse",
    }
    timed = [each for each in claims.load() if each.timed]
    assert len(timed) == 4
    for each in timed:
        limit = each.factor * seconds[behind[each.against]] + each.by
        assert (seconds[behind[each.system]] > limit) == (each.relation == "above"), each.id


def test_claims_are_true_of_the_published_means():
    """Of six tables of language-aware tuning, only one is short of a claim: 4.3 BLEU gained, not 5."""
    from dragoman.results import published

    means = {
        (n.version, n.table, n.model, n.system, n.metric): n.value
        for n in published.load("langaware")
        if n.quantity == "score" and n.pair == "mean"
    }
    tables = sorted({place[:3] for place in means})
    tested = [c for c in claims.load() if c.paper == "langaware" and c.pairs == "zero-shot" and c.against]
    short = []
    for each in tested:
        for table in tables:
            limit = each.factor * means[*table, each.against, each.metric] + each.by
            if (means[*table, each.system, each.metric] > limit) != (each.relation == "above"):
                short.append((each.id, *table))
    assert (len(tables), len(tested)) == (6, 5)
    assert short == [("zero-shot-bleu", "revised", "Table 1", "llama-3-8b")]


def test_mistakes_are_named_with_file_line_and_key(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(
        "claims:\n- id: a\n  paper: simulmask\n  statement: s\n  source: s\n  experiment: e\n  metric: bleu\n"
        "  system: good\n  relation: over\n  agianst: bad\n"
    )
    with pytest.raises(ConfigError) as error:
        claims.load(path)
    text = str(error.value)
    assert f"{path}:9: claims.0.relation = 'over': unknown value 'over'" in text
    assert f"{path}:10: claims.0.agianst: unknown key 'agianst'; did you mean 'against'?" in text


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"against": None, "factor": 2.0}, "need `against`"),
        ({"against_settings": ["k=1", "k=3", "k=5"]}, "one for all"),
        ({"lags": [2.0]}, "does not work with settings"),
        ({"reading": "free", "over_pairs": "mean"}, "tested over pairs"),
        ({"metric": "seconds"}, "it needs `against`, no settings"),
        ({"metric": "seconds", "settings": [""], "against": None}, "it needs `against`, no settings"),
        ({"paper": "simulmusk"}, "unknown paper 'simulmusk'; did you mean 'simulmask'"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        claim(**keys)


# ------------------------------------------------------------------------------------------------------- verdicts


def test_clear_differences_hold_or_fail(world):
    found = world.ask()
    assert (found.verdict, len(found.evidence)) == ("holds", 4)
    assert found.p == pytest.approx(2 / 10_001)
    assert [each.pair for each in found.evidence] == ["en-fr", "en-fr", "en-de", "en-de"]
    for each in found.evidence:
        assert each.margin == pytest.approx(each.value - each.threshold)
        assert each.low < each.margin < each.high
        assert (each.n, each.seeds, each.spread) == (80, 1, None)
    assert world.ask(relation="below").verdict == "fails"
    assert world.ask(against="good").verdict == "undecided"  # against itself


def test_scores_are_those_on_record_and_others_are_refused(world):
    path = world.plan.decode_run("simulmask", "good", "en-fr", 1).hypotheses
    place = {"paper": "simulmask", "experiment": "simulmask", "system": "good", "pair": "en-fr", "seed": 1}
    made = score_hypotheses(path, place, ["bleu", "laal", "gflops"])
    found = world.ask(made, pairs=["en-fr"])
    assert found.evidence[0].value == pytest.approx(next(r for r in made if r.metric == "bleu").value)
    for metric in ("laal", "gflops"):
        world.ask(made, metric=metric, pairs=["en-fr"])
    wrong = [records.from_dict(asdict(record) | {"value": 1.0, "low": None, "high": None}) for record in made]
    with pytest.raises(
        MetricError, match=r"simulmask, good, k=1, en-fr, seed 1, bleu: 1.0 on record.*score them again"
    ):
        world.ask(wrong, pairs=["en-fr"])


def test_thresholds(world):
    margin = world.ask(pairs=["en-fr"], settings=["k=1"]).evidence[0].margin
    shifted = world.ask(pairs=["en-fr"], settings=["k=1"], by=5)
    assert shifted.evidence[0].margin == pytest.approx(margin - 5)
    assert shifted.comparison == "good > bad + 5"
    assert world.ask(pairs=["en-fr"], settings=["k=1"], by=90).verdict == "fails"
    assert world.ask(metric="gflops", relation="below", factor=0.5, over_settings="mean").verdict == "holds"
    assert world.ask(metric="gflops", relation="below", factor=0.2, over_settings="mean").verdict == "fails"
    level = world.ask(against=None, by=50)
    assert (level.verdict, level.evidence[0].against, level.evidence[0].threshold) == ("holds", None, 50)
    offline = world.ask(against="offline", against_settings=[""], by=-60)
    assert (offline.verdict, offline.evidence[0].setting) == ("holds", "k=1 / offline")


@pytest.mark.parametrize(("sentences", "verdict"), [(5, "undecided"), (150, "holds")])
def test_sentences_that_are_all_alike_prove_only_as_much_as_they_are_many(tmp_path, sentences, verdict):
    world = World(tmp_path, sentences=sentences)
    world.write("good", 0.0)
    found = world.ask(metric="offtarget:languages=en+fr+de,into=empty", against=None, relation="below", by=5)
    assert (found.evidence[0].value, found.verdict) == (0, verdict)
    assert found.evidence[0].p == pytest.approx(min(1, 2 * 0.95**sentences))


def test_a_system_that_hardly_ever_answers_proves_nothing(tmp_path):
    world = World(tmp_path, sentences=30)
    for system in ("good", "bad"):
        world.write(system, 0.1)
    path = world.plan.decode_run("simulmask", "good", "en-fr", 1).hypotheses
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    silent = {"hypothesis": "", "delays": []}
    path.write_text("".join(json.dumps(row | (silent if row["id"] else {})) + "\n" for row in rows))
    keys = {"metric": "laal", "pairs": ["en-fr"], "settings": ["k=1"], "against": None}
    found = world.ask(relation="below", by=1.5, **keys)
    assert (found.evidence[0].value, found.evidence[0].low, found.verdict) == (1, 0.5, "undecided")
    at_a_lag = world.ask(pairs=["en-fr"], settings=[""], lags=[2.0])
    assert at_a_lag.verdict == "undecided" and at_a_lag.evidence[0].low is not None


def test_every_any_and_mean(world):
    world.write("good", 0.05, pairs=["en-fr"])
    world.write("good", 0.6, pairs=["en-de"])
    assert world.ask(over_pairs="every").verdict == "fails"  # one pair against is enough
    mean = world.ask(over_pairs="mean", settings=["k=1"])
    each = world.ask(settings=["k=1"]).evidence
    [one] = mean.evidence
    assert one.margin == pytest.approx((each[0].margin + each[1].margin) / 2)
    assert (one.pair, one.n) == ("mean of en-fr, en-de", 160)
    rows = [*world.rows("k=1", 0.9), *world.rows("k=3", 0.02)]
    path = world.plan.decode_run("simulmask", "good", "en-fr", 1).hypotheses
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert world.ask(pairs=["en-fr"], over_settings="any").verdict == "holds"
    assert world.ask(pairs=["en-fr"], over_settings="every").verdict == "fails"


def test_curves_meet_at_a_latency(world):
    lags = [world.ask(metric="laal", pairs=["en-fr"], settings=[k]).evidence[0].value for k in ("k=1", "k=3")]
    scores = [world.ask(pairs=["en-fr"], settings=[k]).evidence[0].value for k in ("k=1", "k=3")]
    middle = sum(lags) / 2
    found = world.ask(pairs=["en-fr"], settings=[""], lags=[middle])
    assert found.evidence[0].value == pytest.approx(sum(scores) / 2)
    assert found.verdict == "holds" and found.evidence[0].setting == f"LAAL {middle:g}"
    beyond = world.ask(pairs=["en-fr"], settings=[""], lags=[6.5])
    assert beyond.verdict == "not run" and "reaches from LAAL 1.00 to 3.00, not 6.5" in beyond.note


def test_seeds_must_agree(tmp_path):
    world = World(tmp_path, seeds=(1, 2, 3))
    for seed in (1, 2, 3):
        world.write("good", 0.2, seed=seed)
        world.write("bad", 0.5, seed=seed)
    world.write("offline", 0.02)
    found = world.ask()
    assert found.verdict == "holds"
    assert found.evidence[0].seeds == 3 and found.evidence[0].spread > 0
    assert (
        world.ask(against="offline", against_settings=[""], relation="below").verdict == "holds"
    )  # one seed for three
    world.write("bad", 0.01, seed=2, pairs=["en-de"])
    changed = world.ask()
    assert (changed.verdict, changed.note) == ("undecided", "seeds disagree")
    (tmp_path / "decodes/simulmask/bad/en-de/seed-3/hypotheses.jsonl").unlink()
    missing = world.ask()
    assert missing.verdict == "not run"
    assert missing.note == "no decodes/simulmask/bad/en-de/seed-3/hypotheses.jsonl"


def test_near_is_a_quarter_of_half_an_interval(world):
    """A threshold moved by hand: the margin moves as much the other way, and the interval keeps its width."""
    place = {"pairs": ["en-fr"], "settings": ["k=1"]}
    [start] = world.ask(by=0.001, **place).evidence
    half = (start.high - start.low) / 2
    upper, lower = start.high - start.margin, start.margin - start.low  # a margin of more than `upper` holds
    for steps, verdict, near in [
        (0.5, "holds", []),
        (0.1, "holds", ["undecided"]),
        (-0.1, "undecided", ["holds"]),
        (-0.5, "undecided", []),
    ]:
        moved = start.margin - upper - steps * half
        found = world.ask(by=0.001 + moved, **place)
        assert (found.verdict, found.near) == (verdict, near), steps
    for steps, verdict, near in [(0.1, "undecided", ["fails"]), (-0.1, "fails", ["undecided"]), (-0.5, "fails", [])]:
        moved = start.margin + lower - steps * half
        found = world.ask(by=0.001 + moved, **place)
        assert (found.verdict, found.near) == (verdict, near), steps
    assert world.ask().near == []


def test_only_shared_sentences_count(world):
    world.write("bad", 0.4, pairs=["en-fr"], keep=range(10, 60))
    [one] = world.ask(pairs=["en-fr"], settings=["k=1"]).evidence
    assert one.n == 50
    rows = world.plan.decode_run("simulmask", "good", "en-fr", 1).hypotheses
    kept = [json.loads(line) for line in rows.read_text().splitlines()][10:60]
    wanted = score("bleu", [r["hypothesis"] for r in kept], [[r["reference"] for r in kept]], pair="en-fr").value
    assert one.value == pytest.approx(wanted)
    world.references = [line + " encore" for line in world.references]
    world.write("bad", 0.4, pairs=["en-fr"])
    with pytest.raises(MetricError, match=r"sentence 0 is not the one that good has"):
        world.ask(pairs=["en-fr"])


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"experiment": "elsewhere"}, "no experiment of this configuration has the role 'elsewhere'"),
        ({"system": "best"}, "no system has the role 'best' in experiment 'simulmask'"),
        ({"against": "worst"}, "no system has the role 'worst'"),
        ({"metric": "blue"}, "unknown metric 'blue'; did you mean 'bleu'"),
        ({"settings": ["k=9"]}, "good has no setting 'k=9' (it has k=1, k=3)"),
        ({"pairs": ["en-nl"]}, "none of en-nl is tested"),
        ({"reading": "free", "metric": "agreement@1", "against_settings": ["n=0"]}, "compares no model with a twin"),
    ],
)
def test_what_was_not_run_says_why(world, keys, reason):
    found = world.ask(**keys)
    assert (found.verdict, found.p, found.evidence) == ("not run", None, [])
    assert reason in found.note


def test_pairs_by_training(world):
    assert {each.pair for each in world.ask(pairs="trained").evidence} == {"en-fr"}
    assert {each.pair for each in world.ask(pairs="zero-shot").evidence} == {"en-de"}
    partly = world.ask(pairs=["en-de", "en-nl"])
    assert ({each.pair for each in partly.evidence}, partly.note) == ({"en-de"}, "not tested: en-nl")


def test_combined_p_values_by_hand():
    sides = [(0.01, 0.99), (0.03, 0.97), (0.98, 0.004)]
    assert claims.every(sides) == (0.98, pytest.approx(0.012))
    assert claims.any_of(sides) == (pytest.approx(0.03), 0.99)
    assert claims.verdict_of((0.02, 0.9)) == ("holds", 0.04)
    assert claims.verdict_of((0.9, 0.02)) == ("fails", 0.04)
    assert claims.verdict_of((0.03, 0.9)) == ("undecided", 0.06)
    assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert claims.sign_test(6, 6) == (1 / 64, 1)
    assert claims.sign_test(1, 2) == (0.75, 0.75)


def test_agreement_is_tested_over_pairs_and_seeds(tmp_path):
    whole = config("results", seeds=(1, 2, 3))
    whole["experiments"]["simulmask"]["divergence"] = {"twin": "t"}
    world = World(tmp_path)
    world.plan = Plan(parse(whole))
    world.plan.results = tmp_path
    for run in world.plan.divergence_runs:
        rows = [
            {
                "n": n,
                "reading": "free",
                "position": place,
                "sentences": 9,
                "agreement@1": 0.2 + 0.1 * n + 0.01 * run.seed,
            }
            for n in (0, 1, 2)
            for place in (None, 0)
        ]
        path = run.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {"metric": "agreement@1", "reading": "free", "settings": ["n=1", "n=2"], "against_settings": ["n=0", "n=1"]}
    found = world.ask(**keys)
    assert (found.verdict, found.p) == ("holds", 2 / 64)
    assert (found.evidence[0].value, found.evidence[0].margin) == (pytest.approx(0.32), pytest.approx(0.1))
    assert found.near == ["undecided"]  # five of six would have p = 14 / 64
    few = world.ask(**keys, pairs=["en-fr"])
    assert (few.verdict, few.near) == ("undecided", [])  # three seeds of one pair say too little, and so would two


# ------------------------------------------------------------------------------------------ what fine-tuning takes


class Timed(World):
    """Two tunings, one of them swept over two k, on two pairs with a model each; seconds as a test wants them."""

    def __init__(self, folder, seeds=(1,)):
        whole = config("results", seeds=seeds)
        experiment = whole["experiments"]["simulmask"]
        steps = {"steps": 10, "batch_size": 8}
        sweep = {"axis": "k", "key": "options.policies.0.k", "values": {1: 5, 3: 7}}
        policies = {"policies": [{"name": "wait-k", "k": 1}]}
        experiment["tunings"] = {
            "mask": {"method": "simulmask", "options": policies, "per_pair": True, "training": steps, "sweep": sweep},
            "plain": {"method": "sft", "per_pair": True, "training": steps | {"batch_size": 4}},
        }
        experiment["train"]["pairs"] = ["en-fr", "en-de"]
        decoder = {"name": "simultaneous", "k": [1, 3]}
        experiment["systems"] = {
            "good": {"tuning": "mask", "decoder": decoder},
            "bad": {"tuning": "plain", "decoder": decoder},
            "raw": {"decoder": {"name": "offline"}},
        }
        self.plan = Plan(parse(whole))
        self.plan.results = folder

    def measure(self, seconds, device="cpu"):
        """Of every fine-tuning; all have 40 examples, so `mask` makes two passes over them, and `plain` one."""
        for run in self.plan.tuning_runs:
            path = run.timing
            path.parent.mkdir(parents=True, exist_ok=True)
            taken = {"seconds": seconds(run), "steps": 10, "examples": 40, "threads": 1, "device": device}
            path.write_text(json.dumps(taken))

    def ask(self, **keys):
        return super().ask(**({"metric": "seconds", "settings": [""]} | keys))


def test_seconds_of_one_pass_are_compared(tmp_path):
    """By hand: `mask` took 30 s for two passes, so 15 for one; `plain` 10 for one; 15 is 1.5 times 10."""
    world = Timed(tmp_path, seeds=(1, 2, 3))
    world.measure(lambda run: 30.0 if run.tuning.startswith("mask") else 10.0)
    found = world.ask(relation="below", factor=1.6)
    assert [(each.pair, each.setting) for each in found.evidence] == [
        ("en-fr", "k=1"), ("en-de", "k=1"), ("en-fr", "k=3"), ("en-de", "k=3")]  # fmt: skip
    assert {(e.value, e.against, e.threshold, e.margin) for e in found.evidence} == {(15.0, 10.0, 16.0, 1.0)}
    assert (found.verdict, found.p) == ("holds", pytest.approx(2 / 2**12)), "two pairs, two settings, three seeds"
    assert "by the clock" in found.note
    assert world.ask(relation="below", factor=1.4).verdict == "fails"
    assert world.ask(relation="above", factor=1.4, pairs=["en-fr"]).evidence[0].pair == "en-fr"
    assert world.ask(relation="above", against="good", system="bad", factor=0.6).verdict == "not run"


def test_one_seed_of_few_models_decides_nothing(tmp_path):
    world = Timed(tmp_path)
    world.measure(lambda run: 30.0 if run.tuning.startswith("mask") else 10.0)
    assert world.ask(relation="below", factor=1.6).verdict == "undecided"  # four of four: p = 1/8
    world.measure(lambda run: 30.0 if "k=1" in run.tuning else 10.0)
    found = world.ask(relation="below").evidence
    assert {(each.setting, each.margin) for each in found} == {("k=1", -5.0), ("k=3", 5.0)}


def test_times_that_cannot_be_compared(tmp_path):
    world = Timed(tmp_path)
    assert world.ask().note.startswith("no timings/simulmask/mask,k=1/en-fr/seed-1.json")
    world.measure(lambda run: 1.0)
    assert world.ask(against="raw").note == "raw has no fine-tuning"
    world.plan.tuning_runs[-1].timing.write_text(
        json.dumps({"seconds": 1, "steps": 10, "examples": 40, "threads": 2, "device": "cpu"})
    )
    assert "trained on different devices" in world.ask().note


# ------------------------------------------------------------------------------------------------------------ variants


def with_variant(name):
    systems = {"good": {"tuning": "t", "decoder": {"name": "simultaneous", "k": [1, 3]}}}
    whole = config("results")
    whole["experiments"]["simulmask"]["systems"][name] = systems["good"] | {"variant": "half the steps"}
    return whole


@pytest.mark.parametrize("name", ["sm-norec-mod", "causal-rec", "prefix-rec", "converse-norec"])
def test_no_claim_of_a_paper_is_tested_on_a_variant(name):
    """Whether a claim is about it, or compares with it."""
    with pytest.raises(ConfigError, match=rf"systems.{name}.variant.*the claim '.*' of simulmask is about this system"):
        parse(with_variant(name))
    parse(with_variant("own"))


def test_claims_of_ones_own_may_be_about_a_variant(tmp_path):
    found = list(
        claims.refused([claim(), claim(id="d", paper=None), claim(id="e", experiment="x")], parse(with_variant("own")))
    )
    assert found == []
    parsed = parse(with_variant("own"))
    about = [claim(id="d", paper=None, system="own"), claim(system="own"), claim(id="f", against="own")]
    assert [(experiment, name) for experiment, name, _ in claims.refused(about, parsed)] == [("simulmask", "own")] * 2
    mine, configuration = tmp_path / "mine.yaml", tmp_path / "config.json"
    configuration.write_text(json.dumps(with_variant("own")))
    mine.write_text(json.dumps({"claims": [about[1].model_dump()]}))
    command = [sys.executable, REPOSITORY / "scripts" / "claims.py", "--config", configuration, "--claims", mine]
    done = subprocess.run([*command, "--out", tmp_path / "c"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "the claim 'c' of simulmask is about this system" in done.stderr
    assert not (tmp_path / "c").exists()


# ------------------------------------------------------------------------------------------------ command and page


def test_the_command_writes_what_can_be_read_again_and_the_page_shows_it(world, tmp_path):
    from dragoman.reporting import page

    configuration = tmp_path / "config.json"
    configuration.write_text(json.dumps(config("results")))
    mine = tmp_path / "mine.yaml"
    timed = claim(id="t", metric="seconds", settings=[""])
    written = [claim(), timed, claim(id="d", system="best")]
    mine.write_text(json.dumps({"claims": [each.model_dump() for each in written]}))
    command = [sys.executable, REPOSITORY / "scripts" / "claims.py", "--config", configuration, "--claims", mine]
    command += ["--results", tmp_path, "--out", tmp_path / "claims.jsonl"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    found = claims.read(tmp_path / "claims.jsonl")
    assert found == evaluate([each for each in claims.load(mine) if not each.timed], world.plan)
    assert [(each.id, each.verdict) for each in claims.read(tmp_path / "timings" / "claims.jsonl")] == [
        ("t", "not run")
    ]
    assert claims.counts(found) == {"holds": 1, "fails": 0, "undecided": 0, "not run": 1}
    text = page.render(world.plan, [])
    assert text == page.render(world.plan, [])
    assert "The papers' claims" in text and "good &gt; bad" in text and "the role &#39;best&#39;" in text
    assert "0 of the 1 verdicts are." in text
    (tmp_path / "claims.jsonl").write_text(canonical(asdict(found[0]) | {"near": ["undecided"]}) + "\n")
    text = page.render(world.plan, [])
    assert "near its threshold: holds, almost undecided" in text and "1 of the 1 verdicts are." in text
    (tmp_path / "claims.jsonl").unlink()
    assert 'id="claims"' not in page.render(world.plan, [])

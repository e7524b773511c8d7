"""Our numbers beside the papers': reproduced, better, worse, not comparable, or not run.

Two numbers are compared only where model, test set and metric are the paper's. A difference within the tolerance, which
is given with the published number, counts as reproduced. A published number is in our unit here: BLEURT, which papers
print times 100, is not.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, get_args

from dragoman import published
from dragoman.config import Experiment, HubCorpus, HubModel, LocalModel, SacrebleuCorpus
from dragoman.metrics import bleu, parse, presentation
from dragoman.metrics.bleurt import BLEURT
from dragoman.plan import Plan
from dragoman.published import Key, Published
from dragoman.records import Record
from dragoman.sweeps import joined, split

Kind = Literal["reproduced", "better", "worse", "not comparable", "not run"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MODELS = {
    "falcon-rw-1b": {"tiiuae/falcon-rw-1b"},
    "llama-7b": {"huggyllama/llama-7b", "yahma/llama-7b-hf"},
    "llama-2-7b": {"meta-llama/llama-2-7b-hf", "meta-llama/llama-2-7b"},
    "llama-3-8b": {"meta-llama/meta-llama-3-8b", "meta-llama/llama-3-8b"},
}
"""Published base model -> repositories of the hub that hold it, in lower case."""
TEST_SETS = {
    ("simulmask", ""): ("IWSLT 2017, test split of the hub's data set", {"iwslt2017", "iwslt/iwslt2017"}, set()),
    ("langaware", "Table 1"): ("WMT22 general", set(), {"wmt22"}),
    ("langaware", "Table 2"): ("IWSLT tst2017", set(), {"iwslt17"}),
}
"""(paper, start of the table's name) -> what it was tested on, and what is that on the hub and in sacrebleu."""
TIMES_100 = {"bleurt"}
"""Metrics that papers print times 100, and we do not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A published score, ours where there is one, and what follows."""

    published: Published
    """In our unit."""
    experiment: str
    """Ours; empty where nobody ran it."""
    verdict: Kind
    reason: str
    """Why they cannot be compared, or why the tolerance is what it is."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """95 % interval over test sentences, with one seed."""
    spread: float | None = None
    """Standard deviation (n - 1) over the seeds, with several."""

    @property
    def difference(self) -> float | None:
        """Ours minus published."""
        return None if self.value is None else self.value - self.published.value


def judge(plan: Plan, records: Iterable[Record]) -> list[Verdict]:
    """A verdict on every published score of the papers that the configuration has experiments of, in their order.

    A score that has several counterparts, as of two experiments or of two variants of a metric, has a verdict for each.
    """
    papers = list(dict.fromkeys(experiment.paper for experiment in plan.config.experiments.values()))
    known = [paper for paper in papers if (published.FOLDER / f"{paper}.tsv").is_file()]
    ours: dict[Key, dict[tuple[str, str], list[Record]]] = {}
    for record in records:
        name, own = split(record.system)
        metric, options = parse(record.metric)
        if "into" not in options:  # a part of the ratio is no ratio
            place = Key(record.paper, name, record.pair, joined(own, record.setting), metric)
            ours.setdefault(place, {}).setdefault((record.experiment, record.metric), []).append(record)
    verdicts = []
    numbers = [each for paper in known for each in published.load(paper) if each.quantity == "score"]
    for number in map(in_our_unit, numbers):
        found = ours.get(published.key(number), {})
        verdicts += [against(number, plan, experiment, own) for (experiment, _), own in found.items()]
        if not found:
            verdicts.append(Verdict(number, "", "not run", "no experiment of this configuration has such a number"))
    return verdicts


def in_our_unit(number: Published) -> Published:
    """A published score as one of ours would be written."""
    if number.metric not in TIMES_100:
        return number
    tolerance = None if number.tolerance is None else number.tolerance / 100
    return replace(number, value=number.value / 100, error=number.error / 100, tolerance=tolerance)


def against(number: Published, plan: Plan, name: str, records: Sequence[Record]) -> Verdict:
    """The verdict on a published score in our unit, given the records of one experiment that share its key, one per
    seed."""
    scored = [record for record in records if record.value is not None]
    if len(scored) < len(records):
        notes = "; ".join(dict.fromkeys(record.note for record in records if record.note))
        return Verdict(number, name, "not run", notes or "not every seed has a value")
    if absent := _planned_seeds(plan, name, records[0]) - {record.seed for record in records}:
        return Verdict(number, name, "not run", f"seed {', '.join(map(str, sorted(absent)))} not scored")
    values = [record.value for record in scored if record.value is not None]
    value = statistics.fmean(values)
    low, high = (scored[0].low, scored[0].high) if len(scored) == 1 else (None, None)
    spread = statistics.stdev(values) if len(values) > 1 else None
    reason = obstacle(number, plan, plan.config.experiments[name], scored)
    if reason:
        return Verdict(number, name, "not comparable", reason, value, low, high, spread)
    assert number.tolerance is not None  # `obstacle` names its absence
    return Verdict(number, name, compared(number, value), number.reason, value, low, high, spread)


def _planned_seeds(plan: Plan, experiment: str, record: Record) -> set[int]:
    """Seeds that a number should have: a mean over some of them would be another number."""
    place = experiment, split(record.system)[0], record.pair
    return {run.seed for run in plan.decode_runs if (run.experiment, split(run.system)[0], run.pair) == place}


def compared(number: Published, value: float) -> Kind:
    """The verdict on two numbers that can be compared."""
    assert number.tolerance is not None
    difference = value - number.value
    if abs(difference) <= number.tolerance + 1e-9:
        return "reproduced"
    return "better" if (difference > 0) == (presentation(number.metric).better == "higher") else "worse"


def obstacle(number: Published, plan: Plan, experiment: Experiment, records: Sequence[Record]) -> str:
    """Why a published score cannot be compared with ours; empty where it can."""
    corpus, model = plan.config.corpora[experiment.test.corpus], plan.config.models[experiment.model]
    if corpus.provider == "demo":
        return "embedded world"
    if not number.model:
        return "other model: the paper's is not known"
    if isinstance(model, HubModel):
        same = model.id.lower() in MODELS.get(number.model, ())
    elif isinstance(model, LocalModel):
        folders = {number.model, *(PurePosixPath(each).name for each in MODELS.get(number.model, ()))}
        same = PurePosixPath(model.path).name.lower() in folders
    else:
        same = False
    if not same:
        return f"other model: {experiment.model}, not {number.model}"
    what, hub, sets = test_set(number)
    if isinstance(corpus, HubCorpus):
        same = corpus.dataset.lower() in hub and experiment.test.split == "test"
    else:
        same = isinstance(corpus, SacrebleuCorpus) and experiment.test.split == "test" and set(corpus.test) == sets
    if not same:
        return f"other data: {experiment.test.corpus}, not {what}"
    if experiment.test.limit:
        return f"other data: the first {experiment.test.limit} sentences of {what} only"
    for part in signature(number):
        for record in records:
            if not any(each.startswith(part) for each in record.signature.split("|")):
                return f"other signature: {record.signature}, without {part}"
    return "" if number.tolerance is not None else f"no tolerance: {number.reason}"


def test_set(number: Published) -> tuple[str, set[str], set[str]]:
    """What a published number was tested on: words, data sets of the hub, sets of sacrebleu."""
    for (paper, table), found in TEST_SETS.items():
        if number.paper == paper and number.table.startswith(table):
            return found
    return "the paper's, which is not known", set(), set()


def signature(number: Published) -> list[str]:
    """What parts of a metric's signature must begin with to be the paper's."""
    name = parse(number.metric)[0]
    if name == "bleu":
        return ["nrefs:1", "case:mixed", f"tok:{bleu.tokenizer(number.pair)}", "smooth:exp"]
    return {
        "bleurt": [f"model:{BLEURT.MODEL}", "nrefs:1"],
        "laal": ["time:delays", "source:words", "target:word"],
        "offtarget": ["id:fasttext", "model:lid.176", "into:any"],
    }.get(name, [])


def counts(verdicts: Iterable[Verdict]) -> dict[Kind, int]:
    """How many verdicts there are of each kind, all kinds in order."""
    found = Counter(verdict.verdict for verdict in verdicts)
    return {kind: found[kind] for kind in KINDS}

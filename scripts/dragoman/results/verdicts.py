"""Verdicts on published numbers: reproduced, better, worse, not comparable, or not run.

One of our numbers is compared with a published number if model, test set and metric are the paper's (see
`config/published/comparison.yaml`) and the configuration does not mark the system as a variant. A difference within the
tolerance of the published number is `reproduced`. A published average over pairs or settings is compared with our
average over the same pairs or settings, if all of them have a value. Published numbers are first converted to our unit:
papers print BLEURT times 100.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from dragoman.config import Corpus, Experiment, HubCorpus, HubModel, LocalModel, Model, SacrebleuCorpus
from dragoman.metrics import bleu, parse, presentation
from dragoman.plan import Plan
from dragoman.results import comparable, published
from dragoman.results.comparable import Comparison, PublishedSet
from dragoman.results.published import MEAN, Key, Published
from dragoman.results.records import Record

Kind = Literal["reproduced", "better", "worse", "not comparable", "not run"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Ours = Mapping[Key, Mapping[tuple[str, str], Sequence[Record]]]
"""Key -> (experiment, metric with its options) -> our records, one per seed."""
Counterpart = Sequence[tuple[Published, Sequence[Record]]]
"""Published scores with our records of each: one score, or all scores that a published average is made of."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A published score, our score, and the verdict."""

    published: Published
    """The published score, in our unit."""
    experiment: str
    """Our experiment; empty if no experiment of the configuration computes this score."""
    verdict: Kind
    reason: str
    """The reason for the verdict: why the two are not comparable, or how the tolerance was chosen."""
    value: float | None = None
    """Our score, the mean over seeds; None: not run."""
    low: float | None = None
    high: float | None = None
    """95 % interval over test sentences; None: there are several seeds."""
    spread: float | None = None
    """Standard deviation (n - 1) over the seeds; None: there is one seed."""

    @property
    def difference(self) -> float | None:
        """Ours minus published."""
        return None if self.value is None else self.value - self.published.value


def judge(plan: Plan, records: Iterable[Record], folder: Path = comparable.FOLDER) -> list[Verdict]:
    """Verdicts on all published scores of the papers that the configuration has experiments of, in the order of the
    experiments and of the papers' tables.

    A published score gets a verdict for each counterpart. There are several if two experiments compute the score, or
    one experiment computes it with two variants of the metric.

    Args:
        plan: the plan of the configuration.
        records: all records of the plan's runs.
        folder: the folder with the tables of published numbers and `comparison.yaml`.

    Raises:
        ConfigError: `comparison.yaml` has mistakes.
        TextError: a table of published numbers has mistakes.
    """
    known = comparable.load(folder)
    papers = list(dict.fromkeys(experiment.paper for experiment in plan.config.experiments.values()))
    ours: dict[Key, dict[tuple[str, str], list[Record]]] = {}
    for record in records:
        name, setting = record.system_and_setting
        system = plan.config.experiments[record.experiment].systems.get(name)
        role = (system and system.role) or name
        metric, options = parse(record.metric)
        if "into" not in options:  # with `into`, a record holds only a part of the off-target ratio
            place = Key(record.paper, role, record.pair, setting, metric)
            ours.setdefault(place, {}).setdefault((record.experiment, record.metric), []).append(record)
    verdicts = []
    for paper in papers:
        if not (folder / f"{paper}.tsv").is_file():
            continue
        numbers = [in_our_unit(each, known) for each in published.load(paper, folder) if each.quantity == "score"]
        for number in numbers:
            matching = counterparts(parts_of(number, numbers), ours)
            verdicts += [against(number, plan, name, own, known) for (name, _), own in matching.items()]
            if not matching:
                verdicts.append(Verdict(number, "", "not run", "no experiment of this configuration has such a number"))
    return verdicts


def in_our_unit(number: Published, known: Comparison) -> Published:
    """A published score with value, error and tolerance in our unit."""
    times = known.metrics[number.metric].times
    if times == 1:
        return number
    tolerance = None if number.tolerance is None else number.tolerance / times
    return replace(number, value=number.value / times, error=number.error / times, tolerance=tolerance)


def parts_of(number: Published, numbers: Iterable[Published]) -> list[Published]:
    """The published scores of which a score is the average; for a score that is not an average, the score itself.

    `mean` as a pair is the average over all pairs with the same version, table, model, system, setting and metric;
    `mean` as the value of a setting is the average over all settings.
    """
    over_pairs = number.pair == MEAN
    axis, _, value = number.setting.partition("=")
    over_settings = value == MEAN
    if not (over_pairs or over_settings):
        return [number]

    def place(each: Published) -> tuple[str, ...]:
        setting = each.setting.partition("=")[0] if over_settings else each.setting
        rest = (each.version, each.table, each.model, each.system, setting, each.metric)
        return rest if over_pairs else (*rest, each.pair)

    own = [each for each in numbers if place(each) == place(number)]
    return [each for each in own if not (over_pairs and each.pair == MEAN) and each.setting != f"{axis}={MEAN}"]


def counterparts(parts: Sequence[Published], ours: Ours) -> dict[tuple[str, str], Counterpart]:
    """(experiment, metric with its options) -> each part with our records of it; only if every part has records."""
    own = [ours.get(published.key(part), {}) for part in parts]
    shared = [place for place in own[0] if all(place in each for each in own)] if own else []
    return {place: [(part, each[place]) for part, each in zip(parts, own, strict=True)] for place in shared}


def against(number: Published, plan: Plan, name: str, own: Counterpart, known: Comparison) -> Verdict:
    """The verdict on a published score.

    Args:
        number: the published score, in our unit.
        plan: the plan of the configuration.
        name: our experiment.
        own: the parts of the score, with our records of one experiment and metric.
        known: the file `comparison.yaml`.
    """
    records = [record for _, each in own for record in each]
    if lacking := [record for record in records if record.value is None]:
        notes = "; ".join(dict.fromkeys(record.note for record in lacking if record.note))
        return Verdict(number, name, "not run", notes or "not every seed has a value")
    for _, each in own:
        if absent := _planned_seeds(plan, name, each[0]) - {record.seed for record in each}:
            return Verdict(number, name, "not run", f"seed {', '.join(map(str, sorted(absent)))} not scored")
    by_seed: dict[int, list[float]] = {}
    for record in records:
        by_seed.setdefault(record.seed, []).append(record.value or 0.0)  # `or` is for the type checker: none is None
    values = [statistics.fmean(each) for each in by_seed.values()]
    value = statistics.fmean(values)
    low, high = (records[0].low, records[0].high) if len(records) == 1 else (None, None)
    spread = statistics.stdev(values) if len(values) > 1 else None
    experiment = plan.config.experiments[name]
    reasons = (obstacle(part, plan, experiment, each, known) for part, each in own)
    reason = next(filter(None, reasons), "")
    if not reason and number.tolerance is None:
        reason = f"no tolerance: {number.reason}"
    if reason:
        return Verdict(number, name, "not comparable", reason, value, low, high, spread)
    reason = "; ".join(filter(None, [number.reason, *stand_ins(own, known)]))
    return Verdict(number, name, compared(number, value), reason, value, low, high, spread)


def stand_ins(own: Counterpart, known: Comparison) -> list[str]:
    """Sentences about accepted parts of our signatures that differ from the paper's own part."""
    sentences: dict[str, None] = {}
    for part, records in own:
        for first, *others in signature(part, known):
            for other in others:
                if any(each.startswith(other) for record in records for each in record.signature.split("|")):
                    sentences[f"ours with {other}, the paper's with {first}"] = None
    return list(sentences)


def _planned_seeds(plan: Plan, experiment: str, record: Record) -> set[int]:
    """The seeds that the plan has for a record's experiment, system and pair. The mean must be over all of them."""
    place = experiment, record.system_and_setting[0], record.pair
    return {run.seed for run in plan.decode_runs if (run.experiment, run.base, run.pair) == place}


def compared(number: Published, value: float) -> Kind:
    """The verdict on a published number and a comparable value of ours, both in our unit."""
    assert number.tolerance is not None
    difference = value - number.value
    if abs(difference) <= number.tolerance + 1e-9:
        return "reproduced"
    return "better" if (difference > 0) == (presentation(number.metric).better == "higher") else "worse"


def obstacle(
    number: Published, plan: Plan, experiment: Experiment, records: Sequence[Record], known: Comparison
) -> str:
    """Why a published score cannot be compared with our records; empty if it can."""
    corpus, model = plan.config.corpora[experiment.test.corpus], plan.config.models[experiment.model]
    if corpus.provider == "demo":
        return "embedded world"
    system = experiment.systems.get(records[0].system_and_setting[0])
    if system is not None and system.variant:
        return f"a variant of the paper's system: {system.variant}"
    if not number.model:
        return "other model: the paper's is not known"
    if not same_model(model, number.model, known):
        return f"other model: {experiment.model}, not {number.model}"
    tested = known.tested(number.paper, number.version, number.table, number.pair)
    if tested is None or tested.set is None:
        what = tested.why if tested else "the paper's, which is not known"
        return f"other data: {experiment.test.corpus}, not {what}"
    published_set = known.test_sets[tested.set]
    if experiment.test.split != "test" or not is_set(corpus, tested.set, published_set):
        return f"other data: {experiment.test.corpus}, not {published_set.title}"
    if experiment.test.limit:
        return f"other data: the first {experiment.test.limit} sentences of {published_set.title} only"
    for part in signature(number, known):
        for record in records:
            if not any(each.startswith(part) for each in record.signature.split("|")):
                return f"other signature: {record.signature}, without {' or '.join(part)}"
    return ""


def same_model(model: Model, name: str, known: Comparison) -> bool:
    """Whether a model is the base model that tables call `name`: a model of the hub, or a folder with its name."""
    repositories = [each.lower() for each in known.models.get(name, ())]
    if isinstance(model, HubModel):
        return model.id.lower() in repositories
    folders = {name, *(PurePosixPath(each).name for each in repositories)}
    return isinstance(model, LocalModel) and PurePosixPath(model.path).name.lower() in folders


def is_set(corpus: Corpus, name: str, published_set: PublishedSet) -> bool:
    """Whether the test split of a corpus is a published test set, by the name of its data set or by `stands_for`."""
    if getattr(corpus, "stands_for", None) == name:
        return True
    if isinstance(corpus, HubCorpus):
        return corpus.dataset.lower() in map(str.lower, published_set.hub)
    return isinstance(corpus, SacrebleuCorpus) and bool(corpus.test) and set(corpus.test) == {*published_set.sacrebleu}


def signature(number: Published, known: Comparison) -> list[tuple[str, ...]]:
    """Beginnings that parts of our signature must have to match the paper's. A tuple holds alternatives: one of them is
    enough, and the first one is the paper's own."""
    named = bleu.tokenizer(number.pair) if number.pair else ""
    wanted = known.metrics[parse(number.metric)[0]].signature
    several = [[part] if isinstance(part, str) else part for part in wanted]
    return [tuple(each.replace("{tokenizer}", named) for each in parts) for parts in several]


def counts(verdicts: Iterable[Verdict]) -> dict[Kind, int]:
    """Number of verdicts of each kind, in the order of `KINDS`."""
    tally = Counter(verdict.verdict for verdict in verdicts)
    return {kind: tally[kind] for kind in KINDS}

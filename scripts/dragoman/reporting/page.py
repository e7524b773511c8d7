"""The report: one HTML file with everything in it. It loads nothing and runs nothing, so it can be mailed and archived.

Corpus text and model output are untrusted: Jinja escapes them, characters that could rearrange the page are shown as
symbols, and the page's own security policy forbids scripts and every kind of request.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup, escape

from dragoman import claims, verdicts
from dragoman.metrics import presentation
from dragoman.plan import Plan
from dragoman.records import Record
from dragoman.reporting import (
    arrange,
    curves,
    figures,
    gallery,
    gather,
    instructed,
    markup,
    provenance,
    tables,
    timings,
)
from dragoman.reporting.examples import Example, visible
from dragoman.storage import sha256

EXAMPLES_OPEN = 3
"""Examples that are in view before the others are unfolded."""


@dataclass(frozen=True)
class Download:
    """A file inside the page."""

    name: str
    kind: str
    link: str


@dataclass(frozen=True)
class Drawing:
    """A figure inside the page."""

    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Section:
    """One experiment on the page."""

    key: str
    title: str
    facts: list[tuple[str, str]]
    tables: list[arrange.Table]
    drawings: list[Drawing]
    examples: list[Example]
    folded: set[str]
    """Systems whose hypotheses are unfolded on request."""
    downloads: list[Download]
    published: list[PublishedRow]
    """The paper's numbers beside ours, where both exist."""


@dataclass(frozen=True)
class EvidenceRow:
    """One comparison behind a claim, as it is shown."""

    place: str
    value: str
    threshold: str
    margin: str
    spread: str
    p: str


@dataclass(frozen=True)
class ClaimRow:
    """A claim and its verdict, as they are shown."""

    result: claims.Result
    metric: str
    weakest: str
    """The comparison with the smallest margin, in a line; empty where there is none."""
    p: str
    evidence: list[EvidenceRow]


@dataclass(frozen=True)
class PublishedRow:
    """A published number and ours, as they are shown."""

    system: str
    setting: str
    pair: str
    metric: str
    published: str
    ours: str
    difference: str
    tolerance: str
    verdict: str
    reason: str
    origin: str


def inline_svg(document: str, prefix: str, label: str) -> Markup:
    """An SVG document as an element of the page: no size of its own, no ids shared with others, the page's colours."""
    text = document[document.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    themed = {figures.INK: "ink", figures.QUIET: "quiet", figures.RULE: "rule", figures.GROUND: "ground"}
    themed |= {colour: f"c{number}" for number, colour in enumerate(figures.PALETTE, 1)}
    for colour, name in themed.items():
        text = text.replace(f": {colour}", f": var(--{name})")
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|xmlns|xmlns:xlink|version)="[^"]*"', "", head).replace("xlink:", "")
    return Markup('%s role="img" aria-label="%s">%s') % (
        Markup(head),
        label,
        Markup(rest.replace("xlink:href", "href")),
    )


def whole_pairs(text: str) -> Markup:
    """`text`, escaped, with language pairs kept from being broken at their hyphen."""
    return Markup(re.sub(r"\b[a-z]{2}-[a-z]{2}\b", r'<span class="pair">\g<0></span>', str(escape(text))))


def download(name: str, content: str) -> Download:
    """A text file as a link that holds it."""
    kinds = {"csv": "text/csv", "md": "text/markdown", "tex": "application/x-tex"}
    suffix = name.rpartition(".")[2]
    data = base64.b64encode(content.encode()).decode()
    return Download(name, suffix, f"data:{kinds.get(suffix, 'text/plain')};charset=utf-8;base64,{data}")


def section(plan: Plan, name: str, records: Sequence[Record], judged: Sequence[verdicts.Verdict] = ()) -> Section:
    """Everything the page says about one experiment."""
    layout = gather.layout_from(plan, name)
    frame = tables.cells(records, layout)
    laid = [*arrange.tables_of(frame, layout), *instructed.judgements(plan, name, records)]
    examples, folded = gather.examples(plan, name)
    return Section(
        key=name,
        title=layout.title,
        facts=gather.facts_of(plan, name),
        tables=laid,
        drawings=drawings(plan, name, layout.title, records),
        examples=examples,
        folded=folded,
        downloads=[
            download(f"{name}.csv", tables.csv(frame)),
            download(f"{name}.md", "\n".join(map(markup.markdown, laid))),
            download(f"{name}.tex", "\n".join(map(markup.latex, laid))),
        ],
        published=published_rows(judged, name, layout.systems),
    )


def probability(p: float | None) -> str:
    """A p-value in three decimals: `0.012`, `< 0.001`."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def claim_row(result: claims.Result) -> ClaimRow:
    """A claim's numbers with the digits that its metric is shown with, and at least three that count."""
    look = presentation(result.metric)
    largest = max((abs(each.value) for each in result.evidence), default=0.0)
    digits = max(look.digits, 2 - math.floor(math.log10(largest))) if largest else look.digits

    def signed(value: float) -> str:
        return f"{value:+.{digits}f}".replace("-", "−")

    rows = []
    for each in result.evidence:
        bounds = f" [{signed(each.low)}, {signed(each.high)}]" if each.low is not None and each.high is not None else ""
        rows.append(
            EvidenceRow(
                place=", ".join(filter(None, (each.pair, each.setting))),
                value=f"{each.value:.{digits}f}",
                threshold=f"{each.threshold:.{digits}f}",
                margin=signed(each.margin) + bounds,
                spread="" if each.spread is None else f"{each.spread:.{digits}f}",
                p=probability(each.p),
            )
        )
    weakest = ""
    if rows:
        row = rows[min(range(len(rows)), key=lambda number: result.evidence[number].margin)]
        weakest = f"{row.place}: {row.value}, threshold {row.threshold}, margin {row.margin}"
    return ClaimRow(result, look.label, weakest, probability(result.p), rows)


def published_rows(judged: Sequence[verdicts.Verdict], experiment: str, labels: dict[str, str]) -> list[PublishedRow]:
    """The paper's numbers that an experiment has counterparts of."""
    rows = []
    for verdict in judged:
        number = verdict.published
        if verdict.experiment != experiment or verdict.value is None:
            continue
        look = presentation(number.metric)
        ours = f"{verdict.value:.{look.digits}f}"
        if verdict.low is not None and verdict.high is not None:
            ours += f" [{verdict.low:.{look.digits}f}, {verdict.high:.{look.digits}f}]"
        elif verdict.spread is not None:
            ours += f" ± {verdict.spread:.{look.digits}f}"
        rows.append(
            PublishedRow(
                system=labels.get(number.system, number.system),
                setting=number.setting,
                pair=number.pair,
                metric=look.label,
                published=f"{number.value:g}" + (f" ± {number.error:g}" if number.error else ""),
                ours=ours,
                difference=f"{verdict.difference:+.{look.digits}f}".replace("-", "−"),
                tolerance="" if number.tolerance is None else f"{number.tolerance:g}",
                verdict=verdict.verdict,
                reason=verdict.reason if verdict.verdict == "not comparable" else "",
                origin=", ".join(filter(None, (number.version, number.model))),
            )
        )
    return rows


def claims_csv(results: Sequence[claims.Result]) -> str:
    """One row per comparison, one for a claim that has none, as many digits as there are."""
    facts = ("id", "paper", "statement", "experiment", "metric", "comparison", "verdict", "p", "p_holm", "test", "note")
    rows = []
    for result in results:
        start = {name: getattr(result, name) for name in facts}
        rows += [start | {f"evidence_{key}": v for key, v in asdict(each).items()} for each in result.evidence] or [
            start
        ]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def published_csv(judged: Sequence[verdicts.Verdict]) -> str:
    """One row per published score and counterpart."""
    rows = []
    for verdict in judged:
        ours = {name: getattr(verdict, name) for name in ("experiment", "value", "low", "high", "spread", "difference")}
        ours = {f"our_{name}": value for name, value in ours.items()}
        rows.append(asdict(verdict.published) | ours | {"verdict": verdict.verdict, "verdict_reason": verdict.reason})
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def drawings(plan: Plan, experiment: str, title: str, records: Sequence[Record]) -> list[Drawing]:
    """Those of an experiment's figures for which there are numbers yet."""
    found = []
    for name in gallery.figures_of(plan, experiment):
        kind = gallery.kind(name)
        if (figure := kind.draw(plan, experiment, records)) is not None:
            svg = _figure(figure, f"{name}-{experiment}", f"{kind.title}: {title}")
            found.append(Drawing(kind.title, kind.caption, svg))
    return found


def _figure(figure: Any, prefix: str, label: str) -> Markup:
    return inline_svg(figures.svg(figure), re.sub(r"[^\w-]", "-", prefix), label)


def corpus_summary(facts: Sequence[gather.CorpusFacts]) -> list[dict[str, Any]]:
    """One row per corpus: pairs, lines kept per split, lines dropped."""
    rows = []
    for corpus in dict.fromkeys(fact.corpus for fact in facts):
        own = [fact for fact in facts if fact.corpus == corpus]
        kept = {split: sum(f.splits[split].kept for f in own if split in f.splits) for split in gather.SPLITS}
        dropped: Counter[str] = Counter()
        for fact in own:
            for split in fact.splits.values():
                dropped.update(split.dropped)
        read = sum(split.read for fact in own for split in fact.splits.values())
        rows.append(
            {
                "name": corpus,
                "provider": own[0].provider,
                "pairs": own,
                "kept": kept,
                "read": read,
                "dropped": dropped.most_common(),
                "missing": sum(fact.missing for fact in own),
            }
        )
    return rows


def corpus_warnings(facts: Sequence[gather.CorpusFacts]) -> list[str]:
    """What the corpora's manifests warn of, each with its place."""
    return [f"{fact.corpus}, {fact.pair}: {fact.warning}" for fact in facts if fact.warning]


def render(plan: Plan, records: Sequence[Record]) -> str:
    """The whole page. The same results give the same page: no clock, no host, no path is in it.

    What trainings took, which no two runs share, stands in the one section `training-cost` and nowhere else.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["whole_pairs"] = whole_pairs
    config = plan.config
    models, facts = gather.model_facts(plan), gather.corpus_facts(plan)
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)
    losses = [(model.name, model.curve) for model in models if model.curve]
    records_file = plan.results / "records.jsonl"
    judged = verdicts.judge(plan, records)
    papers = {experiment.paper for experiment in config.experiments.values()}
    claims_file = plan.results / "claims.jsonl"
    tested = [each for each in (claims.read(claims_file) if claims_file.is_file() else []) if each.paper in papers]
    taken = timings.read(plan)
    costs = timings.costs(taken)
    return environment.get_template("page.html.j2").render(
        title=visible(config.title),
        sections=[section(plan, name, records, judged) for name in config.experiments],
        claims=[claim_row(result) for result in tested],
        claim_counts=claims.counts(tested),
        claim_alpha=f"{100 * claims.ALPHA:g}",
        claim_survivors=sum(1 for each in tested if each.p_holm is not None and each.p_holm < claims.ALPHA),
        claim_tests=sum(1 for each in tested if each.p is not None),
        claim_downloads=[
            *([download("claims.csv", claims_csv(tested))] if tested else []),
            *([download("published.csv", published_csv(judged))] if judged else []),
        ],
        published_counts=verdicts.counts(judged),
        models=models,
        pretraining=_figure(curves.loss_curves(losses), "pretraining", "Pre-training loss") if losses else None,
        corpora=corpus_summary(facts),
        warnings=corpus_warnings(facts),
        splits=gather.SPLITS,
        seeds=sorted({seed for experiment in config.experiments.values() for seed in plan.seeds(experiment)}),
        systems=sum(len(experiment.systems) for experiment in config.experiments.values()),
        pairs=sorted({pair for experiment in config.experiments.values() for pair in experiment.test.pairs}),
        numbers=len(records),
        titles={name: visible(experiment.title) for name, experiment in config.experiments.items()},
        costs={name: [cost for cost in costs if cost.experiment == name] for name in config.experiments},
        costs_header=timings.HEADER,
        costs_legend=timings.LEGEND,
        costs_downloads=[
            download(f"{timings.NAME}.csv", timings.csv(taken)),
            download(f"{timings.NAME}.md", timings.markdown(costs)),
        ],
        trained=bool(costs),
        config="\n".join(map(visible, text.split("\n"))),
        versions=provenance.versions(),
        commit=provenance.commit(),
        records_hash=sha256(records_file) if records_file.is_file() else "",
        hashes=provenance.hashes(plan),
        shown=EXAMPLES_OPEN,
    )

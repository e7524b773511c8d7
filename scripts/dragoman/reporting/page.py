"""The report: one HTML file with everything in it. It loads nothing and runs nothing, so it can be mailed and archived.

Corpus text and model output are untrusted: Jinja escapes them, characters that could rearrange the page are shown as
symbols, and the page's own security policy forbids scripts and every kind of request.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

from dragoman.plan import Plan
from dragoman.records import Record
from dragoman.reporting import arrange, curves, figures, gallery, gather, markup, provenance, tables, timings
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
    table: arrange.Table
    drawings: list[Drawing]
    examples: list[Example]
    folded: set[str]
    """Systems whose hypotheses are unfolded on request."""
    downloads: list[Download]


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


def section(plan: Plan, name: str, records: Sequence[Record]) -> Section:
    """Everything the page says about one experiment."""
    layout = gather.layout_from(plan, name)
    frame = tables.cells(records, layout)
    table = arrange.lay_out(frame, layout)
    examples, folded = gather.examples(plan, name)
    return Section(
        key=name,
        title=layout.title,
        facts=gather.facts_of(plan, name),
        table=table,
        drawings=drawings(plan, name, layout.title, records),
        examples=examples,
        folded=folded,
        downloads=[
            download(f"{name}.csv", tables.csv(frame)),
            download(f"{name}.md", markup.markdown(table)),
            download(f"{name}.tex", markup.latex(table)),
        ],
    )


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
    taken = timings.read(plan)
    costs = timings.costs(taken)
    return environment.get_template("page.html.j2").render(
        title=visible(config.title),
        sections=[section(plan, name, records) for name in config.experiments],
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

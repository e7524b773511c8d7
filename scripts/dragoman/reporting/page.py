"""The report: one HTML file with everything in it. It loads nothing, so it can be mailed and archived. Where scripts
are off it is whole; where they run, its own (`page.js`) lets figures answer, tables sort and examples be searched.

Corpus text and model output are untrusted: Jinja escapes them, characters that could rearrange the page are shown as
symbols, and the page's own security policy forbids every request, and every script but the one whose digest it names.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import yaml
from markupsafe import Markup, escape

from dragoman import claims, verdicts
from dragoman.plan import Plan
from dragoman.records import Record
from dragoman.reporting import (
    arrange,
    compute,
    curves,
    evidence,
    figures,
    gallery,
    gather,
    markup,
    provenance,
    timings,
    worlds,
)
from dragoman.reporting.downloads import Download, download
from dragoman.reporting.examples import Example, visible
from dragoman.reporting.sheets import sheets
from dragoman.storage import sha256

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).parent
EXAMPLES_OPEN = 3
"""Examples that are in view before the others are unfolded."""


@dataclass(frozen=True)
class Drawing:
    """A figure inside the page."""

    title: str
    caption: str
    svg: Markup
    downloads: list[Download]


@dataclass(frozen=True)
class Section:
    """One experiment on the page."""

    key: str
    title: str
    facts: list[tuple[str, str]]
    tables: list[arrange.Table]
    drawings: list[Drawing]
    sentences: int
    """Of all its test sets."""
    examples: list[Example]
    downloads: list[Download]
    published: list[evidence.PublishedRow]
    """The paper's numbers beside ours, where both exist."""
    published_downloads: list[Download]


def inline_svg(document: str, prefix: str, label: str) -> Markup:
    """An SVG document as an element of the page: no size of its own, no ids shared with others, the page's colours."""
    text = document[document.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s+", "\n", text)
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


def section(plan: Plan, name: str, records: Sequence[Record], judged: Sequence[verdicts.Verdict] = ()) -> Section:
    """Everything the page says about one experiment."""
    layout = gather.layout_from(plan, name)
    laid, numbers = sheets(plan, name, records)
    sentences, examples = gather.examples(plan, name)
    roles = {role: layout.systems.get(key, key) for role, key in plan.config.experiments[name].roles.items()}
    beside = evidence.published_rows(judged, name, roles)
    return Section(
        key=name,
        title=layout.title,
        facts=gather.facts_of(plan, name),
        tables=laid,
        drawings=drawings(plan, name, layout.title, records),
        sentences=sentences,
        examples=examples,
        downloads=[
            download(f"{name}.csv", numbers),
            download(f"{name}.md", "\n".join(map(markup.markdown, laid))),
            download(f"{name}.tex", "\n".join(map(markup.latex, laid))),
        ],
        published=beside,
        published_downloads=evidence.published_downloads(name, f"{layout.title}: published and ours", beside),
    )


def drawings(plan: Plan, experiment: str, title: str, records: Sequence[Record]) -> list[Drawing]:
    """Those of an experiment's figures for which there are numbers yet."""
    found = []
    for name in gallery.figures_of(plan, experiment):
        kind = gallery.kind(name)
        if (figure := kind.draw(plan, experiment, records)) is not None:
            found.append(drawing(figure, f"{experiment}-{name}", f"{kind.title}: {title}", kind.caption))
    return found


def drawing(figure: Figure, name: str, title: str, caption: str = "") -> Drawing:
    """A figure in the page, and as files."""
    svg = figures.svg(figure)
    files = {"svg": svg, "png": figures.png(figure), "pdf": figures.pdf(figure)}
    inline = inline_svg(svg, re.sub(r"[^\w-]", "-", name), title)
    return Drawing(title, caption, inline, [download(f"{name}.{kind}", content) for kind, content in files.items()])


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
        loader=jinja2.FileSystemLoader(HERE),
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
    script = (HERE / "page.js").read_text(encoding="utf-8")
    papers = {experiment.paper for experiment in config.experiments.values()}
    tested, timed = (
        [each for each in found if each.paper is None or each.paper in papers or each.verdict != "not run"]
        for found in map(claims.read_if_there, (plan.results / "claims.jsonl", plan.timed_claims))
    )
    others = {name: claims.read(path) for name, path in plan.worlds.items()}
    others_timed = {
        name: claims.read_if_there(path.parent / "timings" / path.name) for name, path in plan.worlds.items()
    }
    in_worlds, timed_in_worlds = worlds.rows(tested, others), worlds.rows(timed, others_timed)
    taken = timings.read(plan)
    costs = timings.costs(taken)
    return environment.get_template("page.html.j2").render(
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        styles=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        title=visible(config.title),
        sections=[section(plan, name, records, judged) for name in config.experiments],
        claims=evidence.claim_rows(tested),
        claim_counts=claims.counts(tested),
        claim_alpha=f"{100 * claims.ALPHA:g}",
        claim_near=claims.NEAR,
        claim_survivors=sum(1 for each in tested if each.p_holm is not None and each.p_holm < claims.ALPHA),
        claim_tests=sum(1 for each in tested if each.p is not None),
        claim_downloads=[
            *evidence.claims_downloads(tested),
            *([download("published.csv", evidence.published_csv(judged))] if judged else []),
            *worlds.downloads(in_worlds, [*others], "worlds"),
        ],
        timed_claims=evidence.claim_rows(timed),
        timed_downloads=[
            *evidence.claims_downloads(timed, "timed-claims"),
            *worlds.downloads(timed_in_worlds, [*others], "timed-worlds"),
        ],
        worlds=in_worlds,
        timed_worlds=timed_in_worlds,
        world_names=[worlds.HERE, *others],
        published_counts=verdicts.counts(judged),
        models=models,
        pretraining=drawing(curves.loss_curves(losses), "pretraining", "Pre-training loss") if losses else None,
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
            download(f"{timings.NAME}.tex", timings.latex(costs)),
        ],
        trained=bool(costs),
        compute=compute.steps(plan),
        compute_header=compute.HEADER,
        machine=compute.machine(),
        config="\n".join(map(visible, text.split("\n"))),
        versions=provenance.versions(),
        commit=provenance.commit(),
        records_hash=sha256(records_file) if records_file.is_file() else "",
        hashes=provenance.hashes(plan),
        shown=EXAMPLES_OPEN,
        assumed=arrange.ASSUMED,
    )

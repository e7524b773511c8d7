"""The page: one HTML file with all its contents. It loads nothing, so it can be mailed and archived. Without scripts it
is complete; its script (`page.js`) adds tooltips of figures, sorting of tables, and filters of examples.

Corpus text and model output are untrusted: Jinja escapes them, characters that could rearrange the page are shown as
symbols, and the page's security policy forbids all requests and all scripts except `page.js` (by its digest).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from dragoman import claims
from dragoman.plan import Plan
from dragoman.reporting import (
    compute,
    curves,
    evidence,
    figure_kinds,
    figures,
    gather,
    overview,
    provenance,
    table_files,
    timings,
    worlds,
)
from dragoman.reporting.downloads import Download, download
from dragoman.reporting.examples import Example, visible
from dragoman.reporting.html import script_digest, template
from dragoman.results import verdicts
from dragoman.results.records import Record
from dragoman.storage import sha256

HERE = Path(__file__).parent
EXAMPLES_OPEN = 3
"""Number of examples that are not folded."""


@dataclass(frozen=True)
class Figure:
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
    figures: list[Figure]
    table: Markup
    downloads: list[Download]
    """Files of the table."""
    sentences: int
    """Number of sentences of all its test sets."""
    examples: list[Example]
    published: list[evidence.PublishedRow]
    """The paper's numbers for which the experiment has a number."""
    published_downloads: list[Download]


def inline_svg(document: str, prefix: str, label: str) -> Markup:
    """An SVG document as an element of the page: without a size, with ids that no other figure has, and with the
    page's colours.

    Args:
        document: the SVG document.
        prefix: added to all ids.
        label: accessible name.
    """
    text = document[document.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s+", "\n", text)
    text = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for colour, name in figures.THEMED.items():
        text = text.replace(f": {colour}", f": var(--{name})")
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|xmlns|xmlns:xlink|version)="[^"]*"', "", head).replace("xlink:", "")
    return Markup('%s role="img" aria-label="%s">%s') % (
        Markup(head),
        label,
        Markup(rest.replace("xlink:href", "href")),
    )


def absent(path: Path, results: Path) -> Markup:
    """Text in place of a file that is not made yet."""
    return Markup('<p class="none">Not made yet: <code>%s</code></p>') % path.relative_to(results).as_posix()


def section(plan: Plan, name: str, judged: Sequence[verdicts.Verdict] = ()) -> Section:
    """The section of one experiment. Its tables and figures are files of the results folder."""
    title = visible(plan.experiment(name).title)
    sentences, examples = gather.examples(plan, name)
    published = evidence.published_rows(judged, name, gather.roles(plan.config.experiments[name]))
    files = [plan.results / "tables" / f"{name}.{suffix}" for suffix in table_files.SUFFIXES]
    *downloads, shown = files
    return Section(
        key=name,
        title=title,
        facts=gather.facts_of(plan, name),
        figures=[*figures_in(plan, name, title)],
        table=Markup(shown.read_text(encoding="utf-8")) if shown.is_file() else absent(shown, plan.results),
        downloads=[download(path.name, path.read_bytes()) for path in downloads if path.is_file()],
        sentences=sentences,
        examples=examples,
        published=published,
        published_downloads=evidence.published_downloads(name, f"{title}: published and ours", published),
    )


def figures_in(plan: Plan, experiment: str, title: str) -> Iterator[Figure]:
    """An experiment's figures, with their files as downloads; figures without numbers are left out."""
    for name in figure_kinds.figures_of(plan, experiment):
        kind, stem = figure_kinds.FIGURES[name], f"{experiment}-{name}"
        files = {suffix: plan.results / "figures" / f"{stem}.{suffix}" for suffix in figures.SUFFIXES}
        contents = {suffix: path.read_bytes() for suffix, path in files.items() if path.is_file()}
        if "svg" not in contents:
            yield Figure(f"{kind.title}: {title}", kind.caption, absent(files["svg"], plan.results), [])
        elif f'id="{figures.EMPTY}"'.encode() not in contents["svg"]:
            yield embedded(stem, f"{kind.title}: {title}", kind.caption, contents)


def embedded(stem: str, title: str, caption: str, contents: Mapping[str, bytes]) -> Figure:
    """A figure of the page.

    Args:
        stem: name of its files without suffix.
        title: its title.
        caption: its caption.
        contents: suffix -> content of the figure's file.
    """
    inline = inline_svg(contents["svg"].decode(), re.sub(r"[^\w-]", "-", stem), title)
    return Figure(title, caption, inline, [download(f"{stem}.{suffix}", each) for suffix, each in contents.items()])


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


def render(plan: Plan, records: Sequence[Record]) -> str:
    """The whole page. The same results give the same page, since it has no time of day, host name or path.

    Only the section `training-cost` differs between runs, since it holds time and memory of jobs.
    """
    config = plan.config
    models, facts = gather.model_facts(plan), gather.corpus_facts(plan)
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)
    losses = [(model.name, model.curve) for model in models if model.curve]
    records_file = plan.results / "records.jsonl"
    judged = verdicts.judge(plan, records)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    papers = {experiment.paper for experiment in config.experiments.values()}
    tested, timed = (
        [each for each in results if each.paper is None or each.paper in papers or each.verdict != "not run"]
        for results in map(claims.read_if_there, (plan.results / "claims.jsonl", plan.timed_claims))
    )
    others = {name: claims.read(path) for name, path in plan.worlds.items()}
    others_timed = {
        name: claims.read_if_there(path.parent / "timings" / path.name) for name, path in plan.worlds.items()
    }
    in_worlds, timed_in_worlds = worlds.rows(tested, others), worlds.rows(timed, others_timed)
    taken = timings.read(plan)
    costs = timings.costs(taken)
    return template("page.html.j2").render(
        script=Markup(script),
        script_digest=script_digest(script),
        styles=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        title=visible(config.title),
        overview=overview.summaries(plan, records, tested, others),
        sections=[section(plan, name, judged) for name in config.experiments],
        claims=evidence.claim_rows(tested),
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
        pretraining=embedded("pretraining", "Pre-training loss", "", figures.contents(curves.loss_curves(losses)))
        if losses
        else None,
        corpora=corpus_summary(facts),
        warnings=[f"{fact.corpus}, {fact.pair}: {fact.warning}" for fact in facts if fact.warning],
        splits=gather.SPLITS,
        seeds=sorted({seed for experiment in config.experiments.values() for seed in plan.seeds(experiment)}),
        systems=sum(len(experiment.systems) for experiment in config.experiments.values()),
        pairs=sorted({pair for experiment in config.experiments.values() for pair in experiment.test.pairs}),
        numbers=len(records),
        titles={name: visible(experiment.title) for name, experiment in config.experiments.items()},
        costs=costs,
        costs_header=timings.HEADER,
        costs_legend=timings.LEGEND,
        costs_downloads=[download(f"{timings.NAME}.{kind}", text) for kind, text in timings.files(taken).items()],
        compute=compute.steps(plan),
        compute_header=compute.HEADER,
        machine=compute.machine(),
        config="\n".join(map(visible, text.split("\n"))),
        versions=provenance.versions(),
        commit=provenance.commit(),
        records_hash=sha256(records_file) if records_file.is_file() else "",
        hashes=provenance.hashes(plan),
        shown=EXAMPLES_OPEN,
    )

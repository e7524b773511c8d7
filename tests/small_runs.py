"""Small runs that were never run, for tests of tables, figures and the page; and a check that a page is sound."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from dataclasses import replace

import pytest

from dragoman.config import Config
from dragoman.configfile import parse
from dragoman.plan import Plan
from dragoman.reporting import figure_kinds, figures, page, table_files, tables
from dragoman.results import records
from dragoman.results.records import Record
from dragoman.storage import building, write_json

HOSTILE = "<script>alert('x')</script> & \u202eevil \x00 $x_1$ | 100% ~^{}\\#"


METRICS = ("bleu", "chrf", "laal", "gflops")


def made(system="a", pair="en-de", seed=1, metric="bleu", value=20.0, **change):
    low, high = (None, None) if value is None else (value - 2, value + 2)
    record = Record("p", "e", system, pair, "", seed, metric, value, low, high, f"{metric}|v", 200)
    return replace(record, **change)


def layout(**change):
    start = {
        "experiment": "e",
        "systems": {"a": "Alpha", "b": "Beta"},
        "pairs": ("en-de", "en-fr"),
        "metrics": ("bleu",),
    }
    return tables.Layout(**(start | change))


def cell(frame, label, pair, metric="bleu"):
    return frame[(frame["label"] == label) & (frame["pair"] == pair) & (frame["metric"] == metric)].iloc[0]


def rendered(plan, found):
    """The page, after the files that it embeds were written as the rules `table` and `plot` do, the SVG alone."""
    for name in plan.config.experiments:
        table_files.save(plan, name, found, plan.results / "tables")
        for each in figure_kinds.figures_of(plan, name):
            path = plan.results / "figures" / f"{name}-{each}.svg"
            if not path.exists():
                kind = figure_kinds.FIGURES[each]
                path.parent.mkdir(exist_ok=True)
                path.write_text(figures.svg(kind.draw(plan, name, found) or figures.empty(kind.absent)))
    return page.render(plan, found)


@pytest.fixture
def first_run(tmp_path):
    """A run with hostile text in every place, of which only the first of two experiments is finished."""
    tuning = {"method": "sft", "training": {"steps": 2}}
    scratch = {
        "source": "scratch",
        "architecture": "llama",
        "text": {"corpus": "demo", "languages": ["en", "de"], "count": 9},
    }
    experiment = {
        "title": f"First {HOSTILE}",
        "model": "tiny",
        "prompt": "simulmask",
        "train": {"corpus": "demo", "pairs": ["en-de"]},
        "test": {"corpus": "demo", "pairs": ["en-de", "de-en"]},
        "tunings": {"sft": tuning},
        "metrics": ["bleu", "chrf"],
        "systems": {"copy": {"label": HOSTILE, "decoder": {"name": "copy"}}, "tuned": {"tuning": "sft"}},
        "assumptions": {"A1": f"taken {HOSTILE}"},
    }
    config = {
        "title": "A <title> & more",
        "corpora": {"demo": {"provider": "demo", "train": 10, "test": 40}},
        "models": {"tiny": scratch},
        "experiments": {"first": experiment, "second": experiment | {"title": "Nothing yet"}},
    }
    plan = Plan(parse(config))
    plan.results = tmp_path / "results"
    split = {"rows_in": 1000, "rows_kept": 900, "dropped": {"empty": 100, "long": 0}}
    facts = {"provider": "demo", "pair": "de-en", "splits": {"train": split}, "warning": "10 % were <dropped>"}
    with building(plan.text("demo", "de-en").folder, facts):
        pass
    with building(plan.model("tiny").folder, {"parameters": 1_234_567}) as folder:
        write_json(folder / "curve.json", [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])
    written = []
    for run in plan.decode_runs:
        if run.experiment == "second":
            continue
        path = run.hypotheses
        path.parent.mkdir(parents=True)
        with open(path, "w", encoding="utf-8") as file:
            for i in range(40):
                text = f"{HOSTILE} line {i}"
                row = {"id": i, "setting": "", "source": text, "reference": "line", "hypothesis": text}
                file.write(json.dumps(row) + "\n")
        written += [made(run.system, run.pair, metric=m, experiment="first") for m in ("bleu", "chrf")]
    records.write(plan.results / "records.jsonl", written)
    return plan


class Checker(html.parser.HTMLParser):
    """Every element that is opened is closed, in order; no id twice; nothing is fetched."""

    VOID = ("meta", "br", "link", "img", "input", "hr", "col")

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.tags, self.links = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("src", "href", "xlink:href", "action") if values.get(name)]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def only_script(text):
    """The page's one script, which is the one that its security policy names."""
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return script


@pytest.fixture
def swept(tmp_path):
    """Models for each k, one model for every k, a conversation, and an offline system: two pairs, two seeds."""
    training = {"steps": 2, "batch_size": 4}
    sweep = {"axis": "k", "key": "training.steps", "values": {"1": 5, "3": 7}}
    simultaneous = {"name": "simultaneous", "k": [1, 3]}
    experiment = {
        "title": "Sweep",
        "model": "tiny",
        "prompt": "simulmask",
        "seeds": [1, 2],
        "train": {"corpus": "demo", "pairs": ["en-de", "en-fr"]},
        "test": {"corpus": "demo", "pairs": ["en-de", "en-fr"]},
        "tunings": {
            "full": {"training": training},
            "mask": {"method": "simulmask", "training": training, "per_pair": True, "sweep": sweep},
            "turns": {"method": "converse", "training": training},
        },
        "metrics": list(METRICS),
        "systems": {
            "copy": {"decoder": {"name": "copy"}},
            "mask": {"tuning": "mask", "label": "SM", "decoder": simultaneous},
            "every": {"tuning": "full", "label": "every k", "decoder": simultaneous},
            "turns": {"tuning": "turns", "decoder": {"name": "conversation", "chunk": [3]}},
            "offline": {"tuning": "full"},
        },
    }
    scratch = {"source": "scratch", "architecture": "llama", "text": {"corpus": "demo", "languages": ["en", "de"]}}
    scratch["text"]["count"] = 9
    config = Config.model_validate(
        {
            "corpora": {"demo": {"provider": "demo", "train": 10, "test": 4}},
            "models": {"tiny": scratch},
            "experiments": {"sweep": experiment},
        }
    )
    plan = Plan(config)
    plan.results = tmp_path / "results"
    found = []
    for number, run in enumerate(plan.decode_runs):
        key, _, own = run.system.partition(",")
        settings = {"copy": [""], "offline": [""], "turns": ["n=3"]}.get(key) or ([own] if own else ["k=1", "k=3"])
        rows = []
        for setting in settings:
            place = {"experiment": "sweep", "setting": setting, "seed": run.seed}
            metrics = ("bleu", "chrf") if key == "copy" else METRICS
            found += [made(run.system, run.pair, metric=m, value=10.0 + number, **place) for m in metrics]
            for i in range(4):
                row = {"id": i, "setting": setting, "source": "a b", "reference": "c d", "hypothesis": f"{key} x"}
                rows.append(row if key == "copy" else row | {"delays": [1, 2], "gflops": run.seed + i / 10})
        path = run.hypotheses
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    records.write(plan.results / "records.jsonl", found)
    return plan


def measure(plan, seconds):
    """Write what every fine-tuning took: `seconds(run)`; None for one that was not measured."""
    for run in plan.tuning_runs:
        if (taken := seconds(run)) is not None:
            row = {"seconds": taken, "steps": 5, "tokens": 1000, "tokens_per_second": 1000 / taken, "examples": 10}
            row |= {"peak_memory_mb": 100.0 + run.seed, "device": "AVX2", "threads": 1}
            write_json(run.timing, row)

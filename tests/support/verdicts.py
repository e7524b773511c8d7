"""A plan like a paper's, to compare with published scores."""

from __future__ import annotations

from dataclasses import fields

import yaml

from dragoman.configfile import parse
from dragoman.plan import Plan
from dragoman.results import published


def plan(model=None, corpus=None, paper="simulmask", variant=None, **test):
    demo = {"provider": "demo", "train": 10, "test": 5}
    scratch = {
        "source": "scratch",
        "architecture": "falcon-alibi",
        "text": {"corpus": "demo", "languages": ["en", "nl"], "count": 10},
    }
    experiment = {
        "title": "t",
        "paper": paper,
        "model": "m",
        "prompt": "short",
        "test": {"corpus": "c", "pairs": ["en-nl"]} | test,
        "systems": {"sm-norec-mod": {"decoder": {"name": "simultaneous", "k": [1, 5]}, "variant": variant}},
        "metrics": ["bleu", "laal"],
    }
    whole = {"corpora": {"demo": demo, "c": corpus or demo}, "models": {"m": model or scratch}}
    return Plan(parse(whole | {"experiments": {"e": experiment}}))


FALCON = {"source": "hub", "id": "tiiuae/falcon-rw-1b", "revision": "main"}
IWSLT = {
    "provider": "hub",
    "dataset": "IWSLT/iwslt2017",
    "revision": "refs/convert/parquet",
    "files": {"test": "test/*.parquet"},
    "pairs": ["en-nl"],
}


def fourth(folder):
    """A paper that the library never heard of: a table of numbers, and lines of data."""
    rows = [
        ("newton", "v1", "Table 9", "new-1b", "reader", "score", "", "en-nl", "k=5", "tags", "70", "0", "table", "2"),
        ("newton", "v1", "Table 9", "new-1b", "reader", "score", "", "en-nl", "k=1", "tags", "60", "0", "table", "2"),
        ("newton", "v1", "Table 9", "new-1b", "reader", "score", "", "mean", "k=5", "tags", "70", "0", "table", "2"),
    ]
    header = [field.name for field in fields(published.Published)]
    lines = [header, *([*row, "its spread", "", "", "p. 9"] for row in rows)]
    (folder / "newton.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    data = {
        "papers": {"newton": {"title": "Newton", "tests": [{"table": "Table 9", "set": "apples"}]}},
        "models": {"new-1b": ["newton/new-1b"]},
        "test_sets": {"apples": {"title": "Apples 2030", "hub": ["newton/apples"]}},
        "metrics": {"tags": {"highest": 100, "times": 100, "signature": ["tags", ["of:token", "of:word"]]}},
    }
    (folder / "comparison.yaml").write_text(yaml.safe_dump(data))
    return folder

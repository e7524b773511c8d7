"""A configuration with claims to test, and made-up scores that a claim is tested on."""

from __future__ import annotations

import json

import numpy as np

from dragoman.claims import Claim, evaluate
from dragoman.configfile import parse
from dragoman.plan import Plan

SETTINGS = {"good": ["k=1", "k=3"], "bad": ["k=1", "k=3"], "offline": [""]}


def config(results, seeds=(1,), pairs=("en-fr", "en-de"), **systems):
    decoder = {"name": "simultaneous", "k": [1, 3]}
    known = {
        "good": {"tuning": "t", "decoder": decoder},
        "bad": {"tuning": "t", "decoder": decoder},
        "offline": {"decoder": {"name": "offline"}},
    }
    return {
        "results": results,
        "seeds": list(seeds),
        "corpora": {"demo": {"provider": "demo", "train": 10, "test": 5}},
        "models": {
            "m": {
                "source": "scratch",
                "architecture": "falcon-alibi",
                "text": {"corpus": "demo", "languages": ["en", "fr", "de"], "count": 10},
            }
        },
        "experiments": {
            "simulmask": {
                "title": "t",
                "paper": "simulmask",
                "model": "m",
                "prompt": "short",
                "train": {"corpus": "demo", "pairs": ["en-fr"]},
                "test": {"corpus": "demo", "pairs": list(pairs)},
                "tunings": {"t": {"method": "sft", "training": {"steps": 1}}},
                "systems": known | systems,
                "metrics": ["bleu", "laal", "gflops"],
            }
        },
    }


class World:
    """A results folder written by hand: three systems, as good and as quick as a test wants them."""

    def __init__(self, folder, sentences=80, **change):
        self.plan = Plan(parse(config("results", **change)))
        self.plan.results = folder
        random = np.random.default_rng(0)
        words = ["un", "chat", "noir", "dort", "dans", "la", "grande", "maison", "rouge", "ici"]
        self.references = [" ".join(random.choice(words, 8)) for _ in range(sentences)]
        self.random = random

    def rows(self, setting, wrong, lag=1.0, gflops=1.0, keep=None):
        """`wrong`: share of the words that are replaced."""
        rows = []
        for number, reference in enumerate(self.references):
            if keep is not None and number not in keep:
                continue
            words = [word if self.random.random() > wrong else "faux" for word in reference.split()]
            rows.append(
                {
                    "id": number,
                    "setting": setting,
                    "source": "a b c d e f g h",
                    "reference": reference,
                    "hypothesis": " ".join(words),
                    "delays": [min(8, place + lag) for place in range(8)],
                    "gflops": gflops * (1 + 0.1 * self.random.random()),
                }
            )
        return rows

    def write(self, system, wrong, seed=1, pairs=("en-fr", "en-de"), settings=None, **change):
        for pair in pairs:
            rows = []
            for place, setting in enumerate(settings or SETTINGS[system]):
                rows += self.rows(setting, wrong, lag=1 + 2 * place, **change)
            run = self.plan.decode_run("simulmask", system, pair, seed)
            path = run.hypotheses
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def ask(self, found=(), **keys):
        return evaluate([claim(**keys)], self.plan, found)[0]


def claim(**keys):
    start = {
        "id": "c",
        "paper": "simulmask",
        "statement": "s",
        "source": "f",
        "experiment": "simulmask",
        "metric": "bleu",
        "system": "good",
        "relation": "above",
        "against": "bad",
        "settings": ["k=1", "k=3"],
    }
    return Claim.model_validate(start | keys)

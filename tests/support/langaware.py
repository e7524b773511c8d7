"""A small configuration with language-aware tuning, and changes of it."""

from __future__ import annotations

from pathlib import Path

from dragoman.configfile import load_config
from dragoman.plan import Plan

CONFIG = """\
corpora:
  demo: {provider: demo, train: 10, validation: 4, test: 5}
  news: {provider: sacrebleu, pairs: [en-de, fr-de], test: [wmt22]}
models:
  tiny:
    source: scratch
    architecture: llama
    text: {corpus: demo, languages: [en, fr], count: 10}
experiments:
  first:
    title: First
    paper: langaware
    model: tiny
    prompt: short
    train: {corpus: demo, pairs: [en-fr, fr-en, en-de, de-en]}
    test: {corpus: demo, pairs: [en-fr, fr-de]}
    tunings:
      mt: {method: sft, training: {steps: 2}}
      ours: {method: language-aware, start: mt, training: {steps: 2}}
    systems:
      copy: {decoder: {name: copy}, shots: {lines: [2]}}
      ptl: {tuning: mt, prompt_by_target: {de: alpaca-in-de}}
      ours: {tuning: ours}
      again: {tuning: ours, decoder: {name: contrastive}}
    metrics: [bleu, offtarget]
"""


def loaded(folder: Path, *changes: tuple[str, str]) -> Plan:
    """The plan of CONFIG with some text replaced."""
    text = CONFIG
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "c.yaml").write_text(text, encoding="utf-8")
    return Plan(load_config(folder / "c.yaml"))

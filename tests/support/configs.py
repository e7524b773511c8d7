"""A configuration that is right, for tests that make it wrong."""

from __future__ import annotations

GOOD = """\
corpora:
  demo: {provider: demo, train: 10, test: 5}
models:
  tiny:
    source: scratch
    architecture: llama
    text: {corpus: demo, languages: [en, fr], count: 10}
    pretraining: {steps: 2}
experiments:
  first:
    title: First
    model: tiny
    prompt: simulmask
    train: {corpus: demo, pairs: [en-fr]}
    test: {corpus: demo, pairs: [en-fr]}
    tunings:
      sft: {method: sft, training: {steps: 2}}
    systems:
      tuned: {tuning: sft}
"""

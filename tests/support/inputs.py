"""Configurations and records that tables of bad inputs break."""

from __future__ import annotations

WORLD = """
results: results
corpora:
  demo: {provider: demo, train: 40, test: 4}
  none: {provider: files, pairs: {en-fr: {train: {path: none.tsv}, test: {path: none.tsv}}}}
  hub: {provider: hub, dataset: IWSLT/iwslt2017, revision: refs/convert/parquet, pairs: [de-en],
        configs: {de-en: iwslt2017-de-en}, files: {test: "{config}/test/*.parquet"}}
models:
  scratch:
    source: scratch
    architecture: llama
    text: {corpus: demo, languages: [en, fr], count: 40}
    vocabulary: 300
    layers: 1
    width: 16
    heads: 2
    pretraining: {steps: 1, batch_size: 8}
  local: {source: local, path: model}
  hub: {source: hub, id: tiny/llama, revision: main}
experiments:
  first: &first
    title: First
    model: local
    prompt: short
    train: {corpus: demo, pairs: [en-fr]}
    test: {corpus: demo, pairs: [en-fr]}
    tunings:
      sft: {method: sft, training: {steps: 1, batch_size: 4}}
      short: {method: sft, training: {steps: 1, batch_size: 4, max_length: 1}}
      none: {method: sft, pairs: [en-fr], training: {steps: 1}}
    systems:
      copy: {decoder: {name: copy}}
      foundation: {decoder: {name: offline, max_new_tokens: 4}}
      tuned: {tuning: sft, decoder: {name: offline, max_new_tokens: 4}}
      short: {tuning: short, decoder: {name: offline, max_new_tokens: 4}}
      none: {tuning: none, decoder: {name: offline, max_new_tokens: 4}}
    divergence: {twin: sft}
  empty:
    title: Nothing to learn from
    model: local
    prompt: short
    train: {corpus: none, pairs: [en-fr]}
    test: {corpus: none, pairs: [en-fr]}
    tunings: {sft: {method: sft, training: {steps: 1, batch_size: 4}}}
    systems: {tuned: {tuning: sft, decoder: {name: offline}}}
"""
NONE = "en\tfr\n"
RECORD = {
    "paper": "p",
    "experiment": "first",
    "system": "copy",
    "pair": "en-fr",
    "setting": "",
    "seed": 1,
    "metric": "bleu",
    "value": 1.0,
    "low": None,
    "high": None,
    "signature": "s",
    "n": 4,
    "made_from": {},
    "note": "",
}

"""BLEURT: a network trained to predict human judgements of translation quality from hypothesis and reference.

Sellam et al. 2020, "BLEURT: Learning Robust Metrics for Text Generation". BLEURT-20 is by Pu et al. 2021, "Learning
Compact Metrics for MT"; its values mostly lie between 0 and 1. The weights are Google's, converted to PyTorch by
Luca Di Liello. The metric needs `make env-neural`.

A model is a name on the hub, or a folder with `config.json`, a vocabulary and weights.
"""

from __future__ import annotations

from dragoman.metrics.neural import Network

BLEURT = Network("bleurt", "BLEURT", "lucadiliello/BLEURT-20", frozenset({"references"}))

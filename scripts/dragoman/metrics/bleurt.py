"""BLEURT: a network trained to give the quality that people see in a translation, from hypothesis and reference.

Sellam et al. 2020, "BLEURT: Learning Robust Metrics for Text Generation"; BLEURT-20 is of Pu et al. 2021, "Learning
Compact Metrics for MT", and its values mostly lie between 0 and 1. The weights are Google's, converted to PyTorch by
Luca Di Liello. It needs `make env-neural`.

A model is a name on the hub, or a folder with `config.json`, a vocabulary and weights.
"""

from __future__ import annotations

from dragoman.metrics.neural import Network

BLEURT = Network("bleurt", "BLEURT", "lucadiliello/BLEURT-20", frozenset({"references"}))

"""COMET: a network trained to predict human judgements of translation quality from source, hypothesis and reference.

Rei et al. 2020, "COMET: A Neural Framework for MT Evaluation". The default model is by Rei et al. 2022, "COMET-22:
Unbabel-IST 2022 Submission for the Metrics Shared Task". Values mostly lie between 0 and 1; values of different models
cannot be compared. Some models use no references, such as `Unbabel/wmt22-cometkiwi-da`.

The metric needs `make env-neural`. Zouhar et al. 2024, "Pitfalls and Outlooks in Using COMET", describe its errors:
scores of empty hypotheses and of hypotheses in a wrong language are too high.

A model is a name on the hub, a folder with `hparams.yaml` and `checkpoints/model.ckpt`, or such a checkpoint.
"""

from __future__ import annotations

from dragoman.metrics.neural import Network

COMET = Network("comet", "COMET", "Unbabel/wmt22-comet-da", frozenset({"sources"}))

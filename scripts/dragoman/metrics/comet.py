"""COMET: a network trained to give the quality that people see in a translation, from source, hypothesis and reference.

Rei et al. 2020, "COMET: A Neural Framework for MT Evaluation"; the default model is of Rei et al. 2022, "COMET-22:
Unbabel-IST 2022 Submission for the Metrics Shared Task". Values mostly lie between 0 and 1; those of two models cannot
be compared. Whether references are read is the model's affair: `Unbabel/wmt22-cometkiwi-da` reads none.

It needs `make env-neural`. Zouhar et al. 2024, "Pitfalls and Outlooks in Using COMET", on what it gets wrong: empty
hypotheses and those in the wrong language score too high.

A model is a name on the hub, a folder with `hparams.yaml` and `checkpoints/model.ckpt`, or such a checkpoint.
"""

from __future__ import annotations

from dragoman.metrics.neural import Network

COMET = Network("comet", "COMET", "Unbabel/wmt22-comet-da", frozenset({"sources"}))

"""Sentences and a bootstrap for tests of significance."""

from __future__ import annotations

import numpy as np

from dragoman.metrics import significance

WORDS = ["a", "bee", "Sea", "D", "eels", "."]


def texts(seed=7, sentences=60):
    random = np.random.default_rng(seed)
    references = [" ".join(random.choice(WORDS, 9)) for _ in range(sentences)]
    good = [" ".join(random.permutation(line.split())) if i % 4 == 0 else line for i, line in enumerate(references)]
    bad = [" ".join(random.permutation(line.split())) if i % 3 == 0 else line for i, line in enumerate(references)]
    return good, bad, references


def bootstrap_p(system, against):
    """As sacrebleu, that is Moses: how far the size of the difference strays from its own mean."""
    sizes = np.abs(significance.resampled(system[0]) - significance.resampled(against[0]))
    observed = abs(system[0].value - against[0].value)
    return (int(np.sum(sizes - sizes.mean() > observed)) + 1) / (len(sizes) + 1)

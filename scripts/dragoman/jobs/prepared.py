"""Imports and digests that nearly every job needs. The worker makes them once, by importing this module.

Configurations are checked with the options of every method and metric, so all that is registered is imported. The
fingerprint of a job's code needs a digest of every file and the versions of the libraries, which are kept.
"""

from __future__ import annotations

from dragoman.imports import SCRIPTS, content, versions
from dragoman.registry import REGISTRY, module_of

for kind, names in REGISTRY.items():
    for name in names:
        module_of(kind, name)
for path in SCRIPTS.rglob("*.py"):
    content(path)
versions()

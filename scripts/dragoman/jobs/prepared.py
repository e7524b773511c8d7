"""Imports and digests that nearly every job needs. The worker imports this module once, and so all jobs share them.

All registered modules are imported, since a configuration is checked with the options of every method and metric. The
digest of every file and the versions of the libraries are computed, since the fingerprint of a job's code needs them.
"""

from __future__ import annotations

from dragoman import syntax
from dragoman.imports import content, versions
from dragoman.registry import REGISTRY, module_of

for kind, names in REGISTRY.items():
    for name in names:
        module_of(kind, name)
for path in syntax.SCRIPTS.rglob("*.py"):
    content(path)
syntax.keep()
versions()

"""What nearly every job needs, made once when this module is imported: for the process that jobs are copies of.

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

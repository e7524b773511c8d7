# dragoman: reproduce papers on translating with large language models, and try the next method beside them.
#
#   snakemake --cores all                                     the embedded demonstration (config/config.yaml)
#   snakemake --cores all --configfile config/smoke.yaml      every rule in about a minute
#   snakemake --cores all results/report/index.html           one result and all it needs
#
# Corpora -> training -> decoding -> metrics -> tables -> report: one rule file per step, in that order.

import shlex
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")
SCRIPTS = str(Path(workflow.basedir) / "scripts")
sys.path.insert(0, SCRIPTS)

from dragoman.configfile import ConfigError, parse as parsed
from dragoman.imports import code
from dragoman.plan import Plan
from dragoman.storage import digest

if not config:

    configfile: Path(workflow.basedir) / "config" / "config.yaml"


try:
    PLAN = Plan(parsed(config, workflow.configfiles))
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = PLAN.results.as_posix()
THREADS = PLAN.config.threads

# Jobs call our scripts by name, and find the configuration, as merged, in a file that is named after its content.
shell.prefix(f"export DRAGOMAN_CONFIG={shlex.quote(str(PLAN.save()))} PATH={shlex.quote(SCRIPTS)}:$PATH; ")


wildcard_constraints:
    corpus=r"[^/]+",
    pair=r"[a-z]{2}-[a-z]{2}",
    model=r"[^/]+",
    experiment=r"[^/]+",
    tuning=r"[^/]+",
    system=r"[^/]+",
    scope=r"all|[a-z]{2}-[a-z]{2}",
    seed=r"-?\d+",


rule all:
    default_target: True
    input:
        f"{RESULTS}/report/index.html",


onsuccess:
    print(f"The report: {RESULTS}/report/index.html")


include: "workflow/rules/corpora.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/decoding.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/report.smk"

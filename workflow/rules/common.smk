# Shared by all rules: the checked configuration, its plan of runs, and functions that read the plan.

import re
import shlex
import sys
from pathlib import Path

# The path of this file: if the workflow is used as a module, workflow.basedir is the folder of the other Snakefile.
REPOSITORY = Path(str(workflow.current_basedir)).parents[1]
SCRIPTS = str(REPOSITORY / "scripts")
sys.path.insert(0, SCRIPTS)

from dragoman.jobs import running, worker
from dragoman.configfile import ConfigError, parse as parsed
from dragoman.imports import code, fingerprint
from dragoman.metrics import neural
from dragoman.plan import Plan, resources as table
from dragoman.storage import digest

try:
    PLAN = Plan(parsed(config, workflow.configfiles))
    RESOURCES = table.load()
except ConfigError as error:
    sys.exit(str(error))

# A workflow that uses this one as a module keeps its own settings.
if Path(workflow.basedir) == REPOSITORY:
    running.guard(workflow, PLAN.results)

RESULTS = PLAN.results.as_posix()
THREADS = PLAN.config.threads

# Jobs call our scripts by name, with the Python that runs Snakemake, unless conda provides one. The merged
# configuration is in a file that is named after the hash of its content. While a job runs, it holds a lock in RESULTS
# (dragoman/jobs/running.py). A prefix replaces Snakemake's strict mode. PYTHONDONTWRITEBYTECODE is cleared, since every job
# would otherwise compile torch again, which takes longer than many jobs.
CONDA = any(method.name == "CONDA" for method in workflow.deployment_settings.deployment_method)
PREFIX = (
    f"set -euo pipefail; export PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS={THREADS} "
    f"DRAGOMAN_CONFIG={shlex.quote(str(PLAN.save()))} DRAGOMAN_RESULTS={shlex.quote(RESULTS)} "
    f"PATH={shlex.quote(':'.join([SCRIPTS] if CONDA else [SCRIPTS, str(Path(sys.executable).parent)]))}:$PATH; "
)
shell.prefix(PREFIX)


# On one machine, jobs are forked from a process that has already imported the common modules.
onstart:
    if workflow.local_exec and not CONDA and worker.suits(len(list(workflow.dag.needrun_jobs()))):
        shell.prefix(PREFIX + worker.start(Path(RESULTS) / "logs" / "worker.log", THREADS) + " ")


wildcard_constraints:
    corpus=r"[^/]+",
    pair=r"[a-z]{2}-[a-z]{2}",
    model=r"[^/]+",
    experiment=r"[^/]+",
    tuning=r"[^/]+",
    system=r"[^/]+",
    scope=r"all|[a-z]{2}-[a-z]{2}",
    seed=r"-?\d+",


def raw_text(w):
    """Input files of a corpus: downloaded files, or the user's own."""
    if PLAN.needs_download(w.corpus):
        return [rules.download.output.manifest.format(**w)]
    return PLAN.raw_files(w.corpus, w.pair)


def models_from(*sources):
    """A pattern that matches the models with these sources; it matches nothing if there are none."""
    names = [name for name, model in PLAN.config.models.items() if model.source in sources]
    return "|".join(map(re.escape, names)) or "(?!)"


def asked(need):
    """The resources of a rule, from a function of the wildcards; memory and time grow with each attempt."""
    return {
        "gpu": lambda w: need(w).gpu,
        "cpus_per_task": lambda w, threads: max(threads, need(w).cpus_per_task),
        "mem_mb": lambda w, attempt: RESOURCES.grown(need(w).mem_mb, attempt),
        "runtime": lambda w, attempt: RESOURCES.grown(need(w).runtime, attempt),
    }


def light(rule):
    """The resources of a rule without a model."""
    return asked(lambda w: RESOURCES.without_model(rule))


def with_model(name, training=None):
    """The resources of a job with a foundation model or a tuned model; for trainings, per device."""
    need = RESOURCES.with_model(table.parameters(PLAN.model(name)), train=training is not None)
    return need.times(training.devices, RESOURCES.nodes(training.devices)) if training else need


def asked_to_train(trained):
    """The resources of a training; `trained` returns its model and its `training`, given the wildcards.

    On several nodes the job starts its own processes on each (dragoman/training/launch.py), which SLURM's executor calls MPI.
    """
    need = lambda w: with_model(*trained(w))
    several = lambda w: need(w).nodes if need(w).nodes > 1 else None  # Snakemake ignores resources that are None
    return asked(need) | {
        "nodes": several,
        "tasks": several,
        "tasks_per_gpu": lambda w: several(w) and 0,  # the default would be the number of tasks
        "mpi": lambda w: several(w) and "srun",
    }


def is_neural(w):
    """Whether an experiment has a neural metric."""
    return any(name in neural.METRICS for _, name in PLAN.metrics_of(w.experiment))


def tuning_run(w):
    """The fine-tuning that a job's wildcards name."""
    return PLAN.tuning_run(w.experiment, w.tuning, w.scope, w.seed)


def divergence_run(w):
    """The comparison with a twin that a job's wildcards name."""
    return PLAN.divergence_run(w.experiment, w.pair, w.seed)


def answer_run(w):
    """The answers to instructions that a job's wildcards name."""
    return PLAN.answer_run(w.experiment, w.system, w.seed)


def decode_run(w):
    """The decoding that a job's wildcards name."""
    return PLAN.decode_run(w.experiment, w.system, w.pair, w.seed)

# Shared by all rules: the checked configuration, its plan of runs, and functions that read the plan.

import re
import shlex
import sys
from operator import attrgetter
from pathlib import Path

# The path of this file: if the workflow is used as a module, workflow.basedir is the folder of the other Snakefile.
REPOSITORY = Path(str(workflow.current_basedir)).parents[1]
SCRIPTS = str(REPOSITORY / "scripts")
sys.path.insert(0, SCRIPTS)

from dragoman.jobs import running, worker
from dragoman.configfile import ConfigError, parse as parsed, with_given
from dragoman.imports import code, fingerprint
from dragoman.metrics import neural
from dragoman.plan import Plan, resources as table

try:
    given = with_given(config, workflow.config_settings.overwrite_config)
    PLAN = Plan(parsed(given, workflow.configfiles))
    RESOURCES = table.load()
except ConfigError as error:
    sys.exit(str(error))

# The merged configuration, in a file that is named after the hash of its content.
MERGED = PLAN.save().as_posix()

# A workflow that uses this one as a module keeps its own settings.
if Path(workflow.basedir) == REPOSITORY:
    running.guard(workflow, PLAN.results)

RESULTS = PLAN.results.as_posix()
THREADS = PLAN.config.threads

# Jobs call our scripts by name, with the Python that runs Snakemake, unless conda provides one. While a job runs, it
# holds a lock in RESULTS (dragoman/jobs/running.py). A prefix replaces Snakemake's strict mode. PYTHONDONTWRITEBYTECODE is cleared, since every job
# would otherwise compile torch again, which takes longer than many jobs.
CONDA = any(method.name == "CONDA" for method in workflow.deployment_settings.deployment_method)
PREFIX = (
    f"set -euo pipefail; export PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS={THREADS} "
    f"DRAGOMAN_CONFIG={shlex.quote(MERGED)} DRAGOMAN_RESULTS={shlex.quote(RESULTS)} "
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


def lookup(find, *names):
    """A function that makes input functions and params from names of attributes.

    With `tuning = lookup(PLAN.tuning_run, "experiment", ...)`, `tuning("start.manifest")` is a function of a job's wildcards.
    It finds the run by the wildcards with these names, and returns the run's `start.manifest`.
    """
    return lambda attribute: lambda w: attrgetter(attribute)(find(*(w[name] for name in names)))


text = lookup(PLAN.text, "corpus", "pair")
model = lookup(PLAN.model, "model")
tuning = lookup(PLAN.tuning_run, "experiment", "tuning", "scope", "seed")
decoding = lookup(PLAN.decode_run, "experiment", "system", "pair", "seed")
answering = lookup(PLAN.answer_run, "experiment", "system", "seed")
comparing = lookup(PLAN.divergence_run, "experiment", "pair", "seed")
experiment = lookup(PLAN.experiment, "experiment")


def of_experiment(find):
    """A function of an experiment's name as a function of a job's wildcards."""
    return lambda w: find(w.experiment)


def code_with_metrics(script):
    """The fingerprint of a script and of the metrics of an experiment."""
    return lambda w: code(script, *PLAN.metrics_of(w.experiment))


def runs_of(runs, attribute):
    """An attribute of each run of an experiment."""
    return lambda w: [getattr(run, attribute) for run in runs if run.experiment == w.experiment]


def raw_files(w):
    """The files that a text is made from: downloaded files, or the user's own."""
    if text("config.needs_network")(w):
        return [rules.download.output.manifest.format(**w)]
    return text("own_files")(w)


def models_from(*sources):
    """A pattern that matches the models with these sources; it matches nothing if there are none."""
    names = [name for name, spec in PLAN.config.models.items() if spec.source in sources]
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


def with_model(run, when="foundation"):
    """The resources of a job that decodes with a foundation model, or with a model tuned from it.

    With `when`, they are only requested for a run whose attribute of that name is true.
    """
    size = lambda w: table.parameters(run("foundation.config")(w))
    return asked(
        lambda w: RESOURCES.with_model(size(w), train=False) if run(when)(w) else RESOURCES.without_model("decode")
    )


def to_train(config, training=None):
    """The resources of a training: for each device, what a training of this model needs.

    On several nodes the job starts its own processes on each (dragoman/training/launch.py), which SLURM's executor calls MPI.
    """

    def need(w):
        spec = training and training(w)  # a model with random weights has no training
        devices = spec.devices if spec else 1
        one = RESOURCES.with_model(table.parameters(config(w)), train=True)
        return one.times(devices, RESOURCES.nodes(devices))

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

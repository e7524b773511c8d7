"""The plan of a configuration: all runs, their output folders, and the effective parameters that their results depend
on.

Both rules and scripts use the plan, so a run has the same name and parameters whether Snakemake or a person starts it.
It imports no torch, uses no network and reads no results, since Snakemake parses it in every cluster job.

A `Plan` has four parts, one file each: the runs (`runs.py`), their output folders (`folders.py`), their inputs
(`inputs.py`), and, in this file, the parameters that their results depend on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dragoman.command import REPOSITORY, located
from dragoman.config import Experiment, InstructionsCorpus, Prompt, System, Tuning
from dragoman.imports import fingerprint
from dragoman.instructions import PROMPT
from dragoman.languages import NAMES, TABLE, reverse, split_pair
from dragoman.metrics import columns_of, requisites
from dragoman.metrics import parse as parse_metric
from dragoman.plan.inputs import Inputs
from dragoman.plan.runs import DecodeRun, DivergenceRun, TuningRun
from dragoman.results import comparable
from dragoman.storage import digest, replacing

__all__ = ["DecodeRun", "DivergenceRun", "Plan", "TuningRun"]


class Plan(Inputs):
    """Names, folders, inputs and effective parameters of all runs of a configuration."""

    @property
    def metrics_used(self) -> list[str]:
        """Every metric that some experiment uses, without its options."""
        return sorted({name for experiment in self.config.experiments for _, name in self.metrics_of(experiment)})

    def corpus_spec(self, corpus: str, pair: str) -> dict[str, Any]:
        """Everything that the checked text of one pair depends on, except the files of `raw_files`."""
        facts = self.config.corpora[corpus].model_dump(mode="json", exclude={"sizes", "page"})
        if facts["provider"] == "files":
            pairs = facts.pop("pairs")
            facts["files"] = pairs.get(pair) or pairs[reverse(pair)]
            sets = [facts["files"][split] or {} for split in ("train", "validation", "test")]
            named = sorted({path for each in sets for path in each.values() if path})
            if own := [resolved for path in named if (resolved := located(path)) != Path(path)]:
                facts["examples"] = fingerprint(own)
        if facts["provider"] == "instructions" and facts["path"]:
            facts["path"] = [Path(facts["path"]).name, fingerprint([located(facts["path"])])]
        if facts["provider"] == "demo":
            facts["lexicon"] = fingerprint(sorted((REPOSITORY / "config" / "lexicon").glob("*.tsv")))
        facts.pop("pairs", None)
        if name := facts.pop("stands_for", None):
            known = comparable.load().test_sets[name]
            facts["published"] = [name, known.lines.get(pair), known.sha256.get(pair)]
        return {"corpus": facts, "pair": pair, "languages": facts_of_languages(pair)}

    def model_spec(self, model: str) -> dict[str, Any]:
        """Everything that a foundation model depends on, except its training text."""
        facts = self.config.models[model].model_dump(mode="json", exclude={"parameters", "download"})
        pages = {"languages": facts_of_languages(facts["text"])} if "text" in facts else {}
        return {"model": facts, "threads": self.config.threads} | pages

    def prompt_of(
        self, experiment: Experiment, tuning: Tuning | None, system: System | None = None, pair: str = ""
    ) -> Prompt:
        """The first of these prompts that is set: the system's for the target language, the system's, the tuning's, the
        experiment's."""
        return self.prompts[self._prompt_name(experiment, tuning, system, pair)]

    @staticmethod
    def _prompt_name(
        experiment: Experiment, tuning: Tuning | None, system: System | None = None, pair: str = ""
    ) -> str:
        by_target = system.prompt_by_target.get(pair.rpartition("-")[2]) if system else None
        return by_target or (system and system.prompt) or (tuning and tuning.prompt) or experiment.prompt

    def prompts_with(self, model: str) -> dict[str, Prompt]:
        """Name -> prompt, for every prompt that is used with a foundation model or a model tuned from it."""
        names, instructed = dict[str, None](), dict[str, Prompt]()
        for experiment in self.config.experiments.values():
            if experiment.model != model:
                continue
            names |= {self._prompt_name(experiment, tuning): None for tuning in experiment.tunings.values()}
            for system in experiment.systems.values():
                if system.decoder.USES_MODEL:
                    tuning = experiment.tunings[system.tuning] if system.tuning else None
                    for pair in experiment.test.pairs:
                        names[self._prompt_name(experiment, tuning, system, pair)] = None
            if experiment.instructions or any(tuning.mix for tuning in experiment.tunings.values()):
                instructed["Alpaca's instructions"] = PROMPT
        return {name: self.prompts[name] for name in sorted(names)} | instructed

    def tuning_spec(self, run: TuningRun) -> dict[str, Any]:
        """Everything that a fine-tuned model depends on, except its foundation model and its text."""
        experiment = self.experiment(run.experiment)
        tuning = experiment.tunings[run.tuning]
        assert experiment.train is not None
        return {
            "method": tuning.method,
            "start": tuning.start,
            "options": tuning.options,
            "training": tuning.training.model_dump(mode="json"),
            "prompt": self.prompt_of(experiment, tuning).model_dump(mode="json"),
            "languages": facts_of_languages([self.train_pairs(run), tuning.options]),
            "units": [*experiment.asked],
            "pairs": self.train_pairs(run),
            "limit": self.train_limit(run),
            "mix": tuning.mix and tuning.mix.model_dump(mode="json"),
            "seed": run.seed,
            "threads": self.config.threads,
        }

    def decode_spec(self, run: DecodeRun) -> dict[str, Any]:
        """Everything that hypotheses depend on, except the model and the test set."""
        experiment, system = self.experiment(run.experiment), self.system(run)
        tuning = experiment.tunings[system.tuning] if system.tuning else None
        decoder = self.decoder(run).model_dump(mode="json")
        return {
            "decoder": decoder,
            "prompt": self.prompt_of(experiment, tuning, system, run.pair).model_dump(mode="json"),
            "languages": facts_of_languages([run.pair, decoder]),
            "units": [*experiment.asked],
            "shots": system.shots and [system.shots.lines, system.shots.split],
            "pair": run.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.config.threads,
        }

    def answer_spec(self, run: DecodeRun) -> dict[str, Any]:
        """Everything that answers to instructions depend on, except the model and the instructions."""
        spec = self.instructed(run)
        return {
            "decoder": self.answer_decoder(run).model_dump(mode="json"),
            "instructions": fingerprint([located(spec.path)]),
            "limit": spec.limit,
            "threads": self.config.threads,
        }

    def divergence_spec(self, run: DivergenceRun) -> dict[str, Any]:
        """Everything that a comparison with a twin depends on, except the models and the test set."""
        experiment = self.experiment(run.experiment)
        assert experiment.divergence is not None
        twin = experiment.tunings[experiment.divergence.twin]
        return {
            "divergence": experiment.divergence.model_dump(mode="json"),
            "decoder": self.divergence_decoder(run).model_dump(mode="json"),
            "prompt": self.prompt_of(experiment, twin).model_dump(mode="json"),
            "languages": facts_of_languages(run.pair),
            "pair": run.pair,
            "split": experiment.test.split,
            "limit": experiment.test.limit,
            "threads": self.config.threads,
        }

    def metrics_of(self, experiment: str) -> list[tuple[str, str]]:
        """Registry entries of an experiment's metrics, without options."""
        return [("metric", parse_metric(spec)[0]) for spec in self.experiment(experiment).metrics]

    def requisites(self, experiment: str) -> list[Callable[[], str]]:
        """Functions that download or load the files and models that an experiment's metrics need."""
        spec = self.experiment(experiment)
        return [find for metric in spec.metrics for find in requisites(metric, spec.test.pairs)]

    def metric_options(self, experiment: str) -> dict[str, dict[str, Any]]:
        """What metrics are computed with unless their own options say otherwise, by metric.

        An off-target line is in one of the experiment's languages, or in English: the fewer there are to choose from,
        the fewer mistakes. Latency is counted in the units that were read and written.
        """
        spec = self.experiment(experiment)
        pairs = [*spec.test.pairs, *(spec.train.pairs if spec.train else [])]
        defaults = {
            "offtarget": {"languages": "+".join(sorted({"en", *(c for pair in pairs for c in split_pair(pair))}))}
        }
        if set(spec.asked) != {"auto"}:
            source, target = ("char" if unit == "character" else unit for unit in spec.asked)
            timed = [name for _, name in self.metrics_of(experiment) if "delays" in columns_of(name)]
            defaults |= {name: {"unit": target, "source_unit": source} for name in timed}
        return defaults

    def table_spec(self, name: str) -> list[Any]:
        """Everything that an experiment's tables and figures depend on, except its records."""
        experiment = self.experiment(name)
        runs = [vars(run) for run in self.decode_runs if run.experiment == name]
        labels = {key: [system.label, system.variant] for key, system in experiment.systems.items()}
        return [experiment.title, labels, experiment.assumptions, runs]

    def needs_download(self, corpus: str) -> bool:
        """Whether a corpus is downloaded."""
        spec = self.config.corpora[corpus]
        return spec.provider in ("hub", "sacrebleu", "archive", "ud") or (
            isinstance(spec, InstructionsCorpus) and not spec.path
        )

    @property
    def digest(self) -> str:
        """A digest of the whole configuration."""
        return digest(self._content)

    @cached_property
    def _content(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude_unset=True)

    def save(self) -> Path:
        """Write the configuration, for the scripts to read, to a file named after the digest of its content.

        The file is never overwritten, so a dry run of another configuration cannot change the file of a running job.
        """
        path = self.results / ".config" / f"{self.digest}.yaml"
        if not path.exists():
            with replacing(path) as file:
                # no JSON, whose 2e-05 would be read as text
                yaml.safe_dump(self._content, file, allow_unicode=True, sort_keys=False)
        return path


def facts_of_languages(spec: Any) -> dict[str, list[str]]:
    """English name, which prompts use, and script, which units follow, of every language that a spec holds, alone or in
    a pair; and of English.

    A word of a spec that is by chance a code, such as "no", is counted too.
    """
    if isinstance(spec, str):
        return {code: [NAMES[code], TABLE[code].script] for code in (*spec.split("-"), "en") if code in NAMES}
    parts = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ()
    facts = facts_of_languages("en")
    for part in parts:
        facts |= facts_of_languages(part)
    return facts

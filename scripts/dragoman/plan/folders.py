"""The output folders and files of every run of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dragoman.config import PivotCorpus
from dragoman.plan.runs import DecodeRun, DivergenceRun, Runs, TuningRun
from dragoman.storage import digest


class Folders(Runs):
    """Output folders and files of all runs of a configuration."""

    def corpus_folder(self, corpus: str, pair: str) -> Path:
        """Checked parallel text of one pair."""
        return self.results / "corpora" / corpus / pair

    def download_folder(self, corpus: str, pair: str) -> Path:
        """Downloaded files of one pair; for a pivot corpus, the checked text of the corpus that it is made from."""
        if isinstance(spec := self.config.corpora.get(corpus), PivotCorpus):
            return self.results / "corpora" / spec.corpus
        return self.results / "downloads" / "corpora" / corpus / pair

    def weights_folder(self, model: str) -> Path:
        """Downloaded files of a foundation model that are not a checkpoint yet (GGUF)."""
        return self.results / "downloads" / "models" / model

    def model_folder(self, model: str) -> Path:
        """A foundation model, with tokenizer."""
        return self.results / "models" / model

    def tuning_folder(self, run: TuningRun) -> Path:
        """A fine-tuned model."""
        return self.results / "tunings" / run.experiment / run.tuning / run.scope / f"seed-{run.seed}"

    def decode_folder(self, run: DecodeRun) -> Path:
        """Hypotheses of a system."""
        return self.results / "decodes" / run.experiment / run.system / run.pair / f"seed-{run.seed}"

    def shard_files(self, run: DecodeRun) -> list[Path]:
        """Files of the shards of a decoding, in order; empty if it is decoded as a whole."""
        shards = self.system(run).shards or self.config.shards
        if shards == 1 or self.model_behind(run) is None:
            return []
        return [self.decode_folder(run) / f"shard-{number}-of-{shards}.jsonl" for number in range(1, shards + 1)]

    def score_file(self, run: DecodeRun) -> Path:
        """Records of a system."""
        return self.results / "scores" / run.experiment / run.system / run.pair / f"seed-{run.seed}.jsonl"

    @property
    def score_cache(self) -> Path:
        """Cached scores of sentences (`metrics/score_cache.py`)."""
        return self.results / ".cache" / "scores"

    def answers_file(self, run: DecodeRun) -> Path:
        """A system's answers to instructions, in AlpacaEval's format."""
        return self.results / "answers" / run.experiment / run.system / f"seed-{run.seed}.json"

    def judgement_file(self, run: DecodeRun) -> Path:
        """Records of a judge's verdicts on a system's answers."""
        return self.results / "judgements" / run.experiment / run.system / f"seed-{run.seed}.jsonl"

    def divergence_file(self, run: DivergenceRun) -> Path:
        """Divergence of a foundation model and its twin."""
        return self.results / "divergence" / run.experiment / run.pair / f"seed-{run.seed}.jsonl"

    def timing_file(self, run: TuningRun) -> Path:
        """Duration and memory of a fine-tuning; separate from other results, which do not depend on the clock."""
        return self.results / "timings" / run.experiment / run.tuning / run.scope / f"seed-{run.seed}.json"

    @property
    def timed_claims(self) -> Path:
        """Verdicts on claims about training times, which differ between runs."""
        return self.results / "timings" / "claims.jsonl"

    @property
    def worlds(self) -> dict[str, Path]:
        """Name -> verdicts on claims of another configuration (`worlds:`)."""
        return {name: Path(folder) / "claims.jsonl" for name, folder in self.config.worlds.items()}

    def work_folder(self, kind: str, spec: Any) -> Path:
        """Folder for the state of an unfinished run.

        It is not declared as an output, so that Snakemake does not delete it. Its name is a digest of everything that
        the result depends on, so that a run never continues from the state of another configuration.
        """
        return self.results / ".work" / f"{kind}-{digest(spec)}"

    def tensorboard_folder(self, folder: Path) -> Path:
        """Event files of the training that fills `folder`."""
        return self.results / "tensorboard" / folder.relative_to(self.results)

    def model_before(self, run: TuningRun) -> Path:
        """Folder of the model that a fine-tuning starts from."""
        start = self.start_of(run)
        return self.tuning_folder(start) if start else self.model_folder(self.experiment(run.experiment).model)

    def model_behind(self, run: DecodeRun) -> Path | None:
        """Folder of the model that a decoding uses; None if the decoder uses no model."""
        experiment, system = self.experiment(run.experiment), self.system(run)
        if not system.decoder.USES_MODEL:
            return None
        tuning = self.tuning_behind(run)
        return self.tuning_folder(tuning) if tuning else self.model_folder(experiment.model)

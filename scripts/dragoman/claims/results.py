"""Results of a plan's runs: hypotheses, and statistics of metrics on test sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any

from dragoman.config.sweeps import joined
from dragoman.metrics import MetricError, NoValueError, columns_of, parse, significance, unwritten
from dragoman.metrics.significance import Statistics
from dragoman.plan import DecodeRun, Plan
from dragoman.results.records import Record
from dragoman.storage import read_jsonl


class NotRun(Exception):  # noqa: N818
    """Results that a claim needs are missing; the message names them."""


class Results:
    """Hypotheses of a plan's runs, and statistics of metrics on them. Both are cached."""

    def __init__(self, plan: Plan, records: Iterable[Record] = ()) -> None:
        self.plan = plan
        self.records = {(r.experiment, *r.system_and_setting, r.pair, r.seed, r.metric): r.value for r in records}
        self.rows = cache(self._rows)
        self.statistics = cache(self._statistics)

    @cached_property
    def runs(self) -> dict[tuple[str, str, str], dict[int, list[DecodeRun]]]:
        """(experiment, system, pair) -> seed -> decodings; there are several if the system's tuning is swept."""
        decodings: dict[tuple[str, str, str], dict[int, list[DecodeRun]]] = {}
        for run in self.plan.decode_runs:
            decodings.setdefault((run.experiment, run.base, run.pair), {}).setdefault(run.seed, []).append(run)
        return decodings

    def _rows(self, experiment: str, system: str, pair: str, seed: int) -> dict[str, dict[Any, dict[str, Any]]]:
        """Setting -> sentence id -> row of `hypotheses.jsonl`."""
        settings: dict[str, dict[Any, dict[str, Any]]] = {}
        for run in self.runs[experiment, system, pair][seed]:
            path = run.hypotheses
            if not path.is_file():
                raise NotRun(f"no {path.relative_to(self.plan.results).as_posix()}")
            for row in read_jsonl(path):
                place = joined(run.setting, str(row.get("setting", "")))
                settings.setdefault(place, {})[row["id"]] = row
        return settings

    def _statistics(self, experiment: str, system: str, setting: str, pair: str, seed: int, metric: str) -> Statistics:
        """Statistics of a metric on all sentences of a setting, in the order of the hypotheses.

        Raises:
            NotRun: the setting or a column is missing, or the metric has no value for these sentences.
            MetricError: the score differs from the recorded score.
        """
        settings = self.rows(experiment, system, pair, seed)
        if setting not in settings:
            raise NotRun(f"{system} has no setting {setting or 'without a name'!r} (it has {', '.join(settings)})")
        rows = list(settings[setting].values())
        needed = columns_of(parse(metric)[0])
        if lacking := [name for name in needed if not all(name in row for row in rows)]:
            raise NotRun(f"the decoder of {system} writes no {', '.join(lacking)}")
        references = [[row["reference"]] if isinstance(row["reference"], str) else row["reference"] for row in rows]
        try:
            made = significance.statistics(
                metric,
                [row["hypothesis"] for row in rows],
                [list(lines) for lines in zip(*references, strict=True)],
                [row["source"] for row in rows],
                pair,
                {name: [row[name] for row in rows] for name in needed},
                **unwritten(metric, self.plan.metric_options(experiment)),
            )
        except NoValueError as reason:
            raise NotRun(f"{system}, {pair}: {reason}") from None
        recorded = self.records.get((experiment, system, setting, pair, seed, metric))
        if recorded is not None and not math.isclose(recorded, made.value, rel_tol=1e-9, abs_tol=1e-7):
            where = ", ".join(filter(None, (experiment, system, setting, pair, f"seed {seed}", metric)))
            raise MetricError(f"{where}: {recorded} on record, but the hypotheses give {made.value}; score them again")
        return made

#!/usr/bin/env python3
"""Estimate the jobs, GPU hours, disk space and downloads of a configuration before it runs, and check limits.

Nothing is trained, fetched or written. The exit code is 1 if a budget is exceeded or the need is not known.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dragoman import command
from dragoman.configfile import load_config
from dragoman.plan import Plan, resources
from dragoman.plan.estimates import Forecast, forecast
from dragoman.room import gigabytes


def report(estimate: Forecast, table: resources.Resources) -> list[str]:
    """The forecast, line by line."""
    lines = [f"{'rule':<20}{'jobs':>7}{'GPU hours':>12}"]
    for rule, effort in estimate.rules.items():
        known = effort.jobs - effort.unknown
        hours = f"{effort.gpu_seconds / 3600:,.2f}" if effort.gpu_seconds else ""
        if effort.unknown:
            hours = f"{hours} + ?" if known else "unknown"
        notes = [f"{effort.measured} of {effort.jobs} measured by an earlier run"] if effort.measured else []
        notes += [f"{effort.unknown} of {effort.jobs} unknown"] if effort.unknown and known else []
        lines.append(f"{rule:<20}{effort.jobs:>7}{hours:>12}  {'; '.join(notes)}".rstrip())
    total = sum(effort.jobs for effort in estimate.rules.values())
    lines.append(f"{'together':<20}{total:>7}{estimate.gpu_hours:>12,.1f}{' + ?' if _open(estimate) else ''}")
    for name, sizes in (("disk", estimate.disk), ("download", estimate.download)):
        parts = ", ".join(f"{gigabytes(size)} {what}" for what, size in sizes.items())
        more = " + ?" if estimate.unknown else ""
        lines += ["", f"{name}: {gigabytes(sum(sizes.values()))}{more}" + (f" ({parts})" if parts else "")]
    assumed = table.estimate
    lines += [
        "",
        f"Assumed (config/resources.yaml): {assumed.card}; {assumed.training_flops:.3g} operations a second in "
        f"training, {assumed.decoding_flops:.3g} in decoding; {assumed.tokens} tokens an example.",
    ]
    return lines + [f"Unknown: {sentence}" for sentence in estimate.unknown]


def _open(estimate: Forecast) -> bool:
    return any(effort.unknown for effort in estimate.rules.values())


def verdicts(estimate: Forecast, budgets: dict[str, float | None]) -> tuple[list[str], bool]:
    """One line for each budget that is given, and whether all needs are within their budgets."""
    needs = {
        "GPU hours": (estimate.gpu_hours, _open(estimate)),
        "GB of disk": (sum(estimate.disk.values()) / 1e9, bool(estimate.unknown)),
        "GB of downloads": (sum(estimate.download.values()) / 1e9, bool(estimate.unknown)),
    }
    lines, fine = [], True
    for (name, (need, unknown)), budget in zip(needs.items(), budgets.values(), strict=True):
        if budget is None:
            continue
        if need > budget:
            verdict = f"does not fit: at least {need:,.1f} of {budget:,g} {name}"
        elif unknown:
            verdict = f"unknown: {need:,.1f} of {budget:,g} {name}, and unknown parts"
        else:
            verdict = f"fits: {need:,.1f} of {budget:,g} {name}"
        fine &= verdict.startswith("fits")
        lines.append(verdict)
    return lines, fine


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/plan.py config/papers/simulmask.yaml --budget-gpu-hours 200 --budget-disk-gb 1000"
    parser = command.parser(__doc__ or "", example)
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument(
        "--resources", type=Path, default=resources.TABLE, help="table of resources (default: %(default)s)"
    )
    for name in ("gpu-hours", "disk-gb", "download-gb"):
        parser.add_argument(f"--budget-{name}", type=float, metavar="N")
    arguments = parser.parse_args(argv)
    table = resources.load(arguments.resources)
    estimate = forecast(Plan(load_config(arguments.config)), table)
    budgets = {name: getattr(arguments, f"budget_{name}") for name in ("gpu_hours", "disk_gb", "download_gb")}
    lines, fine = verdicts(estimate, budgets)
    print("\n".join([*report(estimate, table), *([""] if lines else []), *lines]))
    if not fine:
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)

"""Target language against the language of the answer, as a heat map for each system.

If an experiment has zero-shot pairs, only these are shown, since hardly any answer is off target in trained pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dragoman.languages import NAMES, split_pair
from dragoman.reporting import gather
from dragoman.reporting.figures import INK, PALETTE, RULE, describe, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dragoman.plan import Plan

ACROSS = 3
"""Panels side by side."""
ELSEWHERE = "other"
"""Column of answers that are empty or in none of the experiment's languages."""

Shares = dict[str, dict[str, float]]
"""Target language -> language of the answer -> per cent of the answers; each row sums to 100."""


def systems(plan: Plan, experiment: str) -> list[str]:
    """Labels of the systems to show: the first system of each tuning and of the untuned model, without sweeps and
    settings."""
    spec = plan.config.experiments[experiment]
    names, chosen = gather.labels(spec), {}
    for key, system in spec.systems.items():
        swept = system.tuning is not None and spec.tunings[system.tuning].sweep is not None
        if not swept and system.decoder.USES_MODEL and system.decoder.settings == [""]:
            chosen.setdefault(system.tuning, names[key])
    return [*chosen.values()]


def decoded_shares(plan: Plan, experiment: str) -> list[tuple[str, Shares]]:
    """(label, shares) of each of `systems` that was decoded, with the first seed."""
    from dragoman.metrics.offtarget import answered

    spec = plan.experiment(experiment)
    options = gather.identifier(plan, experiment)
    pairs = gather.blocks(spec).get("zero-shot", tuple(spec.test.pairs))
    languages = [*dict.fromkeys(["en", *(code for pair in spec.test.pairs for code in split_pair(pair))])]
    decoded = gather.decoded(plan, experiment)
    by_system = []
    for label in systems(plan, experiment):
        answers: dict[str, list[str]] = {}
        for pair in pairs:
            source, target = split_pair(pair)
            for output in decoded.get(pair, []):
                if output.system == label:
                    hypotheses = [row["hypothesis"] for row in output.rows]
                    answers.setdefault(target, []).extend(answered(hypotheses, source, target, **options))
        if answers:
            ordered = {code: answers[code] for code in languages if code in answers}
            by_system.append((label, shares(ordered, languages)))
    return by_system


def shares(answers: Mapping[str, Sequence[str]], languages: Sequence[str]) -> Shares:
    """The shares of the languages of the answers, for each target language.

    Args:
        answers: target language -> language of every answer, from `metrics.offtarget.answered`.
        languages: the columns; all other languages count as ELSEWHERE.
    """
    rows = {}
    for target, languages_of in answers.items():
        counts = Counter(code if code in languages else ELSEWHERE for code in languages_of)
        rows[target] = {column: 100 * counts[column] / len(languages_of) for column in (*languages, ELSEWHERE)}
    return rows


@styled
def heat_maps(shown: Sequence[tuple[str, Shares]]) -> Figure:
    """One panel per system: rows are target languages, columns are languages of the answers, numbers are per cent of a
    row.

    Args:
        shown: (label, shares), all with the same columns.
    """
    targets = list(dict.fromkeys(code for _, table in shown for code in table))
    columns = list(next(iter(shown[0][1].values())))
    figure, drawn = panels([shown[i : i + ACROSS] for i in range(0, len(shown), ACROSS)], 0.32 * len(targets) + 0.85)
    for (label, table), axes, _ in drawn:
        _panel(axes, label, table, targets, columns)
        axes.set_title(label, color=INK, fontweight="bold")
        if axes.get_subplotspec().is_first_col():
            axes.set_xlabel("across: the language of the answer", loc="left")
    return figure


def _panel(axes: Axes, label: str, table: Shares, targets: Sequence[str], columns: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    for row, target in enumerate(targets):
        if target not in table:
            continue
        for column, answer in enumerate(columns):
            share = table[target][answer]
            colour = PALETTE[2] if answer == target else PALETTE[1]
            strength = 0.04 + 0.9 * share / 100 if share else 0.0  # opacity; even a small share is visible
            cell = Rectangle((column, row), 1, 1, facecolor=colour, alpha=strength, edgecolor="none")
            wanted, got = NAMES.get(target, target), NAMES.get(answer, answer)
            describe(axes.add_patch(cell), f"{label}\n{share:.1f} % of the answers for {wanted} are in {got}")
            if round(share):
                place = (column + 0.5, row + 0.5)
                axes.text(*place, f"{share:.0f}", ha="center", va="center", fontsize=8.5, color=INK)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(targets), 0)
    axes.set_yticks([row + 0.5 for row in range(len(targets))], [NAMES.get(code, code) for code in targets], color=INK)
    axes.set_xticks([column + 0.5 for column in range(len(columns))], columns)
    axes.xaxis.tick_top()
    axes.tick_params(pad=3)
    axes.spines[:].set_visible(False)
    for edge in range(len(columns) + 1):
        axes.axvline(edge, color=RULE, linewidth=0.5, clip_on=False)
    for edge in range(len(targets) + 1):
        axes.axhline(edge, color=RULE, linewidth=0.5, clip_on=False)

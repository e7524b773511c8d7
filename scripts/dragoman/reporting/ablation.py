"""Scores against the swept setting of a tuning: one panel per metric and block of pairs, one curve per system."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from dragoman.metrics import presentation
from dragoman.reporting.curves import curved_and_level, name_ends
from dragoman.reporting.figures import INK, describe, in_rows, panels, styled
from dragoman.reporting.tables import MEAN, Layout, hover_text, natural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""
LEAST = 5.0
"""Minimum range of a score axis, in points of the metric, so that noise does not look like an effect."""


@styled
def curves(frame: pd.DataFrame, layout: Layout, metrics: Sequence[str], swept: Collection[str]) -> Figure | None:
    """Every metric against the settings of the swept systems; systems without settings are horizontal lines.

    Settings are drawn in order at equal distances, since they may differ by magnitudes or be names.

    Args:
        frame: cells from `reporting.tables.cells`.
        layout: rows and columns of the experiment.
        metrics: metrics to draw.
        swept: keys of the systems with settings.

    Returns:
        None if no swept system has a number.
    """
    frame = frame[frame["value"].notna()]
    own = frame[frame["system"].isin(swept)]
    if own.empty:
        return None
    settings = sorted(own["setting"].unique(), key=natural)
    blocks = [*layout.blocks] or ([MEAN] if len(layout.pairs) > 1 else list(layout.pairs))
    figure, shown = panels(in_rows(metrics, blocks, ACROSS), 3.0, one_scale=False)
    for (metric, block), axes, last in shown:
        here = frame[(frame["metric"] == metric) & (frame["pair"] == block)]
        ends = _draw(axes, here, layout, settings, swept)
        axes.set_xlabel(settings[0].partition("=")[0])
        axes.set_title(f"{presentation(metric).label}, {block}", color=INK)
        if last:
            name_ends(axes, ends)
    return figure


def _draw(
    axes: Axes, frame: pd.DataFrame, layout: Layout, settings: Sequence[str], swept: Collection[str]
) -> list[tuple[str, float, float, dict[str, object]]]:
    """Draw one panel. Returns (name, x, y, look) of the end of every line."""
    ends: list[tuple[str, float, float, dict[str, object]]] = []
    last = len(settings) - 1
    styles = curved_and_level(layout, swept)
    for key, label in layout.systems.items():
        rows = {row.setting: row for row in frame[frame["system"] == key].itertuples()}
        style = styles[key]
        if key in swept:
            points = [(place, rows[setting]) for place, setting in enumerate(settings) if setting in rows]
            places, values = [place for place, _ in points], [row.value for _, row in points]
            describe(*axes.plot(places, values, linewidth=1.6, **style | {"marker": "none"}), series=label)
            for place, row in points:
                if row.spread == row.spread:  # not NaN
                    low_high = [row.value - row.spread, row.value + row.spread]
                    describe(*axes.plot([place, place], low_high, color=style["color"], linewidth=1), series=label)
                (node,) = axes.plot([place], [row.value], markersize=4.5, color=style["color"], marker=style["marker"])
                describe(node, hover_text(row.label, [row]), label)
            if points:
                ends.append((label, places[-1], values[-1], style))
        elif rows:
            row = next(iter(rows.values()))
            level = axes.plot([0, last], [row.value, row.value], linewidth=1.1, **style)
            describe(*level, hover_text(label, [row]), label)
            ends.append((label, last, row.value, style))
    axes.set_xticks(range(len(settings)), [setting.partition("=")[2] or setting for setting in settings])
    axes.set_xlim(-0.25, last + 0.25)
    axes.margins(y=0.12)
    low, high = axes.get_ylim()
    if high - low < LEAST:
        axes.set_ylim((low + high - LEAST) / 2, (low + high + LEAST) / 2)
    axes.grid(axis="y")
    return ends

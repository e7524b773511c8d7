"""A tuning's swept setting against what it does: one panel a metric and block of pairs, one curve a system."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from dragoman.metrics import presentation
from dragoman.reporting.curves import name_ends
from dragoman.reporting.figures import DASHES, DIGIT, INK, QUIET, STYLE, WIDTH, look, tell
from dragoman.reporting.tables import MEAN, Layout, natural, told

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""
LEAST = 5.0
"""Points that an axis spans at least, so that noise looks like noise."""


def curves(frame: pd.DataFrame, layout: Layout, metrics: Sequence[str], swept: Collection[str]) -> Figure | None:
    """Every metric against the settings of the swept systems; systems without settings are level lines.

    Settings stand at even distances, in order, whatever they are: 0.01 and 1, or names.

    Args:
        frame: cells as `reporting.tables.cells` makes them.
        layout: what the experiment promised.
        metrics: those to draw.
        swept: keys of the systems with settings.

    Returns:
        None where no swept system has a number.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    frame = frame[frame["value"].notna()]
    own = frame[frame["system"].isin(swept)]
    if own.empty:
        return None
    settings = sorted(own["setting"].unique(), key=natural)
    blocks = [*layout.blocks] or ([MEAN] if len(layout.pairs) > 1 else list(layout.pairs))
    panels = [(metric, block) for metric in metrics for block in blocks]
    across = min(len(blocks), ACROSS)
    lines = -(-len(panels) // across)
    panel, head, foot = 1.9, 0.55, 0.55
    height = lines * (panel + head + foot)
    left, room = 0.45, 0.35 + DIGIT * max(map(len, layout.systems.values()))
    step = (WIDTH - left - room) / across
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        for number, (metric, block) in enumerate(panels):
            line, column = divmod(number, across)
            bottom = height - (line + 1) * (panel + head + foot) + foot
            area = (left + column * step) / WIDTH, bottom / height, (step - 0.35) / WIDTH, panel / height
            axes = figure.add_axes(area)
            here = frame[(frame["metric"] == metric) & (frame["pair"] == block)]
            ends = _draw(axes, here, layout, settings, swept)
            axes.set_xlabel(settings[0].partition("=")[0])
            axes.set_title(f"{presentation(metric).label}, {block}", loc="left", fontsize=9.5, color=INK)
            if column == across - 1 or number == len(panels) - 1:
                name_ends(axes, ends)
    return figure


def _draw(
    axes: Axes, frame: pd.DataFrame, layout: Layout, settings: Sequence[str], swept: Collection[str]
) -> list[tuple[str, float, float, dict[str, object]]]:
    """One panel; (name, x, y, look) of the end of every line in it."""
    ends: list[tuple[str, float, float, dict[str, object]]] = []
    last = len(settings) - 1
    for key, label in layout.systems.items():
        rows = {row.setting: row for row in frame[frame["system"] == key].itertuples()}
        if key in swept:
            points = [(place, rows[setting]) for place, setting in enumerate(settings) if setting in rows]
            style = look(sorted(swept).index(key))
            places, values = [place for place, _ in points], [row.value for _, row in points]
            tell(*axes.plot(places, values, linewidth=1.6, **style), series=label)
            for place, row in points:
                if row.spread == row.spread:
                    low_high = [row.value - row.spread, row.value + row.spread]
                    tell(*axes.plot([place, place], low_high, color=style["color"], linewidth=1), series=label)
                (node,) = axes.plot([place], [row.value], marker="o", markersize=4.5, color=style["color"])
                tell(node, told(row.label, [row]), label)
            if points:
                ends.append((label, places[-1], values[-1], style))
        elif rows:
            row = next(iter(rows.values()))
            value, quiet = row.value, {"color": QUIET, "linestyle": DASHES[1]}
            tell(*axes.plot([0, last], [value, value], linewidth=1.1, **quiet), told(label, [row]), label)
            ends.append((label, last, value, quiet))
    axes.set_xticks(range(len(settings)), [setting.partition("=")[2] or setting for setting in settings])
    axes.set_xlim(-0.25, last + 0.25)
    axes.margins(y=0.12)
    low, high = axes.get_ylim()
    if high - low < LEAST:
        axes.set_ylim((low + high - LEAST) / 2, (low + high + LEAST) / 2)
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    return ends

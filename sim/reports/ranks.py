"""The picture of a selection: every setting's mean with its interval, those that were eliminated pale."""

from __future__ import annotations

from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.drawing import FAINT, INK, styled
from sim.experiments.designs import shown
from sim.experiments.selected import Ranked, Selection
from sim.numbers import count
from sim.reports.selection import margin, mean, outcome, status
from sim.statistics import Estimate

STILL, OUT, FRESH = "#0072B2", "#A9B4C2", "#D55E00"
"""Okabe and Ito's: told apart with any kind of color vision. What became of each stands beside it as well."""
MOST_ROWS = 40
ROW_INCHES = 0.3
APART = 0.22


def ranks(found: Selection, *, width: float = 9.0) -> Figure:
    """The means over the replications that selected, and below them, as diamonds, those over the fresh ones.

    The band reaches from the first mean as far as differences do not matter.
    """
    drawn = found.ranked[:MOST_ROWS]
    with styled():
        figure = Figure(figsize=(width, 2.0 + ROW_INCHES * len(drawn)), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        best = drawn[0].estimate.mean
        worse = -1 if found.metric.direction == "higher" else 1
        if isfinite(best):
            axes.axvspan(*sorted((best, best + worse * found.indifference)), color=STILL, alpha=0.1, linewidth=0)
        for row, each in enumerate(drawn):
            color = OUT if each.eliminated else STILL
            _draw(axes, row, each.estimate, color, "o", "over those that selected" if row == 0 else None)
            if each.fresh is not None:
                _draw(axes, row + APART, each.fresh, FRESH, "D", "over fresh replications" if row == 0 else None)
        axes.set_yticks(range(len(drawn)), [_values(each) for each in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_xlabel(f"{found.metric.name}, {found.metric.unit}; band: less than {margin(found)} does not matter")
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(drawn)), [_told(found, each) for each in drawn])
        for side in (axes, right):
            side.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#E5E7EB", linewidth=0.8)
        axes.set_axisbelow(True)
        settings = count(len(found.ranked), "setting")
        axes.set_title(f"{found.scenario.name}: the best of {settings} by {found.metric.name}", loc="left")
        luck = "all had the same luck: their differences are surer than these intervals"
        said = f"{', '.join(found.paths)}\n{outcome(found)}\n{luck}"
        figure.suptitle(said, x=0.01, ha="left", size=8, color=FAINT)
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
        if len(found.ranked) > len(drawn):
            axes.annotate(
                f"and {len(found.ranked) - len(drawn)} more", (0, 0), (0, -32), "axes fraction", "offset points"
            )
    return figure


def _draw(axes: Axes, row: float, of: Estimate, color: str, marker: str, label: str | None) -> None:
    if not isfinite(of.mean):
        return
    low, high = of.ci95 or (of.mean, of.mean)
    axes.plot([low, high], [row, row], color=color, linewidth=2.2, solid_capstyle="butt")
    axes.plot([of.mean], [row], marker, color=color, markersize=5, label=label)


def _values(each: Ranked) -> str:
    return ", ".join(shown(text) for text in each.point.values()) + (" (as it is)" if each.is_own else "")


def _told(found: Selection, each: Ranked) -> str:
    return f"{mean(each.estimate)}  ({status(found, each)} after {each.replications:,})"

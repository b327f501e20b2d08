"""The picture of a comparison: each difference with its interval, as a share of what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.experiments.compare import Comparison
from sim.experiments.differences import BETTER, DIFFERENT, NOT_SHOWN, WORSE, Difference
from sim.reports.drawing import FAINT, INK, styled
from sim.reports.numbers import difference, quantity

COLORS = {BETTER: "#009E73", WORSE: "#D55E00", DIFFERENT: "#0072B2", NOT_SHOWN: "#A9B4C2"}
"""Okabe and Ito's: told apart with any kind of color vision. The verdict stands beside each as well."""
MOST_ROWS = 40
ROW_INCHES = 0.27


def forest(found: Comparison, *, width: float = 9.0) -> Figure:
    """Each difference that is shown, in percent of a, with its 95 % interval; those with a of 0 are only told."""
    every = [each for each in found.differences.values() if found.chosen or each.verdict != NOT_SHOWN]
    shown = every[:MOST_ROWS]
    with styled():
        figure = Figure(figsize=(width, 1.5 + ROW_INCHES * max(1, len(shown))), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0.0, color=INK, linewidth=0.8)
        for row, each in enumerate(shown):
            _draw(axes, row, each)
        axes.set_yticks(range(len(shown)), [each.metric for each in shown])
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlabel("difference b − a, in % of a")
        axes.set_xlim(*_limits(shown))
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(shown)), [_told(each) for each in shown])
        for side in (axes, right):
            side.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#E5E7EB", linewidth=0.8)
        axes.set_axisbelow(True)
        a, b = (_values(values) for values in (found.a_values, found.b_values))
        axes.set_title(f"{found.a.scenario.name}: b against a, {found.replications} pairs of replications", loc="left")
        figure.suptitle(f"a  {a}\nb  {b}", x=0.01, ha="left", size=8, color=FAINT)
        if len(every) > len(shown):
            axes.annotate(f"and {len(every) - len(shown)} more", (0, 0), (0, -32), "axes fraction", "offset points")
    return figure


def _draw(axes: Axes, row: int, each: Difference) -> None:
    percent = _percent(each)
    if percent is None:
        return
    mean, low, high = percent
    axes.plot([low, high], [row, row], color=COLORS[each.verdict], linewidth=2.2, solid_capstyle="butt")
    axes.plot([mean], [row], "o", color=COLORS[each.verdict], markersize=5)


def _percent(each: Difference) -> tuple[float, float, float] | None:
    if not each.a or each.difference.ci95 is None:
        return None
    low, high = each.difference.ci95
    mean, low, high = (100 * value / abs(each.a) for value in (each.difference.mean, low, high))
    return mean, low, high


def _limits(shown: Sequence[Difference]) -> tuple[float, float]:
    """Room for every interval, and for nothing beside."""
    ends = [end for each in shown if (percent := _percent(each)) is not None for end in percent]
    low, high = min((*ends, 0.0)), max((*ends, 0.0))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _told(each: Difference) -> str:
    a, b = (quantity(value, each.unit) for value in (each.a, each.b))
    return f"{a} → {b}  ({difference(each.difference)}, {each.verdict})"


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in values.items()) or "(as the scenario is)"

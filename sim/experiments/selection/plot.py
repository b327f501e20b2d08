"""Plot of a selection: the mean of each setting with its interval; eliminated settings are pale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Protocol

from matplotlib.axes import Axes

from scenarios import Scenario
from scenarios.fields.metrics import Metric
from sim.experiments.selection.ranked import Ranked
from sim.experiments.sweeps.designs import shown
from sim.presentation.axes import axes_for, grid, label_rows, titled
from sim.presentation.figure_style import BLUE, PALE, VERMILION
from sim.presentation.formatting import count, estimated
from sim.stats.estimates import Estimate

MOST_ROWS = 40
WIDTH = 9.0
ROW_INCHES = 0.3
APART = 0.22
"""Rows between a mean of the selection and the mean over fresh replications."""


class PlottedSelection(Protocol):
    """What the plots need of a selection."""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""

    @property
    def metric(self) -> Metric:
        """The metric that ranks the settings."""

    @property
    def indifference(self) -> float:
        """A difference smaller than this does not matter."""

    @property
    def ranked(self) -> Sequence[Ranked]:
        """The settings, best first."""

    @property
    def paths(self) -> Sequence[str]:
        """Paths of the values that differ between the settings."""

    def status(self, each: Ranked) -> str:
        """The state of a setting in the selection, in words."""

    def outcome(self) -> str:
        """How certain the selection is, in words."""

    def margin(self) -> str:
        """The indifference with its unit."""


@dataclass(frozen=True)
class SelectionPictures:
    """`selection.plot`."""

    selection: PlottedSelection

    def inches(self) -> tuple[float, float]:
        """Width and height of a new figure of the ranks."""
        return WIDTH, 2.0 + ROW_INCHES * min(MOST_ROWS, len(self.selection.ranked))

    def ranks(self, ax: Axes | None = None) -> Axes:
        """The means over the replications of the selection, and below them, as diamonds, those over fresh replications.

        The band extends from the first mean by the indifference. It is drawn on `ax`, or in a new figure.
        """
        found = self.selection
        drawn = found.ranked[:MOST_ROWS]
        best = nan if drawn[0].estimate is None else drawn[0].estimate.mean
        worse = -1 if found.metric.direction == "higher" else 1
        with axes_for(ax, *self.inches()) as axes:
            if isfinite(best):
                axes.axvspan(*sorted((best, best + worse * found.indifference)), color=BLUE, alpha=0.1, linewidth=0)
            for row, each in enumerate(drawn):
                color = PALE if each.eliminated or each.failed else BLUE
                if each.estimate is not None:
                    _draw(axes, row, each.estimate, color, "o", "over those that selected" if row == 0 else None)
                if each.fresh is not None:
                    fresh = "over fresh replications" if row == 0 else None
                    _draw(axes, row + APART, each.fresh, VERMILION, "D", fresh)
            axes.set_yticks(range(len(drawn)), [_values(each) for each in drawn])
            axes.set_xlabel(
                f"{found.metric.name}, {found.metric.unit}; band: less than {found.margin()} does not matter"
            )
            label_rows(axes, [_told(found, each) for each in drawn])
            grid(axes, "x")
            axes.legend(loc="best", frameon=False, fontsize=8)
            title = f"{found.scenario.name}: the best of {count(len(found.ranked), 'setting')} by {found.metric.name}"
            note = "common random numbers: differences are more precise than these intervals"
            titled(axes, title, ", ".join(found.paths), found.outcome(), note)
            if len(found.ranked) > len(drawn):
                more = f"and {len(found.ranked) - len(drawn)} more"
                axes.annotate(more, (0, 0), (0, -32), "axes fraction", "offset points")
        return axes


def _draw(axes: Axes, row: float, of: Estimate, color: str, marker: str, label: str | None) -> None:
    if not isfinite(of.mean):
        return
    low, high = of.ci95 or (of.mean, of.mean)
    axes.plot([low, high], [row, row], color=color, linewidth=2.2, solid_capstyle="butt")
    axes.plot([of.mean], [row], marker, color=color, markersize=5, label=label)


def _values(each: Ranked) -> str:
    return ", ".join(shown(text) for text in each.point.values()) + (" (as it is)" if each.is_own else "")


def _told(found: PlottedSelection, each: Ranked) -> str:
    return f"{estimated(each.estimate)}  ({found.status(each)} after {each.replications:,})"

"""Plots of a search: the front of two objectives, or one objective against each varied value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import number, shown
from sim.experiments.tuning.finalist import Finalist
from sim.experiments.tuning.objectives import Objective
from sim.experiments.tuning.race import Judged
from sim.experiments.tuning.space import Dimension
from sim.presentation.axes import NoPicture, axes_for, grid, label, titled
from sim.presentation.figure_style import BLUE, INK, PALE, VERMILION, styled
from sim.presentation.formatting import count
from sim.stats.estimates import Estimate

INCHES = (7.5, 5.0)
PANEL_INCHES = 3.6
STATES = ((False, PALE, "an expectation does not hold"), (True, BLUE, "tried"))


class PlottedTuning(Protocol):
    """What the plots need of a search."""

    @property
    def now(self) -> Sequence[Result]:
        """The scenarios as they are."""

    @property
    def space(self) -> Sequence[Dimension]:
        """What is varied."""

    @property
    def objectives(self) -> Sequence[Objective]:
        """What is optimized."""

    @property
    def judged(self) -> Sequence[Judged]:
        """Everything that was tried."""

    @property
    def finalists(self) -> Sequence[Finalist]:
        """The best settings."""

    @property
    def chosen(self) -> int | None:
        """The place of the proposed finalist."""

    def title(self) -> str:
        """A one-line summary."""


@dataclass(frozen=True)
class TuningPictures:
    """`tuning.plot`."""

    tuning: PlottedTuning

    def figure(self) -> Figure:
        """The front of two objectives; of one, a panel for each varied value."""
        found = self.tuning
        with styled():
            if len(found.objectives) > 1 and len(found.now) == 1:
                figure = Figure(figsize=INCHES, dpi=120, layout="constrained")
                self.front(figure.add_subplot())
                return figure
            panels = len(found.space)
            figure = Figure(figsize=(1.5 + PANEL_INCHES * panels, 4.4), dpi=120, layout="constrained")
            for place, axes in enumerate(figure.subplots(1, panels, sharey=True, squeeze=False)[0]):
                self.slice(found.space[place].path, axes, with_title=place == 0)
        return figure

    def front(self, ax: Axes | None = None) -> Axes:
        """The first two objectives: what was tried, and the finalists and now on fresh replications, with intervals.

        Raises NoPicture for one objective, and for several scenarios.
        """
        found = self.tuning
        if len(found.objectives) < 2 or len(found.now) > 1:
            raise NoPicture("a front needs two objectives and one scenario; valid: .slice(path)")
        first, second = found.objectives[:2]
        with axes_for(ax, *INCHES) as axes:
            for is_feasible, color, text in STATES:
                pairs = [
                    (each.values[0], each.values[1])
                    for each in found.judged
                    if each.is_feasible is is_feasible and None not in each.values
                ]
                if pairs:
                    axes.plot(*zip(*pairs, strict=True), "o", color=color, markersize=4, alpha=0.6, label=text)
            for place, each in enumerate(found.finalists):
                is_chosen = place == found.chosen
                name = "chosen" if is_chosen else "front" if place == _first_other(found.chosen) else None
                _cross(axes, each.fresh[0], first, second, VERMILION if is_chosen else INK, "D", name)
            _cross(axes, found.now[0], first, second, INK, "s", "now")
            axes.set_xlabel(label(first.text(), first.unit))
            axes.set_ylabel(label(second.text(), second.unit))
            grid(axes)
            axes.legend(loc="best", frameon=False, fontsize=8)
            titled(axes, found.title(), "bars: 95 % intervals on fresh replications")
        return axes

    def slice(self, path: str, ax: Axes | None = None, *, with_title: bool = True) -> Axes:
        """The first objective of everything that was tried against the values at a path.

        Raises NoPicture for a path that is not varied.
        """
        found = self.tuning
        dimension = next((each for each in found.space if each.path == path), None)
        if dimension is None:
            raise NoPicture(f"{path}: is not varied; valid: {', '.join(each.path for each in found.space)}")
        objective = found.objectives[0]
        with axes_for(ax, *INCHES) as axes:
            names = list(dimension.choices)
            for is_feasible, color, text in STATES:
                pairs = [
                    (_place(each.point[path], names), each.values[0])
                    for each in found.judged
                    if each.is_feasible is is_feasible and each.values[0] is not None
                ]
                if pairs:
                    axes.plot(*zip(*pairs, strict=True), "o", color=color, markersize=4, alpha=0.7, label=text)
            if found.chosen is not None and len(found.now) == 1:
                each = found.finalists[found.chosen]
                _bar(axes, _place(each.point[path], names), each.fresh[0].metrics.get(objective.metric))
            if names:
                axes.set_xticks(range(len(names)), [shown(name) for name in names])
            elif dimension.log:
                axes.set_xscale("log")
            axes.set_xlabel(path.removeprefix("recovery.conditions."))
            if with_title:
                axes.set_ylabel(label(objective.text(), objective.unit if len(found.now) == 1 else "relative to now"))
                axes.legend(loc="best", frameon=False, fontsize=8)
                kept = count(len(found.now[0].runs), "fresh replication")
                titled(axes, found.title(), f"diamond: the chosen setting on {kept}, with its 95 % interval")
            grid(axes)
        return axes


def _first_other(chosen: int | None) -> int:
    """The place of the first finalist that is not the chosen one."""
    return 1 if chosen == 0 else 0


def _place(text: str, names: Sequence[str]) -> float:
    return float(names.index(text)) if names else number(text) or 0.0


def _cross(
    axes: Axes, result: Result, first: Objective, second: Objective, color: str, marker: str, text: str | None
) -> None:
    x, y = (result.metrics.get(each.metric) for each in (first, second))
    if x is None or y is None or not (isfinite(x.mean) and isfinite(y.mean)):
        return
    axes.errorbar(
        [x.mean], [y.mean], _reach(y), _reach(x), marker, color=color, markersize=6, linewidth=1.4, label=text
    )


def _bar(axes: Axes, at: float, of: Estimate | None) -> None:
    if of is not None and isfinite(of.mean):
        axes.errorbar(
            [at], [of.mean], _reach(of), fmt="D", color=VERMILION, markersize=6, linewidth=1.4, label="chosen"
        )


def _reach(of: Estimate) -> list[list[float]]:
    """The distances from the mean to the ends of the interval."""
    low, high = of.ci95 or (of.mean, of.mean)
    return [[max(0.0, of.mean - low)], [max(0.0, high - of.mean)]]

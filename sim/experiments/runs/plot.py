"""Plots of a result: phases of recovery, sojourn times, the replications' values, expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isclose, isfinite, isinf, nan
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from scenarios import Scenario
from scenarios.fields.expectations import TOLERANCE, Expectation
from scenarios.fields.metric_rows import STATISTICS
from scenarios.fields.metrics import lookup
from sim.experiments.runs.summary import RunSummary
from sim.measures.metrics.recovery_time import PHASES
from sim.presentation.axes import (
    NoPicture,
    axes_for,
    grid,
    height_of_infinity,
    label,
    label_rows,
    mark_infinity,
    titled,
)
from sim.presentation.figure_style import BLUE, GREEN, INK, PALE, PHASE_COLORS, VERMILION
from sim.presentation.formatting import UNICODE, count, estimated, observation, quantity
from sim.stats.estimates import Estimate

WIDTH = 7.5
ROW_INCHES = 0.27
MOST_PERCENT = 250.0
"""Of the expected value; a larger one is an arrow at the edge."""


class PlottedOutcome(Protocol):
    """An expectation, and what was observed."""

    @property
    def expression(self) -> str:
        """The expectation as text."""

    @property
    def observed(self) -> float | None:
        """The mean over replications; None without an observation."""

    @property
    def holds(self) -> bool:
        """Whether the expectation holds."""


class PlottedResult(Protocol):
    """What the plots need of the replications of a scenario."""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""

    @property
    def seed(self) -> str:
        """The seed of all replications."""

    @property
    def runs(self) -> Sequence[RunSummary]:
        """One summary for each replication."""

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """Mean and 95 % interval of each observed metric."""

    @property
    def expectations(self) -> Sequence[PlottedOutcome]:
        """The outcome of each expectation of the scenario, in order."""


@dataclass(frozen=True)
class ResultPictures:
    """`result.plot`. Each plot is drawn on `ax`, or in a new figure, and returns its axes.

    Each raises UnknownMetric for an unknown metric, and NoPicture, a ValueError, if nothing was observed.
    """

    result: PlottedResult

    def recovery_time(self, ax: Axes | None = None) -> Axes:
        """The phases of the mean recovery, and the mean recovery time of each replication.

        The dark mark is `recovery.time.mean` with its 95 % interval. It is to the right of the phases if recoveries are
        open when runs end, because the phases are those of finished recoveries.
        """
        phases = {phase: self._observed(f"recovery.{phase}.mean") for phase in PHASES}
        whole = self._observed("recovery.time.mean")
        values = [value for value in self._values("recovery.time.mean") if value is not None]
        infinity = height_of_infinity(values)
        with axes_for(ax, WIDTH, 2.4) as axes:
            before = 0.0
            for phase, of in phases.items():
                named = f"{phase} {quantity(of.mean, 's')}"
                axes.barh(0, of.mean, 0.5, before, color=PHASE_COLORS[phase], label=named)
                before += of.mean
            rows = [0.5 + 0.6 * (number + 0.5) / len(values) for number in range(len(values))]
            axes.plot([_drawn(value, infinity) for value in values], rows, "o", color=PALE, markersize=3)
            _interval(axes, 0, whole, infinity)
            axes.set_yticks([0, 0.8], ["mean", "replications"])
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(1.2, -0.45)
            _from_zero(axes, infinity, [before, whole.mean, *(whole.ci95 or ()), *values])
            axes.set_xlabel(label("from the fault to the verified recovery", "s"))
            grid(axes, "x")
            mark_infinity(axes.xaxis, infinity)
            axes.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.28),
                ncols=len(PHASES),
                frameon=False,
                fontsize=8,
                handlelength=1.0,
                handletextpad=0.5,
                columnspacing=1.2,
            )
            titled(axes, f"{self.result.scenario.name}: recovery time {estimated(whole)}", self._told(whole, values))
        return axes

    def sojourn(self, ax: Axes | None = None) -> Axes:
        """Time of tasks from submission to completion: mean, median, tail and maximum, with 95 % intervals."""
        group = "tasks.sojourn"
        found = {name: self._observed(f"{group}.{name}") for name in STATISTICS if name != "sd"}
        values = {name: [v for v in self._values(f"{group}.{name}") if v is not None] for name in found}
        infinity = height_of_infinity([value for of in values.values() for value in of])
        with axes_for(ax, WIDTH, 2.6) as axes:
            for row, (name, of) in enumerate(found.items()):
                axes.plot([_drawn(v, infinity) for v in values[name]], [row] * len(values[name]), "o", color=PALE, ms=3)
                _interval(axes, row, of, infinity, BLUE)
            axes.set_yticks(range(len(found)), list(found))
            ends = [end for of in found.values() for end in (of.mean, *(of.ci95 or ()))]
            _from_zero(axes, infinity, [*ends, *(value for of in values.values() for value in of)])
            axes.set_xlabel(label("from submission to completion", "s"))
            grid(axes, "x")
            mark_infinity(axes.xaxis, infinity)
            label_rows(axes, [estimated(of) for of in found.values()])
            titled(axes, f"{self.result.scenario.name}: {group}", self._told(found["mean"]))
        return axes

    def metric(self, name: str, ax: Axes | None = None) -> Axes:
        """Each replication's value of a metric, their mean, and its 95 % interval."""
        mean = self._observed(name)
        values = self._values(name)
        infinity = height_of_infinity([value for value in values if value is not None])
        with axes_for(ax, WIDTH, 0.5 * WIDTH) as axes:
            if mean.ci95 is not None:
                axes.axhspan(*mean.ci95, color=BLUE, alpha=0.18, linewidth=0, label="95 % interval")
            if isfinite(mean.mean):
                axes.axhline(mean.mean, color=BLUE, linewidth=1.2, label="mean")
            drawn = [nan if value is None else _drawn(value, infinity) for value in values]
            axes.plot(range(len(values)), drawn, "o", color=INK, markersize=4, label="replications")
            axes.set_xlabel("replication")
            axes.set_xlim(-0.5, len(values) - 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.set_ylabel(label(name, mean.unit))
            grid(axes, "y")
            mark_infinity(axes.yaxis, infinity)
            axes.legend(loc="best", frameon=False, fontsize=8)
            titled(axes, f"{self.result.scenario.name}: {name} {estimated(mean)}", self._told(mean, values))
        return axes

    def expectations(self, ax: Axes | None = None) -> Axes:
        """Observed values in percent of the expected ones; the side that holds is shaded.

        A value equal to the expected one is on the line, also if 0 is expected.
        """
        outcomes = self.result.expectations
        if not outcomes:
            raise NoPicture(f"{self.result.scenario.name}: expects nothing; valid: a scenario with `expect`")
        pairs = list(zip(self.result.scenario.expect, outcomes, strict=True))
        edge = _edge([_percent(of, outcome.observed) for of, outcome in pairs])
        with axes_for(ax, WIDTH + 1.5, 1.2 + ROW_INCHES * len(outcomes)) as axes:
            axes.axvline(100.0, color=INK, linewidth=0.8)
            for row, (expectation, outcome) in enumerate(pairs):
                self._draw_outcome(axes, row, expectation, outcome, edge)
            axes.set_yticks(range(len(outcomes)), [outcome.expression for outcome in outcomes])
            axes.set_xlim(-0.02 * edge, 1.02 * edge)
            axes.set_xlabel("observed, in % of the value that is expected")
            grid(axes, "x")
            label_rows(axes, [self._told_outcome(of, outcome) for of, outcome in pairs])
            held = sum(outcome.holds for outcome in outcomes)
            title = f"{self.result.scenario.name}: {held} of {count(len(outcomes), 'expectation')} hold"
            titled(axes, title, f"mean over {count(len(self.result.runs), 'replication')}, seed {self.result.seed}")
        return axes

    def _draw_outcome(self, axes: Axes, row: int, of: Expectation, outcome: PlottedOutcome, edge: float) -> None:
        color = GREEN if outcome.holds else VERMILION
        if of.operator in {"<", "<=", ">", ">="}:
            begin, end = (0.0, 100.0) if of.operator in {"<", "<="} else (100.0, edge)
            axes.barh(row, end - begin, 0.7, begin, color=GREEN, alpha=0.12)
        percent = _percent(of, outcome.observed)
        if percent is None:
            return
        ci95 = self.result.metrics[of.metric].ci95
        if ci95 is not None and of.value > 0:
            axes.plot([100 * end / of.value for end in ci95], [row, row], color=color, linewidth=2.2)
        beyond = percent > edge
        axes.plot([min(percent, edge)], [row], ">" if beyond else "o", color=color, markersize=6, clip_on=False)

    def _told_outcome(self, of: Expectation, outcome: PlottedOutcome) -> str:
        unit = lookup(of.metric, self.result.scenario.parts).unit
        sign = UNICODE.holds if outcome.holds else UNICODE.fails
        return f"{sign} {observation(outcome.observed, unit)}"

    def _observed(self, name: str) -> Estimate:
        """Raises UnknownMetric, and NoPicture for a metric without an observation."""
        lookup(name, self.result.scenario.parts)
        if name not in self.result.metrics:
            number = count(len(self.result.runs), "replication")
            raise NoPicture(
                f"{name}: {self.result.scenario.name} observes it in none of {number}; valid: a name in result.metrics"
            )
        return self.result.metrics[name]

    def _values(self, name: str) -> list[float | None]:
        return [run.metrics.get(name) for run in self.result.runs]

    def _told(self, of: Estimate, values: Sequence[float | None] = ()) -> str:
        """Number of replications, how many of them the mean excludes, and whether it has an interval."""
        runs = len(self.result.runs)
        told = f"{count(runs, 'replication')}, seed {self.result.seed}"
        told += "" if of.ci95 is None else "; mean and 95 % interval"
        infinite = sum(value is not None and isinf(value) for value in values)
        told += f"; infinite in {infinite}" if infinite else ""
        return told + (f"; observed in {of.n}" if of.n < runs else "")


def _interval(axes: Axes, row: float, of: Estimate, infinity: float | None, color: str = INK) -> None:
    """A mean as a dot on its 95 % interval."""
    if of.ci95 is not None:
        axes.plot(of.ci95, [row, row], color=color, linewidth=2.2, solid_capstyle="butt")
    axes.plot([_drawn(of.mean, infinity)], [row], "o", color=color, markersize=5)


def _from_zero(axes: Axes, infinity: float | None, values: Sequence[float]) -> None:
    """An axis that begins at 0 with room for all of these."""
    axes.set_xlim(0, 1.04 * max(_drawn(value, infinity) for value in values) or 1.0)


def _drawn(value: float, infinity: float | None) -> float:
    return infinity if infinity is not None and isinf(value) else value


def _percent(of: Expectation, observed: float | None) -> float | None:
    """The observed value in percent of the expected one; 100 if they are equal, also if both are 0."""
    if observed is None:
        return None
    if isclose(observed, of.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return 100.0
    return 100 * observed / of.value if of.value else inf


def _edge(percents: Sequence[float | None]) -> float:
    """The right end of the axis: slightly above the largest value, and at most `MOST_PERCENT`."""
    known = [each for each in percents if each is not None]
    return min(MOST_PERCENT, max(125.0, *(1.1 * each for each in known))) if known else 125.0

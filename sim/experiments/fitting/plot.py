"""Plots of a fit: the distribution of work against the log, and arrivals by hour."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, pi
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.experiments.fitting.arrivals import DAY, DIURNAL, INTERVAL, TRACE, ArrivalsFit
from sim.experiments.fitting.durations import CONSTANT, EMPIRICAL, DurationsFit
from sim.experiments.fitting.families import FAMILIES, Numbers
from sim.presentation.axes import axes_for, grid, titled
from sim.presentation.figure_style import BLUE, FAINT, INK, PALE, VERMILION, styled
from sim.presentation.formatting import percent, probability, quantity

INCHES = (10.5, 4.2)
PANEL = (6.0, 4.2)
TAIL = 1e-4


class FittedLog(Protocol):
    """What the plots need of a fit."""

    @property
    def arrivals(self) -> ArrivalsFit:
        """The arrivals."""

    @property
    def work(self) -> DurationsFit:
        """The work."""

    @property
    def origin(self) -> float | None:
        """The midnight from which times count; None without a clock."""

    @property
    def zone(self) -> str:
        """The time zone."""

    def title(self) -> str:
        """A one-line summary."""


@dataclass(frozen=True)
class FitPictures:
    """`fit.plot`."""

    fit: FittedLog

    def figure(self) -> Figure:
        """The work on the left, arrivals by hour on the right."""
        with styled():
            figure = Figure(figsize=INCHES, dpi=120, layout="constrained")
            left, right = figure.subplots(1, 2)
            self.work(left)
            self.arrivals(right)
        return figure

    def work(self, ax: Axes | None = None) -> Axes:
        """The share of tasks whose work takes longer than a time, in the log and by the fit, both axes logarithmic."""
        of = self.fit.work
        times, shares = (np.array(each) for each in of.curve)
        with axes_for(ax, *PANEL) as axes:
            left = np.maximum(1 - np.concatenate([[0.0], shares]), TAIL / 10)
            axes.step(np.concatenate([[times[0]], times]), left, where="post", color=INK, linewidth=1.6, label="log")
            others = [each for each in of.candidates if each.family != of.family][:3]
            for each, line in zip(others, ("--", ":", "-."), strict=False):
                self._curve(axes, each.family, each.parameters, times, FAINT, 1.0, each.family, line)
            if of.family not in (CONSTANT, EMPIRICAL):
                self._curve(axes, of.family, of.parameters, times, VERMILION, 1.8, f"{of.family} (chosen)")
            is_wide = times[-1] > 20 * times[0] > 0
            axes.set_xscale("log" if is_wide else "linear")
            axes.set_yscale("log")
            axes.set_ylim(max(TAIL, 0.3 / max(of.count, 1)), 1.2)
            axes.set_xlabel("work (s)")
            axes.set_ylabel("share that takes longer")
            grid(axes)
            axes.legend(loc="lower left", frameon=False, fontsize=8)
            titled(axes, f"work: {of.family}", self._near(of))
        return axes

    def _near(self, of: DurationsFit) -> str:
        if of.family == CONSTANT:
            return f"all equal: {quantity(of.parameters['value'], 's')}"
        if of.family == EMPIRICAL:
            best = of.candidates[0] if of.candidates else None
            return "the recorded durations" + (f"; {best.family} is {percent(best.distance)} away" if best else "")
        return f"Kolmogorov-Smirnov distance {percent(of.distance)}, by chance up to {percent(of.critical)}"

    @staticmethod
    def _curve(
        axes: Axes,
        family: str,
        parameters: dict[str, float],
        times: Numbers,
        color: str,
        width: float,
        text: str,
        line: str = "-",
    ) -> None:
        low, high = max(float(times[0]), 1e-9), float(times[-1]) * 1.5
        at = np.geomspace(low / 2, high, 300)
        left = np.asarray(FAMILIES[family].distribution(*parameters.values()).sf(at))
        axes.plot(at, np.where(left > TAIL / 100, left, nan), color=color, linewidth=width, linestyle=line, label=text)

    def arrivals(self, ax: Axes | None = None) -> Axes:
        """Arrivals per second by hour of the day, or in 24 parts of the period, with the fitted rate."""
        of = self.fit.arrivals
        is_day = self.fit.origin is not None and of.period == DAY
        width = 1.0 if is_day else of.period / 24
        places = (np.arange(24) + 0.5) * width
        with axes_for(ax, *PANEL) as axes:
            rates = [rate if isfinite(rate) else 0.0 for rate in of.hours]
            axes.bar(places, rates, 0.9 * width, color=PALE, label="log")
            at = np.linspace(0, 24 * width, 400)
            if of.kind != TRACE:
                axes.plot(at, self._rate(at * (3600.0 if is_day else 1.0)), color=VERMILION, linewidth=1.8, label="fit")
            for place, rate in zip(places, of.hours, strict=True):
                if not isfinite(rate):
                    axes.annotate("·", (place, 0), ha="center", color=BLUE)
            axes.set_xlim(0, 24 * width)
            axes.set_ylim(0, 1.25 * max(rates) if any(rates) else 1)
            axes.set_xlabel(f"hour of the day ({self.fit.zone})" if is_day else "time in the period (s)")
            axes.set_ylabel("arrivals per second")
            if is_day:
                axes.set_xticks(range(0, 25, 4))
            grid(axes, "y")
            axes.legend(loc="upper left", frameon=False, fontsize=8, ncols=2)
            titled(axes, f"arrivals: {of.kind}", self._about(of))
        return axes

    def _rate(self, at: Numbers) -> Numbers:
        of = self.fit.arrivals
        if of.kind == DIURNAL:
            wave = np.cos(2 * pi * (at - of.parameters["peak"]) / of.parameters["period"])
            return np.asarray(of.parameters["rate"] * (1 + of.parameters["amplitude"] * wave))
        rate = 1 / of.parameters["every"] if of.kind == INTERVAL else of.parameters["rate"]
        return np.full(len(at), rate)

    @staticmethod
    def _about(of: ArrivalsFit) -> str:
        if of.kind == TRACE:
            return f"recorded times; counts vary {of.dispersion:.3g} times as much as a Poisson process"
        if of.kind == INTERVAL:
            return "the times between arrivals are all equal"
        if of.kind == DIURNAL:
            return f"a constant rate is rejected ({probability(of.p_constant)})"
        return f"a constant rate is not rejected ({probability(of.p_constant)})"

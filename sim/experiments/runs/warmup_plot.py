"""Plot of a warm-up: the series from which it was determined, and the cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pandas as pd
from matplotlib.axes import Axes

from scenarios import Scenario
from scenarios.fields.metrics import lookup
from sim.presentation.axes import axes_for, grid, label, titled
from sim.presentation.figure_style import BLUE, PALE, VERMILION
from sim.presentation.formatting import count, duration

INCHES = 7.5, 3.4


class PlottedWarmup(Protocol):
    """What the plots need of a warm-up."""

    @property
    def of(self) -> Scenario:
        """The scenario."""

    @property
    def seconds(self) -> float:
        """Duration of the warm-up."""

    @property
    def series(self) -> pd.Series[float]:
        """The mean of the metric over the pilot replications, by the end of each slice in seconds."""

    @property
    def metric(self) -> str:
        """The metric in which the warm-up was found."""

    @property
    def replications(self) -> int:
        """Number of pilot replications."""


@dataclass(frozen=True)
class WarmupPictures:
    """`warmup.plot`."""

    warmup: PlottedWarmup

    def series(self, ax: Axes | None = None) -> Axes:
        """The mean over the pilot replications by slice; the part that the warm-up removes is pale.

        It is drawn on `ax`, or in a new figure.
        """
        found = self.warmup
        series = found.series
        ends, means = series.index.to_numpy(), series.to_numpy()
        cut = ends <= found.seconds
        with axes_for(ax, *INCHES) as axes:
            axes.plot(ends[cut], means[cut], color=PALE, linewidth=1.0)
            axes.plot(ends[~cut], means[~cut], color=BLUE, linewidth=1.0)
            axes.axhline(
                float(means[~cut].mean()), color=BLUE, linewidth=0.8, linestyle=":", label="mean of what is left"
            )
            axes.axvline(found.seconds, color=VERMILION, linewidth=1.2, label=f"warm-up {duration(found.seconds)}")
            axes.set_xlim(0.0, found.of.duration)
            axes.set_ylim(bottom=min(0.0, float(means.min())))
            axes.set_xlabel("time (s)")
            axes.set_ylabel(label(found.metric, lookup(found.metric).unit))
            grid(axes)
            axes.legend(loc="lower right", frameon=False, fontsize=8)
            titled(
                axes, f"{found.of.name}: {found.metric}", f"mean of {count(found.replications, 'pilot run')}, MSER-5"
            )
        return axes

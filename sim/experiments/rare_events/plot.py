"""Plot of a rare event: the probability by level, and that of the event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from matplotlib.axes import Axes

from scenarios import Scenario
from scenarios.fields.expectations import Expectation
from sim.experiments.rare_events.levels import LEVELS
from sim.experiments.rare_events.splitting import Splitting
from sim.presentation.axes import NoPicture, axes_for, grid, titled
from sim.presentation.figure_style import BLUE, PALE, VERMILION
from sim.presentation.formatting import count, duration

INCHES = 7.5, 4.2


class PlottedRareEvent(Protocol):
    """What the plots need of an estimate of a rare event."""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""

    @property
    def event(self) -> Expectation:
        """The event, which holds in the runs that hit it."""

    @property
    def level(self) -> str | None:
        """Name of the level; None for plain replications."""

    @property
    def particles(self) -> int:
        """Trajectories of each splitting."""

    @property
    def splittings(self) -> Sequence[Splitting]:
        """The splittings."""

    @property
    def runs(self) -> int:
        """Simulated runs."""

    @property
    def probability(self) -> float | None:
        """The estimate; None without a hit."""

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Its 95 % interval."""


@dataclass(frozen=True)
class RarePictures:
    """`rare.plot`."""

    rare: PlottedRareEvent

    def levels(self, ax: Axes | None = None) -> Axes:
        """The probability that a run exceeds each level, in each splitting, and the probability of the event.

        It is drawn on `ax`, or in a new figure. Raises NoPicture, a ValueError, if there were no splittings.
        """
        found = self.rare
        if found.level is None or not found.splittings:
            raise NoPicture(f"{found.event.expression}: nothing was split; valid: with a level")
        level = LEVELS[found.level]
        with axes_for(ax, *INCHES) as axes:
            for number, splitting in enumerate(found.splittings):
                steps = [(0.0, 1.0), *(step for step in splitting.steps if step[1] > 0)]
                levels, probabilities = zip(*steps, strict=True)
                label = "a splitting each" if number == 0 else None
                axes.step(levels, probabilities, where="post", color=PALE, linewidth=1.0, label=label)
            if found.probability is not None:
                axes.axhline(found.probability, color=BLUE, linewidth=1.2, label=found.event.expression)
            if found.ci95 is not None:
                axes.axhspan(*found.ci95, color=BLUE, alpha=0.18, linewidth=0, label="95 % interval")
            if found.probability is None and found.ci95 is not None:
                axes.axhline(found.ci95[1], color=VERMILION, linewidth=1.2, label="below (95 %)")
            axes.set_yscale("log")
            axes.set_xlabel(f"{level.name}: {level.meaning} ({level.unit})")
            axes.set_ylabel("probability in a run")
            grid(axes)
            axes.legend(loc="best", frameon=False, fontsize=8)
            title = f"{found.scenario.name}: {found.event.expression} in a run of {duration(found.scenario.duration)}"
            told = f"{count(len(found.splittings), 'splitting')} of {found.particles} particles, {found.runs:,} runs"
            titled(axes, title, told)
        return axes

"""Pictures of something rare: how the probability falls with the level, down to what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from sim.experiments.rare_events.levels import LEVELS
from sim.presentation.axes import NoPicture, axes_for, grid, titled
from sim.presentation.figure_style import BLUE, PALE, VERMILION
from sim.presentation.formatting import count, duration

if TYPE_CHECKING:
    from sim.experiments.rare_events.estimate import Rare

INCHES = 7.5, 4.2


@dataclass(frozen=True)
class RarePictures:
    """`rare.plot`."""

    rare: Rare

    def levels(self, ax: Axes | None = None) -> Axes:
        """The probability that a run gets above each level, as each splitting found it, and of what was asked for.

        It is drawn on `ax`, or in a new figure. Raises NoPicture, a ValueError, where nothing was split.
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

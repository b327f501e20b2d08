"""Scales of the pictures that a page has as they are: positions in percent, and ticks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import asinh, isfinite

from matplotlib.ticker import MaxNLocator

from sim.presentation.formatting import quantity

SMALL = 10.0
"""Relative differences in percent below which the scale of a comparison is about linear; above it is logarithmic."""


@dataclass(frozen=True)
class Linear:
    """A scale from `low` to `high`, with ticks at round numbers."""

    low: float
    high: float
    unit: str = ""

    @classmethod
    def over(cls, values: Iterable[float | None], unit: str = "", *, from_zero: bool = False) -> Linear:
        """A scale with some space around the finite values."""
        seen = [value for value in values if value is not None and isfinite(value)] or [0.0, 1.0]
        low, high = min(seen), max(seen)
        low = min(0.0, low) if from_zero else low
        room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(low if from_zero and low == 0.0 else low - room, high + room, unit)

    def at(self, value: float) -> float:
        """The position of a value in percent, within the scale."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Positions and texts of the ticks."""
        shown = [each for each in MaxNLocator(most).tick_values(self.low, self.high) if self.low <= each <= self.high]
        return [(self.at(float(each)), quantity(float(each), self.unit)) for each in shown]


@dataclass(frozen=True)
class Relative:
    """A symmetric scale of relative differences in percent, on which small and large ones can be seen."""

    most: float

    def at(self, percent: float) -> float:
        """The position of a difference in percent of the width; 50 is no difference."""
        if not isfinite(percent):
            return 100.0 if percent > 0 else 0.0
        share = asinh(percent / SMALL) / asinh(self.most / SMALL)
        return round(50 + 50 * min(1.0, max(-1.0, share)), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of the ticks."""
        steps = [each for each in (10.0, 100.0, 1_000.0, 10_000.0) if each <= self.most]
        signed = [-each for each in reversed(steps)] + [0.0, *steps]
        return [(self.at(each), "0" if not each else f"{each:+,.0f} %") for each in signed]

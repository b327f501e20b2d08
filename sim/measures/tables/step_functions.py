"""Step functions and their averages over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.measures.tables.event_table import Floats, Rows, Truths


@dataclass(frozen=True)
class Steps:
    """A step function within a window: `levels[i]` lasts for `seconds[i]`."""

    levels: Floats
    seconds: Floats

    @classmethod
    def of(cls, initial: float, times: Floats, changes: Floats, start: float, end: float) -> Steps:
        """The function that starts at `initial` and changes by `changes` at `times` (ascending)."""
        levels = initial + np.concatenate(([0.0], np.cumsum(changes)))
        edges = np.concatenate(([start], np.clip(times, start, end), [end]))
        return cls(levels, np.diff(edges))

    @property
    def mean(self) -> float | None:
        """Average over time: Σ level·seconds / Σ seconds; None when the window is empty."""
        window = float(self.seconds.sum())
        return float((self.levels * self.seconds).sum()) / window if window > 0 else None

    @property
    def max(self) -> float | None:
        """The highest level with a positive duration; changes within one instant do not count."""
        lasting = self.levels[self.seconds > 0]
        return float(lasting.max()) if len(lasting) else None

    def share(self, holds: Truths) -> float | None:
        """Fraction of time in which `holds` is true; it has one boolean per level."""
        window = float(self.seconds.sum())
        return float(self.seconds[holds].sum()) / window if window > 0 else None


def overlap(starts: Floats, ends: Floats, start: float, end: float) -> float:
    """Total length in seconds of intervals within a window: Σ max(0, min(ends, end) − max(starts, start))."""
    return float(np.maximum(np.minimum(ends, end) - np.maximum(starts, start), 0.0).sum())


def running_totals(groups: NDArray[np.integer[Any]], changes: Floats) -> Floats:
    """Running totals of `changes` that restart with each group; equal groups are adjacent."""
    totals = np.cumsum(changes)
    first = group_starts(groups)
    lengths = np.append(first[1:], len(groups)) - first
    before: Floats = totals[first] - changes[first]
    return totals - np.repeat(before, lengths)


def group_starts(groups: NDArray[np.integer[Any]]) -> Rows:
    """The index at which each group begins; equal groups are adjacent."""
    begins = np.ones(len(groups), dtype=bool)
    begins[1:] = groups[1:] != groups[:-1]
    return np.flatnonzero(begins)

"""Clocks that may be wrong: fast, slow, or shifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import simpy


@dataclass(frozen=True, eq=False)
class _Skew:
    """One error of a clock from an instant on: a jump in seconds, and a factor of its rate."""

    since: float
    offset: float
    rate: float


class Clock:
    """The clock of an agent or of the queue, in seconds. `on_change(clock)` is called after it has been set."""

    def __init__(self, env: simpy.Environment, on_change: Callable[[Clock], None]) -> None:
        self._env = env
        self._set_at = self._shown = env.now
        self._skews: list[_Skew] = []
        self.rate = 1.0
        self._on_change = on_change

    @property
    def now(self) -> float:
        """The time that the clock shows."""
        return self._shown + (self._env.now - self._set_at) * self.rate

    @property
    def is_right(self) -> bool:
        """Whether the clock is correct."""
        return not self._skews

    def until(self, shown: float) -> float:
        """True seconds until the clock shows this time at its current rate; 0 if that time has passed."""
        return max(0.0, (shown - self.now) / self.rate)

    def skew(self, offset: float, rate: float) -> Callable[[], None]:
        """Shifts the clock by `offset` seconds and multiplies its rate by `rate`; returns the function that ends it.

        After the end the clock shows what it would without this skew: the true time when none is left.
        """
        skew = _Skew(self._env.now, offset, rate)
        self._skews.append(skew)
        self._set()

        def end() -> None:
            self._skews.remove(skew)
            self._set()

        return end

    def _set(self) -> None:
        """Set the clock by the active skews, in the order in which they began."""
        now = self._env.now
        error, since, self.rate = 0.0, now, 1.0
        for skew in self._skews:
            error += (self.rate - 1) * (skew.since - since) + skew.offset
            since, self.rate = skew.since, self.rate * skew.rate
        self._set_at, self._shown = now, now + error + (self.rate - 1) * (now - since)
        self._on_change(self)

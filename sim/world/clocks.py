"""Clocks that may be wrong: fast, slow, or shifted."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import simpy


class Clock:
    """The clock of an agent or of the queue, in seconds. `on_change(clock)` is called after it has been set."""

    def __init__(self, env: simpy.Environment, on_change: Callable[[Clock], None]) -> None:
        self._env = env
        self._set_at = self._shown = env.now
        self._rates: list[float] = []
        self.rate = 1.0
        self._on_change = on_change

    @property
    def now(self) -> float:
        """The time that the clock shows."""
        return self._shown + (self._env.now - self._set_at) * self.rate

    @property
    def is_right(self) -> bool:
        """Whether the clock is correct."""
        return not self._rates

    def until(self, shown: float) -> float:
        """True seconds until the clock shows this time at its current rate; 0 if that time has passed."""
        return max(0.0, (shown - self.now) / self.rate)

    def skew(self, offset: float, rate: float) -> Callable[[], None]:
        """Shifts the clock by `offset` seconds and multiplies its rate by `rate`; returns the function that ends it.

        When the last skew ends, the clock is set to the true time.
        """
        self._rates.append(rate)
        self._set(self.now + offset)

        def end() -> None:
            self._rates.remove(rate)
            self._set(self.now if self._rates else self._env.now)

        return end

    def _set(self, shown: float) -> None:
        self._shown, self._set_at = shown, self._env.now
        self.rate = prod(self._rates, start=1.0)
        self._on_change(self)

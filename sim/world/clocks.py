"""Clocks that may be wrong: one of them runs fast or slow, or jumps."""

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
        """What it shows."""
        return self._shown + (self._env.now - self._set_at) * self.rate

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self._rates

    def until(self, shown: float) -> float:
        """True seconds until it shows this, if nothing changes; 0 when it has."""
        return max(0.0, (shown - self.now) / self.rate)

    def skew(self, offset: float, rate: float) -> Callable[[], None]:
        """Jump ahead by `offset` seconds, and run at `rate` times its rate; returns what ends it.

        When nothing is wrong with it any more, it is set right.
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

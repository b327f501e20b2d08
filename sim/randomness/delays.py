"""Drawn delays that elapse: a branch redraws each, conditional on the time that has already passed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import simpy

from sim.loop.callbacks import EventCallback, Timer, after, disarm
from sim.randomness.streams import Residual, Samplable, Streams


class Wait(Protocol):
    """Calls `callback` after a drawn delay."""

    def __call__(
        self, drawn: float, callback: EventCallback, value: object = None, *, key: object = None, scale: float = 1.0
    ) -> None:
        """Call `callback(timer)` in `drawn * scale` seconds; `timer._value` is `value`.

        Delays with one `key` that begin at one instant are one draw: they are redrawn together. Without a key, a delay
        is a draw of its own.
        """


@dataclass(eq=False, slots=True)
class _Pending:
    name: str
    since: float
    scale: float
    callback: EventCallback
    value: object
    timer: Timer | None = None


def drawn_delays(env: simpy.Environment, streams: Streams, name: str, distribution: Samplable) -> Wait:
    """A function that waits for delays from this distribution. `name` is the base name of the streams of redraws."""
    if not streams.branches or distribution.constant is not None:
        return partial(_wait, env)
    return _Redrawn(env, streams, name, distribution).wait


def _wait(
    env: simpy.Environment,
    drawn: float,
    callback: EventCallback,
    value: object = None,
    *,
    key: object = None,
    scale: float = 1.0,
) -> None:
    after(env, drawn * scale, callback, value)


class _Redrawn:
    def __init__(self, env: simpy.Environment, streams: Streams, name: str, distribution: Samplable) -> None:
        self._env = env
        self._name = name
        self._distribution = distribution
        self._pending: dict[int, _Pending] = {}
        self._begun = 0
        streams.on_branch(self._redraw)

    def wait(
        self, drawn: float, callback: EventCallback, value: object = None, *, key: object = None, scale: float = 1.0
    ) -> None:
        number = self._begun
        self._begun += 1
        name = f"{self._name}.{f'nth.{number}' if key is None else key}"
        pending = self._pending[number] = _Pending(name, self._env.now, scale, callback, value)
        pending.timer = after(self._env, drawn * scale, self._elapsed, number)

    def _elapsed(self, timer: Timer) -> None:
        pending = self._pending.pop(timer._value)
        timer._value = pending.value
        pending.callback(timer)

    def _redraw(self, residual: Residual) -> None:
        """A residual depends on its name and age alone, so that delays with one key stay equal."""
        for number, pending in self._pending.items():
            age = self._env.now - pending.since
            drawn = residual(pending.name, self._distribution, age / pending.scale)
            if drawn is not None:
                disarm(pending.timer)
                pending.timer = after(self._env, max(0.0, drawn * pending.scale - age), self._elapsed, number)

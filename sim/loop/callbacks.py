"""Timers of the world: a callback at an instant of SimPy's clock, without a process."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any, Final

import simpy
from simpy.events import NORMAL

EventCallback = Callable[[Any], None]
LAST: Final = NORMAL + 1
"""A priority of events behind all others of an instant."""
_DISARMED: Final[tuple[()]] = ()


class Timer:
    """A minimal SimPy event. It takes half the time of a `simpy.Timeout`, and most events of a world are timers."""

    __slots__ = ("_value", "callbacks")
    _ok = True
    _value: Any
    callbacks: tuple[EventCallback, ...] | None


def after(env: simpy.Environment, delay: float, callback: EventCallback, value: object = None) -> Timer:
    """Call `callback(timer)` in `delay` seconds; `timer._value` is `value`. Cancel with `disarm`."""
    timer = Timer()
    timer.callbacks = (callback,)
    timer._value = value
    heappush(env._queue, (env._now + delay, NORMAL, next(env._eid), timer))  # type: ignore[misc]
    return timer


def after_all(env: simpy.Environment, delay: float, callback: EventCallback, value: object = None) -> Timer:
    """As `after`, but after everything else that happens at that instant: for time limits, so that a tie is in time."""
    timer = Timer()
    timer.callbacks = (callback,)
    timer._value = value
    heappush(env._queue, (env._now + delay, LAST, next(env._eid), timer))  # type: ignore[misc]
    return timer


def disarm(timer: Timer | None) -> None:
    """Prevents a timer from calling back. None and timers that have fired are ignored."""
    if timer is not None and timer.callbacks:
        timer.callbacks = _DISARMED

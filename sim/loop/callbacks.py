"""Timers of the world: a callback at an instant of SimPy's clock, without a process."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any, Final

import simpy
from simpy.events import NORMAL

from recovery.policies.time_limits import TOLERANCE

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


class LastTimer(Timer):
    """A timer that may be set again for an instant that differs by rounding only."""

    __slots__ = ("env", "latest", "then")
    env: simpy.Environment
    latest: float
    then: EventCallback


def after(env: simpy.Environment, delay: float, callback: EventCallback, value: object = None) -> Timer:
    """Call `callback(timer)` in `delay` seconds; `timer._value` is `value`. Cancel with `disarm`."""
    timer = Timer()
    timer.callbacks = (callback,)
    timer._value = value
    heappush(env._queue, (env._now + delay, NORMAL, next(env._eid), timer))  # type: ignore[misc]
    return timer


def again(env: simpy.Environment, delay: float, callbacks: tuple[EventCallback, ...], timer: Timer) -> None:
    """Set a timer that has called back for another time, `delay` seconds from now, with the same value."""
    timer.callbacks = callbacks
    heappush(env._queue, (env._now + delay, NORMAL, next(env._eid), timer))  # type: ignore[misc]


def again_at(env: simpy.Environment, at: float, callbacks: tuple[EventCallback, ...], timer: Timer) -> None:
    """Set a timer that has called back for an instant, which is not in the past, with the same value."""
    timer.callbacks = callbacks
    heappush(env._queue, (at, NORMAL, next(env._eid), timer))  # type: ignore[misc]


def after_all(env: simpy.Environment, delay: float, callback: EventCallback, value: object = None) -> Timer:
    """As `after`, but after everything else that happens at that instant: for time limits, so that a tie is in time.

    Instants are sums of floats. What is due within `TOLERANCE` after the instant happens before as well.
    """
    timer = LastTimer()
    timer.callbacks = (_at_last,)
    timer._value = value
    timer.env, timer.then, timer.latest = env, callback, env._now + delay + TOLERANCE
    heappush(env._queue, (env._now + delay, LAST, next(env._eid), timer))  # type: ignore[misc]
    return timer


def _at_last(timer: LastTimer) -> None:
    env = timer.env
    queue = env._queue
    if queue and env._now < queue[0][0] <= timer.latest:
        timer.callbacks = (_at_last,)
        heappush(queue, (queue[0][0], LAST, next(env._eid), timer))  # type: ignore[misc]
    else:
        timer.then(timer)


def disarm(timer: Timer | None) -> None:
    """Prevents a timer from calling back. None and timers that have fired are ignored."""
    if timer is not None and timer.callbacks:
        timer.callbacks = _DISARMED

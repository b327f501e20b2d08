"""Timers of the world: a callback at an instant of SimPy's clock, without a process around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import Timeout

EventCallback = Callable[[Any], None]


def after(env: simpy.Environment, delay: float, callback: EventCallback, value: object = None) -> Timeout:
    """Call `callback(event)` in `delay` seconds; `event._value` is `value`. Cancel with `disarm`."""
    timer = Timeout(env, delay, value)
    timer.callbacks.append(callback)
    return timer


def disarm(timer: Timeout | None) -> None:
    """Make a timer that has not fired do nothing; None and fired timers are let be."""
    if timer is not None and timer.callbacks:
        timer.callbacks.clear()

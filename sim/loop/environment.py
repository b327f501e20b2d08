"""A SimPy environment with a reference to its event loop."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop
from typing import Any, Final

import simpy
from simpy.core import EmptySchedule
from simpy.events import Event

from sim.loop.base import LoopBase
from sim.loop.errors import Deadlock, who_waits
from sim.loop.handles import CANCELLED

_step: Final = simpy.Environment.step


class VirtualEnvironment(simpy.Environment):
    """A `simpy.Environment` for a loop: cancelled timers do not run and do not advance the clock to their deadlines."""

    loop: LoopBase | None = None

    def step(self) -> None:
        """Process the next event. Raises `simpy.core.EmptySchedule` when there is none."""
        queue: list[Any] = self._queue
        if queue and queue[0][3].callbacks is CANCELLED:
            drop_cancelled(queue)
        _step(self)

    def run(self, until: float | Event | None = None) -> Any:
        """As SimPy's `run`, with the loop as the running one. Raises Deadlock when the event to run until can never
        occur.
        """
        loop = self.loop
        if loop is None:
            return super().run(until)
        try:
            return loop._run_environment(lambda: super(VirtualEnvironment, self).run(until))
        except RuntimeError as error:
            if isinstance(error.__context__, EmptySchedule):
                raise Deadlock(f"{who_waits(loop)}\n  env.run() waits for {until!r}") from None
            raise


def steps_plainly(env: simpy.Environment) -> bool:
    """Whether the environment's `step` is not overridden, so that the loop may process an event itself."""
    return type(env).step in (simpy.Environment.step, VirtualEnvironment.step) and "step" not in vars(env)


def drop_cancelled(queue: list[Any]) -> None:
    """Drop cancelled timers at the head of an environment's heap."""
    while queue and queue[0][3].callbacks is CANCELLED:
        heappop(queue)


def keep(queue: list[Any], alive: Callable[[Any], bool]) -> None:
    """Keep only those events on an environment's heap that are `alive`."""
    queue[:] = [entry for entry in queue if alive(entry[3])]
    heapify(queue)

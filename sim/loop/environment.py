"""A SimPy environment with a reference to its event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from itertools import chain, count
from math import nan
from typing import Any, Final

import simpy
from simpy.core import EmptySchedule
from simpy.events import Event

from sim.loop.base import LoopBase
from sim.loop.errors import Deadlock, Livelock, what_repeats, who_waits
from sim.loop.handles import CANCELLED

_step: Final = simpy.Environment.step
_BATCH: Final = 50_000  # numbers of events between two looks at the clock
FIRST: Final = -1  # a priority of events before all others of an instant


class VirtualEnvironment(simpy.Environment):
    """A `simpy.Environment` for a loop: cancelled timers do not run and do not advance the clock to their deadlines.

    Raises Livelock after `max_events` events at one instant, or `events_per_pending` for each pending event, if that
    is more.
    """

    loop: LoopBase | None = None
    max_events: int = 1_000_000
    events_per_pending: int = 10

    def __init__(self, initial_time: float = 0.0) -> None:
        super().__init__(initial_time)
        self._eid: Iterator[int] = chain.from_iterable(self._numbers())  # type: ignore[assignment]

    def _numbers(self) -> Iterator[range]:
        """The numbers of events, in batches: there is a look at the clock for each batch, and none for each event."""
        instant, events = nan, 0
        for first in count(0, _BATCH):
            events = events + _BATCH if self._now == instant else 0
            instant = self._now
            pending = len(self._queue)
            if events - pending > max(self.max_events, self.events_per_pending * pending):
                events = 0  # after a Livelock, a run may go on
                alarm = Event(self)
                alarm.callbacks, alarm._ok = [self._end], True
                heappush(self._queue, (instant, FIRST, first, alarm))  # type: ignore[misc]
            yield range(first, first + _BATCH)

    def _end(self, _: Event) -> None:
        raise Livelock(what_repeats(self, self.max_events))

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

"""Faults with a condition: it is evaluated when its quantity may have changed, without polling.

Every change is recorded in the history, so the events of the history trigger evaluations. Intermediate states within
one call are not visible: the evaluation follows it, at the same instant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from scenarios.faults import Trigger
from scenarios.faults.trigger import FAULT, PROGRESS, STEP
from sim.faults.injection import Site
from sim.history import Event
from sim.loop.callbacks import Timer, after, disarm
from sim.measures.tables.ground_truth import AGENT_CHANGES
from sim.measures.tables.recoveries import RECOVERY_ENDS
from sim.world.entities import Attempt

POOL_CHANGES = (
    Event.RESOURCE_ALLOCATED,
    Event.RESOURCE_RELEASED,
    Event.RESOURCE_UNAVAILABLE,
    Event.RESOURCE_AVAILABLE,
    Event.RESOURCE_LEAKED,
    Event.RESOURCE_FOUND,
)
CHANGES: Mapping[str, tuple[Event, ...]] = MappingProxyType(
    {
        "queue.depth": (Event.QUEUE_ENTERED, Event.QUEUE_DELIVERED, Event.QUEUE_WITHDRAWN),
        "agents.up": AGENT_CHANGES,
        "resources.NAME.available": POOL_CHANGES,
        "resources.NAME.free": POOL_CHANGES,
    }
)
"""The events after which each quantity is evaluated."""
TALLIES: Mapping[str, Mapping[Event, int]] = MappingProxyType(
    {
        "tasks.submitted": {Event.TASK_SUBMITTED: 1},
        "tasks.completed": {Event.TASK_COMPLETED: 1},
        "tasks.failed": {Event.TASK_FAILED: 1},
        "recovery.open": {Event.RECOVERY_OPENED: 1} | dict.fromkeys(RECOVERY_ENDS, -1),
    }
)
"""The amount that each event adds to a counter."""
BECAME = {"injected": Event.FAULT_INJECTED, "cleared": Event.FAULT_CLEARED}


class Watch(Protocol):
    """One condition."""

    @property
    def events(self) -> Collection[int]:
        """The events that may change its quantity."""

    def see(self, event: int, task: int, detail: str) -> bool:
        """Process one of these events; returns whether the condition must be evaluated."""

    def holds(self) -> bool:
        """Whether it is true now."""


class Triggers:
    """All faults of a run that wait for a condition, each with its injector."""

    def __init__(self, site: Site, waiting: Sequence[tuple[Trigger, Callable[[], None]]]) -> None:
        self._site = site
        self._waiting = [(_watch(site, trigger, self._evaluate_soon), happen) for trigger, happen in waiting]
        self._doubtful: dict[Watch, None] = {}
        self._by_event = self._watches_by_event()

    def _watches_by_event(self) -> dict[int, list[Watch]]:
        """The conditions that are waited for, by the events that may change them."""
        found: dict[int, list[Watch]] = {}
        for watch, _ in self._waiting:
            for event in watch.events:
                found.setdefault(event, []).append(watch)
        return found

    def start(self) -> None:
        """Evaluate all conditions immediately, and each one again after relevant events."""
        for watch, _ in self._waiting:
            self._evaluate_soon(watch)
        self._site.world.history.watch(self._see, self._by_event)

    def _see(self, event: int, task: int, agent: int, incident: int, detail: str) -> None:
        for watch in self._by_event.get(event, ()):
            if watch.see(event, task, detail):
                self._evaluate_soon(watch)

    def _evaluate_soon(self, watch: Watch) -> None:
        if not self._doubtful:
            after(self._site.env, 0.0, self._evaluate)
        self._doubtful[watch] = None

    def _evaluate(self, _: object) -> None:
        """Inject the faults whose conditions are true; all conditions are evaluated before the first injection."""
        doubtful, self._doubtful = self._doubtful, {}
        true = {watch: None for watch in doubtful if watch.holds()}
        due = [happen for watch, happen in self._waiting if watch in true]
        self._waiting = [(watch, happen) for watch, happen in self._waiting if watch not in true]
        if true:
            self._by_event = self._watches_by_event()
        if not self._waiting:
            self._site.world.history.unwatch(self._see)
        for happen in due:
            happen()


class _Level:
    """A quantity that is read from the world."""

    def __init__(self, trigger: Trigger, level: Callable[[], float]) -> None:
        self._trigger = trigger
        self.events = CHANGES[trigger.about]
        self._level = level

    def see(self, event: int, task: int, detail: str) -> bool:
        return True

    def holds(self) -> bool:
        return self._trigger.holds(self._level())


class _Tally:
    """A quantity that is counted from events."""

    def __init__(self, site: Site, trigger: Trigger) -> None:
        self._trigger = trigger
        self._steps: Mapping[int, int] = {int(event): step for event, step in TALLIES[trigger.about].items()}
        self.events = self._steps.keys()
        events = np.asarray(site.world.history.rows.column("event"))
        self._number = sum(step * int(np.count_nonzero(events == event)) for event, step in self._steps.items())

    def see(self, event: int, task: int, detail: str) -> bool:
        self._number += self._steps[event]
        return True

    def holds(self) -> bool:
        return self._trigger.holds(self._number)


class _Single:
    """One event of a kind."""

    def __init__(self, event: Event, detail: str) -> None:
        self.events = (event,)
        self._detail = detail
        self._seen = False

    def see(self, event: int, task: int, detail: str) -> bool:
        seen = detail == self._detail
        self._seen = self._seen or seen
        return seen

    def holds(self) -> bool:
        return self._seen


class _Progress:
    """A fraction of a running task's work is done: a timer is set for the expected time, unless an event changes it."""

    _BEGUN = (Event.ATTEMPT_STARTED, Event.CALL_ANSWERED)
    _OTHER_SPEEDS = (Event.AGENT_WOKE, Event.FAULT_INJECTED, Event.FAULT_CLEARED)  # perhaps
    events = (*_BEGUN, *_OTHER_SPEEDS)

    def __init__(self, site: Site, trigger: Trigger, evaluate_soon: Callable[[Watch], None]) -> None:
        assert isinstance(trigger.value, float)
        self._site = site
        self._part = trigger.value
        self._evaluate_soon = evaluate_soon
        self._timers: dict[Attempt, Timer] = {}
        self._tasks: dict[int, None] = {}
        self._all = True  # must be evaluated, not only the attempts at `_tasks`

    def see(self, event: int, task: int, detail: str) -> bool:
        if event in self._BEGUN:
            self._tasks[task] = None
        else:
            self._all = True
        return True

    def holds(self) -> bool:
        tasks = self._site.world.tasks
        attempts = (
            self._site.running()
            if self._all
            else [attempt for number in self._tasks if number in tasks for attempt in tasks[number].attempts]
        )
        self._all = False
        self._tasks.clear()
        if any(self._reached(attempt) for attempt in attempts):
            for timer in self._timers.values():
                disarm(timer)
            return True
        return False

    def _reached(self, attempt: Attempt) -> bool:
        disarm(self._timers.pop(attempt, None))
        if not attempt.started or attempt not in attempt.agent.attempts:
            return False
        env, execution = self._site.env, self._site.world.execution
        left = (self._part * attempt.task.work - execution.progress_of(attempt)) * attempt.slowness
        if env.now + left <= env.now:
            return True
        if attempt.frozen or attempt.call is not None:
            return False  # until its agent resumes, or its call is answered
        if attempt.working_since is None:  # it reads or writes a checkpoint
            left += attempt.due - env.now
        self._timers[attempt] = after(env, left, self._arrive, attempt)
        return False

    def _arrive(self, timer: Timer) -> None:
        attempt: Attempt = timer._value
        del self._timers[attempt]
        self._tasks[attempt.task.number] = None
        self._evaluate_soon(self)


def _watch(site: Site, trigger: Trigger, evaluate_soon: Callable[[Watch], None]) -> Watch:
    world = site.world
    if trigger.about == PROGRESS:
        return _Progress(site, trigger, evaluate_soon)
    if trigger.about == STEP:
        return _Single(Event.STEP_STARTED, str(trigger.value))
    if trigger.about == FAULT:
        return _Single(BECAME[str(trigger.value)], trigger.name)
    if trigger.about in TALLIES:
        return _Tally(site, trigger)
    if trigger.about == "queue.depth":
        return _Level(trigger, lambda: world.queue.depth)
    if trigger.about == "agents.up":
        return _Level(trigger, lambda: sum(agent.responding for agent in site.agents))
    pool, what = world.pools.pools[trigger.name], trigger.about.rpartition(".")[2]
    return _Level(trigger, lambda: float(getattr(pool, what)))

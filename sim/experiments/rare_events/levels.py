"""Levels: numbers that measure how close a run is to a rare event.

A level is tracked event by event during the run. Its records are kept: each new maximum, with the number of events
after which it was reached.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import simpy

from sim.history import Event, History
from sim.measures.tables.ground_truth import AGENT_CHANGES, AGENT_RETURNS
from sim.measures.tables.recoveries import RECOVERY_ENDS

Climb = tuple[tuple[float, int], ...]
"""Records of a level, ascending, each with the number of events after which it was reached."""
TASK_ENDS = frozenset({Event.TASK_COMPLETED, Event.TASK_FAILED, Event.TASK_REJECTED})
LINE: Mapping[int, int] = MappingProxyType(
    {Event.QUEUE_ENTERED: 1, Event.QUEUE_DELIVERED: -1, Event.QUEUE_WITHDRAWN: -1}
)


def _seconds(age: float) -> float:
    """Rounded to the microsecond: rounding errors of sums are not new maxima."""
    return round(age, 6)


class Tracker(Protocol):
    """Tracks a number."""

    def see(self, event: int, task: int, agent: int, incident: int, now: float) -> float:
        """The number after an event."""


class _Down:
    """Agents that are crashed, hung or stopped."""

    def __init__(self) -> None:
        self._down: dict[int, None] = {}

    def see(self, event: int, task: int, agent: int, incident: int, now: float) -> float:
        if event in AGENT_RETURNS:
            self._down.pop(agent, None)
        elif event in AGENT_CHANGES:
            self._down[agent] = None
        return float(len(self._down))


class _Waiting:
    """Queued tasks."""

    def __init__(self) -> None:
        self._depth = 0

    def see(self, event: int, task: int, agent: int, incident: int, now: float) -> float:
        self._depth += LINE.get(event, 0)
        return float(self._depth)


class _Open:
    """Submitted tasks that have not ended, or open recoveries; or the age of the oldest of them."""

    def __init__(self, begins: Event, ends: Collection[int], *, age: bool) -> None:
        self._begins = begins
        self._ends = ends
        self._of_tasks = begins is Event.TASK_SUBMITTED
        self._age = age
        self._since: dict[int, float] = {}

    def see(self, event: int, task: int, agent: int, incident: int, now: float) -> float:
        number = task if self._of_tasks else incident
        if event == self._begins:
            self._since[number] = now
        level = self._level(now)
        if event in self._ends:
            self._since.pop(number, None)
        return level

    def _level(self, now: float) -> float:
        if not self._age:
            return float(len(self._since))
        return _seconds(now - next(iter(self._since.values()), now))


class _Attempts:
    """Attempts at the task with the most attempts."""

    def __init__(self) -> None:
        self._attempts: dict[int, int] = {}

    def see(self, event: int, task: int, agent: int, incident: int, now: float) -> float:
        if event == Event.ATTEMPT_STARTED:
            number = self._attempts[task] = self._attempts.get(task, 0) + 1
            return float(number)
        if event in TASK_ENDS:
            self._attempts.pop(task, None)
        return 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """A number that rises before a rare event. `about`: beginnings of the names of metrics to which it leads."""

    name: str
    meaning: str
    unit: str
    tracker: Callable[[], Tracker]
    about: tuple[str, ...] = ()


LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        level.name: level
        for level in (
            Level("queue.depth", "queued tasks", "tasks", _Waiting, ("queue.depth.", "tasks.rejected")),
            Level(
                "tasks.in_system",
                "unfinished tasks",
                "tasks",
                lambda: _Open(Event.TASK_SUBMITTED, TASK_ENDS, age=False),
                ("tasks.in_system.", "tasks.in_queue.", "tasks.unfinished"),
            ),
            Level(
                "tasks.age",
                "the age of the oldest unfinished task",
                "s",
                lambda: _Open(Event.TASK_SUBMITTED, TASK_ENDS, age=True),
                ("tasks.sojourn.", "tasks.wait.", "client.response."),
            ),
            Level(
                "tasks.attempts",
                "the maximum number of attempts at one task",
                "attempts",
                _Attempts,
                ("retries.exhausted", "tasks.failed", "attempts.per_task.", "attempts.amplification"),
            ),
            Level("agents.down", "crashed, hung or stopped agents", "agents", _Down, ("agents.",)),
            Level(
                "recovery.open",
                "open recoveries",
                "recoveries",
                lambda: _Open(Event.RECOVERY_OPENED, RECOVERY_ENDS, age=False),
                ("recovery.count", "recovery.failed", "recovery.escalated", "recovery.wait."),
            ),
            Level(
                "recovery.age",
                "the age of the oldest open recovery",
                "s",
                lambda: _Open(Event.RECOVERY_OPENED, RECOVERY_ENDS, age=True),
                ("recovery.",),
            ),
        )
    }
)
"""All levels."""


def natural_level(metric: str) -> Level | None:
    """The level that leads to a metric; None: there is none."""
    return next((level for level in LEVELS.values() if metric.startswith(level.about)), None)


class Climber:
    """Records the maxima of a level."""

    def __init__(self, level: Level, history: History, env: simpy.Environment) -> None:
        self._tracker = level.tracker()
        self._history = history
        self._env = env
        self._highest = 0.0
        self._records: list[tuple[float, int]] = []
        history.watch(self._seen)

    @property
    def climb(self) -> Climb:
        """The records so far."""
        return tuple(self._records)

    def _seen(self, event: int, task: int, agent: int, incident: int, detail: str) -> None:
        level = self._tracker.see(event, task, agent, incident, self._env.now)
        if level > self._highest:
            self._highest = level
            self._records.append((level, len(self._history)))

"""Ends a run in which the same things happen again and again while no virtual time passes.

Such a run would never end. Examples: an agent that a poison task kills as soon as it starts, and that is restarted at
once; retries without a delay, without a limit and without work; a client that repeats a rejected request at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Final

import simpy

from sim.history import Event, History
from sim.history.storage import Row
from sim.loop import Livelock, SimLoop

WIDTH: Final = 1e-6
"""What happens within this share of the run's duration counts as one instant."""
REPETITIONS: Final = 1000
"""Repetitions of one event for each subject, in the mean, from which on they are endless."""
MANY: Final = 20_000
"""From so many repetitions in all, a fifth for each subject is enough."""
_LIMIT: Final = "queue.max_deliveries"
_RESTARTS: Final = "agents.restart_time above 0s, or a limit: queue.max_deliveries, or max_retries of agent_failure"
_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "redelivery": f"a longer queue.ack_timeout, or a limit: {_LIMIT}",
        "undelivered": f"a limit: {_LIMIT}",
        "reassigned": _RESTARTS,
        "migrated": f"a retry_delay above 0s in recovery.conditions.resource_failure, or a limit: {_LIMIT}",
        "retry": f"a retry_delay above 0s in recovery.conditions.task_failure, or a limit: max_retries, or {_LIMIT}",
    }
)
"""What would end the repetitions, by the reason for which a task enters the queue."""


@dataclass(frozen=True, slots=True)
class _Repeated:
    """An event whose repetitions count. The first event of `REPEATED` that repeats too often is named."""

    verb: str
    subject: str = ""  # `request`: its number is the value of the event


REPEATED: Mapping[int, _Repeated] = MappingProxyType(
    {
        Event.CLIENT_RETRIED: _Repeated("was repeated", "request"),
        Event.QUEUE_ENTERED: _Repeated("was queued"),
        Event.RETRY_GRANTED: _Repeated("was granted a retry"),
        Event.RECOVERY_OPENED: _Repeated("failed"),
        Event.AGENT_RESTARTED: _Repeated("was restarted"),
        Event.FAULT_INJECTED: _Repeated("was hit by a fault"),
    }
)


class Stopped(asyncio.CancelledError):
    """Ends what repeats. It is a cancellation, and not an error, so that no error handler of the core acts on it."""


class Standstill:
    """Looks at the events of a run whenever a chunk of its history is full, which costs nothing per event."""

    def __init__(self, history: History, loop: SimLoop, duration: float) -> None:
        self._history = history
        self._loop = loop
        self._width = WIDTH * duration
        self._since = -inf
        self._counts: dict[int, Counter[tuple[float | int, ...]]] = {event: Counter() for event in REPEATED}
        self._details: dict[int, int] = {}  # of the latest event of each kind
        self._found: Livelock | None = None

    def look(self, rows: Sequence[Row]) -> None:
        """Count the repetitions in a chunk. If they are endless, stop the loop and raise `Stopped`."""
        latest = rows[-1][0]
        if latest - self._since > self._width:  # time passes
            self._since = latest
            for counts in self._counts.values():
                counts.clear()
        for row in rows:
            time, event, task, agent, _, _, value, detail, about = row
            if time >= self._since and event in REPEATED:
                of_request = REPEATED[event].subject == "request"
                self._counts[event][(value,) if of_request else (task, agent, about)] += 1
                self._details[event] = detail
        for event, counts in self._counts.items():
            total, subjects = counts.total(), len(counts)
            if total >= REPETITIONS * subjects > 0 or (total >= MANY and total >= REPETITIONS / 5 * subjects):
                self._end(event, *counts.most_common(1)[0])

    def _end(self, event: int, key: tuple[float | int, ...], times: int) -> None:
        words = self._history.words
        if REPEATED[event].subject:
            name, detail = f"{REPEATED[event].subject} {key[0]:g}", ""
        else:
            task, agent, about = map(int, key)
            of_number = f"task.{task}" if task >= 0 else f"agent.{agent}"
            name, detail = words[about] or of_number, words[self._details[event]]
        verb = f"{REPEATED[event].verb} ({detail})" if detail else REPEATED[event].verb
        self._found = Livelock(
            f"no time passes at {self._since:g} s: {name} {verb} {times:,} times; valid: {_ends(event, detail)}"
        )
        self._loop.stop()
        raise Stopped

    def run(self, until: float | simpy.Event) -> None:
        """Run the environment. Raises Livelock if repetitions are endless."""
        with suppress(Stopped):
            self._loop.env.run(until=until)
        if self._found is not None:
            raise self._found


def _ends(event: int, detail: str) -> str:
    """What would end the repetitions of an event."""
    if event == Event.CLIENT_RETRIED:
        return "tasks.client.retry_delay above 0s, or fewer tasks.client.max_retries"
    if event == Event.QUEUE_ENTERED:
        return _KEYS.get(detail, f"a limit: {_LIMIT}")
    if event in {Event.RETRY_GRANTED, Event.RECOVERY_OPENED}:
        return f"in recovery.conditions.{detail}: a retry_delay above 0s, or a limit: max_retries"
    return _RESTARTS

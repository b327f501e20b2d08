"""Stalled tasks: an agent sends heartbeats, and its tasks make no progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isnan, nan

from recovery.policies.time_limits import in_time

Stalled = Callable[[str, tuple[str, ...]], None]
"""Called with an agent and its stalled tasks."""


class StalledTaskDetector:
    """Compares the progress of tasks in the heartbeats of their agent.

    A task is stalled if its progress has not changed for longer than `stalled_after` seconds. It is reported once, and
    again only after `again`. A task that is not in a heartbeat is not executed, and cannot be stalled.
    """

    def __init__(self, stalled_after: float, on_stalled: Stalled) -> None:
        self._stalled_after = stalled_after
        self._on_stalled = on_stalled
        self._agents: dict[str, dict[str, tuple[float, float]]] = {}  # by task: its progress, and since when

    def beat(self, agent_id: str, progress: Mapping[str, float], now: float) -> None:
        """Record a heartbeat with the progress of each task that the agent executes, in work-seconds."""
        before = self._agents.get(agent_id, {})
        seen = {
            task_id: known if (known := before.get(task_id)) and known[0] == done else _since(known, done, now)
            for task_id, done in progress.items()
        }
        self._agents[agent_id] = seen
        stalled = tuple(
            task_id for task_id, (_, since) in seen.items() if not in_time(now - since, self._stalled_after)
        )
        if stalled:
            seen.update({task_id: (seen[task_id][0], inf) for task_id in stalled})
            self._on_stalled(agent_id, stalled)

    def reported_before(self, agent_id: str, task_id: str) -> None:
        """Mark a task as reported by an earlier detector. Its progress is that of the next heartbeat."""
        self._agents.setdefault(agent_id, {})[task_id] = nan, inf

    def again(self, agent_id: str, now: float) -> None:
        """The report was a false alarm: report the tasks again if they are stalled for as long once more."""
        tasks = self._agents.get(agent_id, {})
        tasks.update({task_id: (done, now) for task_id, (done, since) in tasks.items() if since == inf})

    def forget(self, agent_id: str) -> None:
        """Delete the records of an agent."""
        self._agents.pop(agent_id, None)


def _since(known: tuple[float, float] | None, done: float, now: float) -> tuple[float, float]:
    """The record of a task with new progress. One that was reported before, with unknown progress, remains reported."""
    return (done, known[1]) if known is not None and isnan(known[0]) else (done, now)

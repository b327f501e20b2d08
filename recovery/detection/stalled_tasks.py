"""Stalled progress: an agent that beats and does not get on with its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

Stalled = Callable[[str, tuple[str, ...]], None]
"""Hears of an agent and the tasks on it that are stalled."""


class ProgressWatch:
    """Compares what an agent's heartbeats say of the tasks that it executes.

    A task is stalled when a beat comes that says what one has said at least `stalled_after` seconds before, and none in
    between has said otherwise. That is told once, and again only after `again`. A task that a beat leaves out is not
    being executed, and may take any time.
    """

    def __init__(self, stalled_after: float, on_stalled: Stalled) -> None:
        self._stalled_after = stalled_after
        self._on_stalled = on_stalled
        self._agents: dict[str, dict[str, tuple[float, float]]] = {}  # by task: its progress, and since when

    def beat(self, agent_id: str, progress: Mapping[str, float], now: float) -> None:
        """A beat came, with the progress of each task that the agent executes, in work-seconds."""
        before = self._agents.get(agent_id, {})
        seen = {
            task_id: known if (known := before.get(task_id)) and known[0] == done else (done, now)
            for task_id, done in progress.items()
        }
        self._agents[agent_id] = seen
        stalled = tuple(task_id for task_id, (_, since) in seen.items() if now - since >= self._stalled_after)
        if stalled:
            seen.update({task_id: (seen[task_id][0], inf) for task_id in stalled})
            self._on_stalled(agent_id, stalled)

    def again(self, agent_id: str, now: float) -> None:
        """What was told of the agent turned out to be nothing: what is still stalled after as long is told again."""
        tasks = self._agents.get(agent_id, {})
        tasks.update({task_id: (done, now) for task_id, (done, since) in tasks.items() if since == inf})

    def forget(self, agent_id: str) -> None:
        """Begin anew with an agent."""
        self._agents.pop(agent_id, None)

"""A replica of the checkpoint storage: what the core reads of checkpoints may be older than what was acknowledged.

Writes go to the primary, and task state is read from there; attempts load what was chosen for them from there as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import simpy

from recovery.model import Checkpoint
from recovery.stores import PlainTaskStore


class Replica:
    """Stands in for a task store (`as_store`). `lag`: how old, in seconds, what is read of checkpoints is."""

    def __init__(self, env: simpy.Environment, store: PlainTaskStore) -> None:
        self.lag = 0.0
        self._env = env
        self._store = store
        self._acknowledged: dict[str, list[float]] = {}  # of each checkpoint of a task, in order: when

    @property
    def as_store(self) -> PlainTaskStore:
        """The store with this replica in front of it."""
        return cast("PlainTaskStore", self)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a task store can do is done by the primary."""
        return getattr(self._store, name)

    def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """What has reached the replica, oldest first."""
        stored = self._store.checkpoints(task_id)
        if self.lag == 0:
            return stored
        latest = self._env.now - self.lag
        reached = sum(time <= latest for time in self._acknowledged.get(task_id, ()))
        return stored[:reached]

    def saved(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was stored by the primary."""
        self._acknowledged.setdefault(checkpoint.task_id, []).append(self._env.now)

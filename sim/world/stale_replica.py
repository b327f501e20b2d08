"""A replica of the checkpoint storage: the core may read older checkpoints than those acknowledged.

Writes go to the primary. Task state, and the checkpoints that attempts load, are read from the primary as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import simpy

from recovery.model import Checkpoint
from recovery.stores import PlainTaskStore


class Replica:
    """Replaces a task store (`as_store`). `lag` is the age, in seconds, of the checkpoints that are read."""

    def __init__(self, env: simpy.Environment, store: PlainTaskStore) -> None:
        self.lag = 0.0
        self._env = env
        self._store = store
        self._acknowledged: dict[str, list[float]] = {}  # acknowledgement times of each checkpoint of a task, in order

    @property
    def as_store(self) -> PlainTaskStore:
        """The store, read through this replica."""
        return cast("PlainTaskStore", self)

    def __getattr__(self, name: str) -> Any:
        """Any other operation of the store, done by the primary."""
        return getattr(self._store, name)

    def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """Checkpoints that have reached the replica, oldest first."""
        stored = self._store.checkpoints(task_id)
        if self.lag == 0:
            return stored
        latest = self._env.now - self.lag
        reached = sum(time <= latest for time in self._acknowledged.get(task_id, ()))
        return stored[:reached]

    def saved(self, task_id: str) -> None:
        """A checkpoint of a task was stored by the primary."""
        self._acknowledged.setdefault(task_id, []).append(self._env.now)

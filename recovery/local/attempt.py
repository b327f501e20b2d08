"""An attempt at a task, the argument of a handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recovery.errors import RecoveryBenchError
from recovery.model import Checkpoint
from recovery.stores.sql_tasks import SqlTaskStore


class Fenced(RecoveryBenchError):
    """The attempt is fenced: its agent was suspected, and the task is executed elsewhere."""


class Attempt:
    """The argument of a handler. The handler returns the task's effect as JSON data, which is committed exactly once.

    `payload` is that of the submitted task; `progress` and `state` are those of the checkpoint from which the attempt
    starts: 0 and None at the beginning. A handler may be interrupted anywhere and called again, so that its effects
    outside of the store have to be idempotent.
    """

    def __init__(
        self, store: SqlTaskStore, task_id: str, epoch: int, payload: Any, start: Checkpoint | None = None
    ) -> None:
        self.task_id = task_id
        self.epoch = epoch
        self.payload = payload
        self.progress = 0.0 if start is None else start.progress
        self.state = None if start is None else start.state
        self._store = store

    def save(self, progress: float, state: Any = None) -> None:
        """Save a durable checkpoint. Raises Fenced if the attempt is fenced, ValueError if the state is not JSON."""
        if self._store.save_checkpoint(self.task_id, self.epoch, progress, state) is None:
            raise Fenced(f"{self.task_id}: epoch {self.epoch} is fenced")
        self.progress, self.state = progress, state


Handler = Callable[[Attempt], Any]
"""Executes a task: takes an `Attempt`, and returns the effect. The attempt fails if it raises an exception.

The error code is the exception's attribute `error_code`, else the name of its class.
"""

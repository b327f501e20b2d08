"""An attempt at a task, as the function sees it that does the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recovery.errors import RecoveryBenchError
from recovery.stores.sql_tasks import SqlTaskStore


class Fenced(RecoveryBenchError):
    """This attempt may not act any more: its agent was taken for dead, and the task goes on elsewhere."""


class Attempt:
    """What a handler is called with. What it returns, as JSON has it, is the task's effect, and stands once.

    `payload` is what the task was submitted with, `progress` and `state` are those of the checkpoint that it starts
    from: 0 and None at the beginning. A handler may be cut off anywhere and begun again; what it does to others than
    the store is to be idempotent.
    """

    def __init__(self, store: SqlTaskStore, task_id: str, epoch: int, payload: Any) -> None:
        self.task_id = task_id
        self.epoch = epoch
        self.payload = payload
        start = store.restore_point(task_id)
        self.progress = 0.0 if start is None else start.progress
        self.state = None if start is None else start.state
        self._store = store

    def save(self, progress: float, state: Any = None) -> None:
        """Save a checkpoint, durably. Raises Fenced when this attempt may not act any more, ValueError for a state
        that is no JSON.
        """
        if self._store.save_checkpoint(self.task_id, self.epoch, progress, state) is None:
            raise Fenced(f"{self.task_id}: epoch {self.epoch} is void")
        self.progress, self.state = progress, state


Handler = Callable[[Attempt], Any]
"""Does the work of a task: takes an `Attempt`, returns the effect. What it raises has the attempt fail.

The error code is the exception's attribute `error_code`, else the name of its class.
"""

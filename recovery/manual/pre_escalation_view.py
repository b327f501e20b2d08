"""A task that was given up, seen as it was before: what an operator analyzes is what the core had before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from recovery.model import TaskStatus, TaskView
from recovery.ports import System


class _Beside:
    """A port of which some methods are others."""

    def __init__(self, port: Any, task_id: str, status: TaskStatus) -> None:
        self._port = port
        self._task_id = task_id
        self._status = status

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class _Store(_Beside):
    async def status(self, task_id: str) -> TaskStatus | None:
        return self._status if task_id == self._task_id else await self._port.status(task_id)


class _Tasks(_Beside):
    async def inspect(self, task_id: str) -> TaskView | None:
        view: TaskView | None = await self._port.inspect(task_id)
        return view if view is None or task_id != self._task_id else replace(view, status=self._status)


def as_it_was(system: System, task_id: str, status: TaskStatus) -> System:
    """The same system, in which this task has another status: to look at, and to change nothing through."""
    store, tasks = _Store(system.store, task_id, status), _Tasks(system.tasks, task_id, status)
    return replace(system, store=cast("Any", store), tasks=cast("Any", tasks))

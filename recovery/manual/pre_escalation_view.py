"""A view of the system in which an escalated task has the status that it had before its escalation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from recovery.model import TaskStatus, TaskView
from recovery.ports import System


class _Replaced:
    """A port with some methods replaced."""

    def __init__(self, port: Any, task_id: str, status: TaskStatus) -> None:
        self._port = port
        self._task_id = task_id
        self._status = status

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class _Store(_Replaced):
    async def status(self, task_id: str) -> TaskStatus | None:
        return self._status if task_id == self._task_id else await self._port.status(task_id)


class _Tasks(_Replaced):
    async def inspect(self, task_id: str) -> TaskView | None:
        view: TaskView | None = await self._port.inspect(task_id)
        return view if view is None or task_id != self._task_id else replace(view, status=self._status)


def pre_escalation_view(system: System, task_id: str, status: TaskStatus) -> System:
    """The system in which this task has another status. For analysis only: nothing may be changed through it."""
    store, tasks = _Store(system.store, task_id, status), _Tasks(system.tasks, task_id, status)
    return replace(system, store=cast("Any", store), tasks=cast("Any", tasks))

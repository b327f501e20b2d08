"""Orphaned tasks: failed or blocked tasks that no recovery covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recovery.model import HALTED, Failure, FailureKind, Symptom, TaskStatus, TaskView
from recovery.ports import System


def _never(task_id: str) -> bool:
    return False


async def orphaned_tasks(system: System, now: float, is_recovering: Callable[[str], bool] = _never) -> list[Failure]:
    """A failure for each failed or blocked task, the longest halted first; `now` is in seconds of the loop.

    Tasks for which `is_recovering` returns True are left out, and not inspected.
    """
    halted = [task_id for task_id in await system.store.halted() if not is_recovering(task_id)]
    views = [await system.tasks.inspect(task_id) for task_id in halted]
    return [seen(view, now) for view in views if view is not None and view.status in HALTED]


def seen(view: TaskView, now: float, *symptoms: Symptom) -> Failure:
    """The failure of a halted task, as a report of it would be, with additional symptoms."""
    blocked = view.status is TaskStatus.BLOCKED
    info: dict[str, Any] = {"error_code": view.error_code, "agent_id": view.agent}
    if view.kind is not None:
        info["task_kind"] = view.kind
    of_task = [Symptom("task_status", view.status.value, view.task_id)]
    if blocked:
        info["resource_ids"] = tuple(view.needs)
    else:
        of_task.append(Symptom("error_code", "present", view.task_id))
    kind = FailureKind.RESOURCE if blocked else FailureKind.TASK
    return Failure(kind, view.task_id, now, info, (*of_task, *symptoms))

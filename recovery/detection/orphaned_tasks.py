"""Tasks that are halted and of which nobody has told: as they are seen, they become failures like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recovery.model import HALTED, Failure, FailureKind, Symptom, TaskStatus, TaskView
from recovery.ports import System


def _nobody(task_id: str) -> bool:
    return False


async def orphaned_tasks(system: System, now: float, is_attended: Callable[[str], bool] = _nobody) -> list[Failure]:
    """A failure of each task that is failed or blocked, the longest halted first; `now` in seconds of the loop.

    What `is_attended` says somebody takes care of is left out, and not looked at.
    """
    halted = [task_id for task_id in await system.store.halted() if not is_attended(task_id)]
    views = [await system.tasks.inspect(task_id) for task_id in halted]
    return [seen(view, now) for view in views if view is not None and view.status in HALTED]


def seen(view: TaskView, now: float, *symptoms: Symptom) -> Failure:
    """What whoever reports a halted task would have said of it, and what else was seen."""
    blocked = view.status is TaskStatus.BLOCKED
    info: dict[str, Any] = {"error_code": view.error_code, "agent_id": view.agent}
    of_task = [Symptom("task_status", view.status.value, view.task_id)]
    if blocked:
        info["resource_ids"] = tuple(view.needs)
    else:
        of_task.append(Symptom("error_code", "present", view.task_id))
    kind = FailureKind.RESOURCE if blocked else FailureKind.TASK
    return Failure(kind, view.task_id, now, info, (*of_task, *symptoms))

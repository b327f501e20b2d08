"""The steps of the automatic procedures, by the names that a runbook uses.

The engine follows the entry of the failure that it has diagnosed, and not a procedure. A procedure is the same work for
callers that request it by name: clean up, restore, reallocate, resume.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from recovery.actions import commands
from recovery.actions.context import RecoveryContext
from recovery.actions.resources import ResourceManager
from recovery.actions.state import StateManager
from recovery.actions.tasks import TaskManager
from recovery.audit import AuditEvent
from recovery.runbook.procedures import STEP_NAMES

Stage = Callable[[RecoveryContext], Awaitable[bool]]


async def cleanup_previous(context: RecoveryContext) -> bool:
    """Fence and stop earlier attempts, and release what they held."""
    await _fence_and_stop(context)
    return await release_old_resources(context)


async def release_old_resources(context: RecoveryContext) -> bool:
    """Release all resources that the task holds."""
    return await commands.release_resources(context, task_id=context.incident.failure.subject)


async def restore_checkpoint(context: RecoveryContext) -> bool:
    """Choose the latest valid checkpoint for the next attempt."""
    return await commands.restore_checkpoint(context, task_id=context.incident.failure.subject)


async def update_task_state(context: RecoveryContext) -> bool:
    """Fence the attempt that lost its resources, and choose the latest valid checkpoint for the next one."""
    await _fence_and_stop(context)
    return await restore_checkpoint(context)


async def _fence_and_stop(context: RecoveryContext) -> None:
    incident, task_id = context.incident, context.incident.failure.subject
    incident.facts.fenced = await StateManager({}, context.system).fence(task_id, incident.number)
    await TaskManager({}, context.system).stop(task_id)


async def allocate_new_resources(context: RecoveryContext) -> bool:
    """Allocate everything that the task needs, or nothing."""
    task_id = context.incident.failure.subject
    needs = await ResourceManager({}, context.system).requirements(task_id)
    return await commands.allocate_new_resources(context, task_id=task_id, requirements=needs)


async def resume_execution(context: RecoveryContext) -> bool:
    """Resume the task with its new resources. Raises ValueError when no step has allocated them."""
    incident = context.incident
    if incident.facts.new_resources is None:
        raise ValueError(f"{incident.failure.subject}: no step has allocated resources")
    return await TaskManager({}, context.system).resume(
        incident.failure.subject, incident.facts.new_resources, incident.facts.fenced
    )


async def restart_execution(context: RecoveryContext) -> bool:
    """Queue the task for its next attempt, with its new resources if there are any."""
    incident = context.incident
    if incident.facts.new_resources:
        return await resume_execution(context)
    return await commands.retry_task(context, task_id=incident.failure.subject, retry_count=incident.tries)


STEPS: Mapping[str, Stage] = {
    "cleanup_previous": cleanup_previous,
    "restore_checkpoint": restore_checkpoint,
    "reallocate_resources": allocate_new_resources,
    "restart_execution": restart_execution,
    "release_old_resources": release_old_resources,
    "allocate_new_resources": allocate_new_resources,
    "update_task_state": update_task_state,
    "resume_execution": resume_execution,
}
"""The function of each step in `recovery.runbook.procedures.STEP_NAMES`."""
assert tuple(STEPS) == STEP_NAMES


async def execute_steps(steps: Sequence[str], context: RecoveryContext) -> bool:
    """Execute the steps in order and record each in the audit trail. False: one failed; the rest was not executed."""
    audit, incident = context.system.audit, context.incident
    for step in steps:
        audit.record(AuditEvent.STEP_STARTED, incident.number, incident.failure.subject, step)
        done = await STEPS[step](context)
        event = AuditEvent.STEP_COMPLETED if done else AuditEvent.STEP_FAILED
        audit.record(event, incident.number, incident.failure.subject, step)
        if not done:
            return False
    return True

"""The steps of the automatic procedures: each a stage of work through the ports, by the name that a runbook gives it.

The engine takes its steps from the entry of the failure that it sees. A procedure is the same work for whoever asks
for it by name: clean up, restore, reallocate, go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from recovery.actions import commands
from recovery.actions.resources import ResourceManager
from recovery.actions.state import StateManager
from recovery.actions.tasks import TaskManager
from recovery.model import Incident
from recovery.ports import System
from recovery.runbook.procedures import STEP_NAMES

Stage = Callable[[System, Incident], Awaitable[bool]]


async def cleanup_previous(system: System, incident: Incident) -> bool:
    """Void and stop what is left of earlier attempts, and give back what they held."""
    task_id = incident.failure.subject
    incident.context["fenced"] = await StateManager({}, system).fence(task_id, incident.number)
    await TaskManager({}, system).stop(task_id)
    return await release_old_resources(system, incident)


async def release_old_resources(system: System, incident: Incident) -> bool:
    """Give back all that the task holds."""
    return await commands.release_resources(system, incident, task_id=incident.failure.subject)


async def restore_checkpoint(system: System, incident: Incident) -> bool:
    """Let the next attempt start from the latest valid checkpoint."""
    return await commands.restore_checkpoint(system, incident, task_id=incident.failure.subject)


async def update_task_state(system: System, incident: Incident) -> bool:
    """Void the attempt that lost its resources, and let the next one start from the latest valid checkpoint."""
    task_id = incident.failure.subject
    incident.context["fenced"] = await StateManager({}, system).fence(task_id, incident.number)
    await TaskManager({}, system).stop(task_id)
    return await restore_checkpoint(system, incident)


async def allocate_new_resources(system: System, incident: Incident) -> bool:
    """Allocate all that the task needs, at once or not at all."""
    task_id = incident.failure.subject
    needs = await ResourceManager({}, system).requirements(task_id)
    return await commands.allocate_new_resources(system, incident, task_id=task_id, requirements=needs)


async def resume_execution(system: System, incident: Incident) -> bool:
    """Let the task go on with its new resources."""
    task_id, got = incident.failure.subject, incident.context["new_resources"]
    return await TaskManager({}, system).resume(task_id, got, incident.context.get("fenced"))


async def restart_execution(system: System, incident: Incident) -> bool:
    """Queue the task for its next attempt, with the resources that were allocated for it where there are any."""
    if incident.context.get("new_resources"):
        return await resume_execution(system, incident)
    return await commands.retry_task(system, incident, task_id=incident.failure.subject, retry_count=incident.tries)


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
"""What each step of `recovery.runbook.procedures.STEP_NAMES` does."""
assert tuple(STEPS) == STEP_NAMES


async def carry_out(steps: Sequence[str], system: System, incident: Incident) -> bool:
    """Take the steps in order, on record. False: one did not work, and those after it were not taken."""
    for step in steps:
        system.audit.record("step.started", incident.number, incident.failure.subject, step)
        done = await STEPS[step](system, incident)
        event = "step.completed" if done else "step.failed"
        system.audit.record(event, incident.number, incident.failure.subject, step)
        if not done:
            return False
    return True

"""Taking over: the tasks that an agent held go on elsewhere, each by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from recovery.actions.resources import ResourceManager
from recovery.actions.state import StateManager, state_recovery
from recovery.actions.tasks import TaskManager
from recovery.concurrency.bounded_gather import overlapping
from recovery.concurrency.pacing import NO_LIMIT, Pace
from recovery.concurrency.subject_locks import Exclusively
from recovery.model import FailureKind, Incident
from recovery.policies.retry import RetryPolicy
from recovery.ports import System


async def take_over(system: System, incident: Incident, agent_id: str) -> None:
    """Take over the tasks that the agent held when its recovery began, as many at once as the context's `parallel`.

    A task that an incident of its own takes care of is left to it, and so is one that is over, or that is somebody
    else's meanwhile. Where the kind of failure has a condition, each task counts a retry and is given up beyond it.
    What fails for one task is raised when the others are done, which are not taken over again by a further try.
    """
    works = [partial(_take_over, system, incident, agent_id, task_id) for task_id in incident.context.get("tasks", ())]
    await overlapping(works, incident.context.get("parallel"))


async def _take_over(system: System, incident: Incident, agent_id: str, task_id: str) -> None:
    if await _is_taken_care_of(system, incident, task_id):
        return
    pace: Pace = incident.context.get("pace", NO_LIMIT)
    await pace.keep(incident)
    exclusively: Exclusively = incident.context.get("exclusively", nullcontext)
    is_its_own = task_id == incident.failure.subject  # it was a task that told of its agent's failure
    async with nullcontext() if is_its_own else exclusively(task_id):
        await pace.go(incident)
        await _take_over_now(system, incident, agent_id, task_id)


async def _take_over_now(system: System, incident: Incident, agent_id: str, task_id: str) -> None:
    if await _is_taken_care_of(system, incident, task_id):  # time has passed
        return
    view = await system.tasks.inspect(task_id)
    if view is not None and view.agent not in {None, agent_id}:
        return  # it goes on elsewhere already
    if not await _may_be_retried(system, incident, task_id):
        system.audit.record("retry.exhausted", incident.number, task_id, FailureKind.AGENT.value)
        await system.store.escalate(task_id, "retries exhausted")
        await system.tasks.give_up(task_id, "retries exhausted")
        incident.context.setdefault("given_up", {})[task_id] = None
        system.keep(incident)
        return
    await system.journal.durable()  # that the one before was taken over
    tasks = TaskManager({}, system)
    fenced = await StateManager({}, system).fence(task_id, incident.number)
    await tasks.stop(task_id)
    await ResourceManager({}, system).release(task_id)
    await state_recovery(system, incident).recover_state(task_id, incident.number)
    await tasks.requeue(task_id, "reassigned", fenced)
    incident.context.setdefault("reassigned", {})[task_id] = None
    system.keep(incident)


async def _is_taken_care_of(system: System, incident: Incident, task_id: str) -> bool:
    is_recovering: Callable[[str], bool] = incident.context.get("is_recovering", lambda _: False)
    return (
        task_id in incident.context.get("reassigned", {})
        or (await StateManager({}, system).is_finished(task_id) and not _is_half_given_up(incident, task_id))
        or (is_recovering(task_id) and task_id != incident.failure.subject)
    )


def _is_half_given_up(incident: Incident, task_id: str) -> bool:
    """The core has ended in the middle of it."""
    context = incident.context
    return task_id in context.get("counted", {}) and not (
        _is_allowed(incident, task_id) or task_id in context.get("given_up", {})
    )


def _is_allowed(incident: Incident, task_id: str) -> bool:
    """Whether the retry that was counted of a task is one that it has."""
    policy: RetryPolicy | None = incident.context.get("condition")
    return policy is None or policy.allows(incident.context["counted"][task_id])


async def _may_be_retried(system: System, incident: Incident, task_id: str) -> bool:
    """Count a retry of the task, once in an incident, where the kind of failure has a condition."""
    if incident.context.get("condition") is None:
        return True
    counted: dict[str, int] = incident.context.setdefault("counted", {})
    if task_id not in counted:
        counted[task_id] = await system.store.retries(task_id, FailureKind.AGENT) + 1
        system.keep(incident)
        await system.journal.durable()
    await system.store.count_retry(task_id, FailureKind.AGENT, counted[task_id])
    return _is_allowed(incident, task_id)

"""Reassignment of the tasks of a failed agent, one by one."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from recovery.actions.context import RecoveryContext
from recovery.actions.resources import ResourceManager
from recovery.actions.state import StateManager, state_recovery
from recovery.actions.tasks import TaskManager
from recovery.audit import AuditEvent, EscalationReason
from recovery.concurrency.bounded_gather import bounded_gather
from recovery.model import FailureKind


async def reassign_tasks(context: RecoveryContext, agent_id: str) -> None:
    """Queue the tasks that the agent held when its recovery began, at most `services.parallel` at once.

    A task with an open incident of its own is skipped, and so is one that is finished or that runs on another agent. If
    the failure has a retry policy, each task counts a retry, and a task without a retry left is given up. An error of
    one task is raised when all others are done. A later call skips the tasks that are already reassigned.
    """
    tasks = [partial(_reassign, context, agent_id, task_id) for task_id in context.incident.facts.tasks]
    await bounded_gather(tasks, context.services.parallel)


async def _reassign(context: RecoveryContext, agent_id: str, task_id: str) -> None:
    if await _is_taken_care_of(context, task_id):
        return
    incident, services = context.incident, context.services
    await services.pacer.wait_for_token(incident)
    is_locked = task_id == incident.failure.subject  # a task's incident, diagnosed as a failure of its agent
    async with nullcontext() if is_locked else services.lock_of(task_id):
        await services.pacer.wait_to_start(incident)
        await _reassign_now(context, agent_id, task_id)


async def _reassign_now(context: RecoveryContext, agent_id: str, task_id: str) -> None:
    system, incident = context.system, context.incident
    if await _is_taken_care_of(context, task_id):  # it may have changed during the wait
        return
    view = await system.tasks.inspect(task_id)
    if view is not None and view.agent not in {None, agent_id}:
        return
    if not await _may_be_retried(context, task_id):
        system.audit.record(AuditEvent.RETRY_EXHAUSTED, incident.number, task_id, FailureKind.AGENT.value)
        await system.store.escalate(task_id, EscalationReason.RETRIES_EXHAUSTED)
        await system.tasks.give_up(task_id, EscalationReason.RETRIES_EXHAUSTED)
        incident.facts.given_up.append(task_id)
        system.keep(incident)
        return
    await system.journal.durable()  # the journal has the task before this one
    tasks = TaskManager({}, system)
    fenced = await StateManager({}, system).fence(task_id, incident.number)
    await tasks.stop(task_id)
    await ResourceManager({}, system).release(task_id)
    await state_recovery(context).recover_state(task_id, incident.number)
    await tasks.requeue(task_id, "reassigned", fenced)
    incident.facts.reassigned.append(task_id)
    system.keep(incident)


async def _is_taken_care_of(context: RecoveryContext, task_id: str) -> bool:
    incident = context.incident
    return (
        task_id in incident.facts.reassigned
        or (await StateManager({}, context.system).is_finished(task_id) and not _is_half_given_up(context, task_id))
        or (context.services.is_recovering(task_id) and task_id != incident.failure.subject)
    )


def _is_half_given_up(context: RecoveryContext, task_id: str) -> bool:
    """Whether an earlier core ended while it gave the task up."""
    facts = context.incident.facts
    return task_id in facts.counted and task_id not in facts.given_up and not _is_allowed(context, task_id)


def _is_allowed(context: RecoveryContext, task_id: str) -> bool:
    """Whether the policy allows the retry of the task that was counted."""
    policy = context.services.policy_of(context.incident.failure)
    return policy is None or policy.allows(context.incident.facts.counted[task_id])


async def _may_be_retried(context: RecoveryContext, task_id: str) -> bool:
    """Count a retry of the task, once per incident, and return whether the policy allows it."""
    system, incident = context.system, context.incident
    if context.services.policy_of(incident.failure) is None:
        return True
    counted = incident.facts.counted
    if task_id not in counted:
        counted[task_id] = await system.store.retries(task_id, FailureKind.AGENT) + 1
        system.keep(incident)
        await system.journal.durable()
    await system.store.count_retry(task_id, FailureKind.AGENT, counted[task_id])
    return _is_allowed(context, task_id)

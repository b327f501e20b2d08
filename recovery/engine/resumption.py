"""Resumption: the first step of a try, after an earlier try or an earlier core has completed some steps."""

from __future__ import annotations

from recovery.model import HALTED, TASK_KINDS, Incident, Phase, RecoveryStrategy
from recovery.ports import System

BEGUN = (Phase.STARTED, Phase.EXECUTING, Phase.EXECUTED)
"""The phases in which a try has begun."""


async def interrupted_plan(incident: Incident, system: System) -> RecoveryStrategy | None:
    """The plan of a try that an earlier core had begun, if it can be continued after its completed steps.

    None: the failure has to be analyzed again. No step was completed, or their effects no longer hold: an attempt at
    the task has begun after it was fenced, or the task does not hold its new resources.
    """
    if incident.phase is Phase.EXECUTED:
        return incident.strategy
    if incident.phase is not Phase.EXECUTING or next_step(incident) == 0:
        return None
    subject, fenced = incident.failure.subject, incident.facts.fenced
    if incident.failure.kind in TASK_KINDS and fenced is not None and await system.store.epoch(subject) > fenced:
        return None
    return incident.strategy if await _holds_its_allocation(incident, system) else None


async def failed_again(incident: Incident, system: System) -> bool:
    """Whether the task was retried by a try that an earlier core had begun, and has failed again since.

    That is another failure: if the try went on, it would retry the task once more, which no policy has granted.
    """
    subject, fenced = incident.failure.subject, incident.facts.fenced
    if incident.phase is not Phase.EXECUTING or incident.failure.kind not in TASK_KINDS or fenced is None:
        return False
    return await system.store.epoch(subject) > fenced and await system.store.status(subject) in HALTED


def next_step(incident: Incident) -> int:
    """The index of the first step of the plan that is not completed."""
    return max(incident.reached, 0) if incident.under_way else incident.reached + 1


async def first_step(incident: Incident, strategy: RecoveryStrategy, system: System) -> int:
    """The index of the step with which the try begins: the failed step, if the runbook says that it is resumed.

    It is 0 if the try has another plan, or if the task does not hold its new resources.
    """
    last = incident.strategy
    resumes = incident.resume_at is not None and last is not None and _same_steps(last, strategy)
    return (incident.resume_at or 0) if resumes and await _holds_its_allocation(incident, system) else 0


def replan(incident: Incident, strategy: RecoveryStrategy) -> None:
    """Replace the incident's plan. A plan with other steps begins with its first."""
    if incident.strategy is None or not _same_steps(incident.strategy, strategy):
        incident.reached, incident.resume_at = -1, None
    incident.strategy = strategy


async def _holds_its_allocation(incident: Incident, system: System) -> bool:
    allocated = incident.facts.new_resources
    return allocated is None or dict(await system.resources.held(incident.failure.subject)) == dict(allocated)


def _same_steps(one: RecoveryStrategy, other: RecoveryStrategy) -> bool:
    """Whether two plans have the same steps for the same runbook entry. Arguments are not compared."""
    steps = [[(step.name, step.command) for step in plan.steps] for plan in (one, other)]
    return one.scenario == other.scenario and steps[0] == steps[1]

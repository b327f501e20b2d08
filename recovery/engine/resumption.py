"""Continuation: with which step a try begins, where an earlier one has left something done."""

from __future__ import annotations

from recovery.model import TASK_KINDS, Incident, Phase, RecoveryStrategy
from recovery.ports import System

BEGUN = (Phase.STARTED, Phase.EXECUTING, Phase.EXECUTED)
"""A try was under way."""


async def left_off(incident: Incident, system: System) -> RecoveryStrategy | None:
    """The plan of a try that was under way when the core ended, if its steps go on after those that are done.

    None: it has to be looked at anew, for nothing was done yet, or what was done does not stand any more: an attempt
    at the task has begun since it was fenced, or what was allocated for it is not held.
    """
    if incident.phase is Phase.EXECUTED:
        return incident.strategy
    if incident.phase is not Phase.EXECUTING or next_step(incident) == 0:
        return None
    subject, fenced = incident.failure.subject, incident.facts.fenced
    if incident.failure.kind in TASK_KINDS and fenced is not None and await system.store.epoch(subject) > fenced:
        return None
    return incident.strategy if await _holds_its_allocation(incident, system) else None


def next_step(incident: Incident) -> int:
    """The place of the first step of its plan that is not done."""
    return max(incident.reached, 0) if incident.under_way else incident.reached + 1


async def first_step(incident: Incident, strategy: RecoveryStrategy, system: System) -> int:
    """The place of the step to begin with: that which had failed, if the runbook says so and what was done stands.

    It does not when the try has come to another plan, or when what was allocated for the task is not held any more.
    """
    last = incident.strategy
    resumes = incident.resume_at is not None and last is not None and _alike(last, strategy)
    return (incident.resume_at or 0) if resumes and await _holds_its_allocation(incident, system) else 0


def replan(incident: Incident, strategy: RecoveryStrategy) -> None:
    """Replace the incident's plan. A plan with other steps begins with its first."""
    if incident.strategy is None or not _alike(incident.strategy, strategy):
        incident.reached, incident.resume_at = -1, None
    incident.strategy = strategy


async def _holds_its_allocation(incident: Incident, system: System) -> bool:
    allocated = incident.facts.new_resources
    return allocated is None or dict(await system.resources.held(incident.failure.subject)) == dict(allocated)


def _alike(one: RecoveryStrategy, other: RecoveryStrategy) -> bool:
    """Whether two plans are the same steps for the same failure, whatever their arguments."""
    steps = [[(step.name, step.command) for step in plan.steps] for plan in (one, other)]
    return one.scenario == other.scenario and steps[0] == steps[1]

"""Checks of a `Journal` and an `AuditTrail`: what they have accepted is found again unchanged."""

from __future__ import annotations

from dataclasses import replace

from recovery.audit import AuditEvent
from recovery.conformance.check import Check, Checks, Rig, expect
from recovery.journal import NoJournal
from recovery.model import Failure, FailureKind, Incident, IncidentFacts, Phase
from recovery.policies.policy_states import BudgetState, DrawState, LoadState, PolicyState

_check = Checks("Journal")
_beside = Checks("AuditTrail")


def _incident(number: int) -> Incident:
    return Incident(number, Failure(FailureKind.TASK, f"task.{number}", 1.5), 2.5, facts=IncidentFacts(fenced=3))


@_check
async def _kept(rig: Rig) -> None:
    """An open recovery is found in its last stored state, whatever happened to the object since."""
    journal = rig.system.journal
    if isinstance(journal, NoJournal):
        return
    first, second = _incident(0), _incident(1)
    journal.keep(first)
    journal.keep(second)
    first.phase = Phase.EXECUTING
    journal.keep(first)
    first.phase = Phase.FAILED
    await journal.durable()
    found = journal.unfinished()
    expect("the recoveries", [each.number for each in found], [0, 1])
    expect("their phases", [each.phase for each in found], [Phase.EXECUTING, Phase.OPENED])
    failures = [replace(each.failure, at=round(each.failure.at, 2)) for each in found]  # clocks are set, and drift
    expect("their failures", failures, [first.failure, second.failure])
    expect("their facts", [each.facts for each in found], [IncidentFacts(fenced=3)] * 2)


@_check
async def _forgotten(rig: Rig) -> None:
    """A recovery that has ended is not found, and its number is not reused."""
    journal = rig.system.journal
    if isinstance(journal, NoJournal):
        return
    for number in range(3):
        journal.keep(_incident(number))
    for number in (1, 2):
        journal.forget(number)
    await journal.durable()
    expect("the recoveries", [each.number for each in journal.unfinished()], [0])
    expect("the next number", journal.numbers(), 3)


@_check
async def _policies(rig: Rig) -> None:
    """The states of policies are found as they were stored last, and one that was deleted is not."""
    journal = rig.system.journal
    if isinstance(journal, NoJournal) or not hasattr(journal, "keep_policies"):
        return
    budget, load, draws = BudgetState("task_failure", 2.5), LoadState(1.5), DrawState("agent.0", 3)
    journal.keep_policies({load.name: load, draws.name: draws})
    journal.keep(_incident(0), {budget.name: budget, draws.name: None})
    await journal.durable()
    found = {name: _rounded(state) for name, state in journal.policies().items()}
    expect("the states of policies", found, {budget.name: budget, load.name: load})


def _rounded(state: PolicyState) -> PolicyState:
    """A state with a rounded instant: clocks are set, and drift."""
    return replace(state, next_token=round(state.next_token, 2)) if isinstance(state, LoadState) else state


@_beside
async def _recorded(rig: Rig) -> None:
    """A trail accepts events of the core, by name as well, and refuses an unknown event."""
    rig.system.audit.record(AuditEvent.RECOVERY_OPENED, 0, "task.1", "task_failure", 1.0, "text")
    rig.system.audit.record("recovery.started", 0, "task.1")
    try:
        rig.system.audit.record("nothing.happened", 0, "task.1")
    except ValueError:
        return
    expect("an event that does not exist", "recorded", "refused with ValueError")


OF_JOURNALS: tuple[Check, ...] = (*_check.all, *_beside.all)

"""Granted retries, their delays, and the reasons for exhausted retries."""

from __future__ import annotations

import numpy as np

from recovery.audit import EscalationReason
from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Rows, Tracks
from sim.measures.tables.recoveries import Incidents
from sim.stats.samples import Sample


def measure_retries(history: History) -> Measured:
    """The `retries.*` metrics, of tasks submitted at or after the warm-up.

    `.count`: retries granted. `.exhausted`: failures without a retry left. `.delay.*`: delays of those granted (s).
    `.per_failure.mean` = granted ÷ (granted + exhausted). `.over_deadline`, `.over_budget`, `.held_back`: of the tasks
    given up, those whose next retry would have come too late, found the budget empty, or the circuit breaker open;
    None where no condition has a deadline, a budget, a breaker. The others also for each kind of failure that had any,
    and for each kind of tasks. `breaker.openings` from the warm-up on, of any kind.
    """
    tracks = Tracks.of(history)
    granted = tracks.of_cohort(Event.RETRY_GRANTED)
    exhausted = tracks.of_cohort(Event.RETRY_EXHAUSTED)
    measured = _measure(tracks, granted, exhausted, "retries")
    incidents = Incidents.of(tracks)
    for kind, of_kind in incidents.by_kind(tracks):
        chosen = [rows[np.isin(tracks.incident[rows], incidents.number[of_kind])] for rows in (granted, exhausted)]
        if any(map(len, chosen)):
            measured |= _measure(tracks, chosen[0], chosen[1], f"retries.{kind}")
    for task_kind, of_tasks in tracks.task_kinds.items():
        chosen = [tracks.of_cohort(event, among=of_tasks) for event in (Event.RETRY_GRANTED, Event.RETRY_EXHAUSTED)]
        measured |= _measure(tracks, chosen[0], chosen[1], f"retries.{task_kind}")
    return {
        **measured,
        "retries.over_deadline": _refused(tracks, "deadline", EscalationReason.DEADLINE_PASSED),
        "retries.over_budget": _refused(tracks, "budget", EscalationReason.BUDGET_EMPTY),
        "retries.held_back": _refused(tracks, "breaker", EscalationReason.BREAKER_OPEN),
        "breaker.openings": _openings(tracks),
    }


def _measure(tracks: Tracks, granted: Rows, exhausted: Rows, name: str) -> dict[str, float | Sample | None]:
    failures = len(granted) + len(exhausted)
    return {
        f"{name}.count": float(len(granted)),
        f"{name}.exhausted": float(len(exhausted)),
        f"{name}.delay": Sample.of(tracks.value[granted]),
        f"{name}.per_failure.mean": len(granted) / failures if failures else None,
    }


def _limited(tracks: Tracks, limit: str) -> bool:
    """Whether any condition has this limit."""
    conditions = [condition for condition in tracks.meta.get("conditions", {}).values() if condition is not None]
    conditions += [of_kind for condition in conditions for of_kind in condition.get("by_task_kind", {}).values()]
    policies = [policy for one in conditions for policy in (one, *one.get("by_error", {}).values())]
    return any(policy.get(limit) is not None for policy in policies)


def _refused(tracks: Tracks, limit: str, reason: EscalationReason) -> float | None:
    if not _limited(tracks, limit):
        return None
    rows = tracks.of_cohort(Event.RECOVERY_ESCALATED)
    return float((tracks.detail[rows] == tracks.number(reason)).sum())


def _openings(tracks: Tracks) -> float | None:
    return float(len(tracks.in_window(Event.BREAKER_OPENED))) if _limited(tracks, "breaker") else None

"""Granted retries, their delays, and the reasons for exhausted retries."""

from __future__ import annotations

from recovery.audit import EscalationReason
from sim.history import Event, History
from sim.measures.tables.distribution import describe
from sim.measures.tables.event_table import Tracks


def measure_retries(history: History) -> dict[str, float | None]:
    """The `retries.*` metrics, of tasks submitted at or after the warm-up.

    `.count`: retries granted. `.exhausted`: failures without a retry left. `.delay.*`: delays of granted retries (s).
    `.per_failure.mean` = granted ÷ (granted + exhausted). `.over_deadline`, `.over_budget`, `.held_back`: tasks given
    up because the next retry would have exceeded the deadline, the budget was empty, or the circuit breaker was open;
    None when no condition has a deadline, a budget or a breaker. `breaker.openings`: from the warm-up on, of any kind.
    """
    tracks = Tracks.of(history)
    granted = tracks.of_cohort(Event.RETRY_GRANTED)
    exhausted = tracks.of_cohort(Event.RETRY_EXHAUSTED)
    failures = len(granted) + len(exhausted)
    return {
        "retries.count": float(len(granted)),
        "retries.exhausted": float(len(exhausted)),
        **describe("retries.delay", tracks.value[granted]),
        "retries.per_failure.mean": len(granted) / failures if failures else None,
        "retries.over_deadline": _refused(tracks, "deadline", EscalationReason.DEADLINE_PASSED),
        "retries.over_budget": _refused(tracks, "budget", EscalationReason.BUDGET_EMPTY),
        "retries.held_back": _refused(tracks, "breaker", EscalationReason.BREAKER_OPEN),
        "breaker.openings": _openings(tracks),
    }


def _limited(tracks: Tracks, limit: str) -> bool:
    """Whether any condition has this limit."""
    conditions = [condition for condition in tracks.meta.get("conditions", {}).values() if condition is not None]
    policies = [policy for one in conditions for policy in (one, *one.get("by_error", {}).values())]
    return any(policy.get(limit) is not None for policy in policies)


def _refused(tracks: Tracks, limit: str, reason: EscalationReason) -> float | None:
    if not _limited(tracks, limit):
        return None
    rows = tracks.of_cohort(Event.RECOVERY_ESCALATED)
    return float((tracks.detail[rows] == tracks.number(reason)).sum())


def _openings(tracks: Tracks) -> float | None:
    return float(len(tracks.in_window(Event.BREAKER_OPENED))) if _limited(tracks, "breaker") else None

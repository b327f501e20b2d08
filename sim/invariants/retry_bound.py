"""No task is retried more often than the condition of its failure allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.history import Event, History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks

INVARIANT = "retry_bound"


def check(history: History) -> list[Violation]:
    """Retries granted to a task for one kind of failure beyond `meta["conditions"][kind]["max_retries"]`.

    The conditions are those of the core that ran. A kind without a condition, and a condition with `max_retries` null,
    has no bound.
    """
    tracks = Tracks.of(history)
    violations = []
    for kind, condition in tracks.meta.get("conditions", {}).items():
        allowed = most_retries(condition)
        if allowed is None:
            continue
        rows = tracks.rows_by_task(Event.RETRY_GRANTED)
        rows = rows[tracks.detail[rows] == tracks.number(kind)]
        task = tracks.task[rows]
        nth = np.arange(len(rows)) - np.searchsorted(task, task) + 1
        violations += [
            Violation.at(tracks, row, INVARIANT, f"retry {n} for {kind}, {allowed} allowed")
            for row, n in zip(rows[nth > allowed].tolist(), nth[nth > allowed].tolist(), strict=True)
        ]
    return sorted(violations, key=lambda violation: violation.row)


def most_retries(condition: Mapping[str, Any] | None) -> int | None:
    """The number of retries that a condition allows at most; None: any number.

    With policies for error codes, the largest bound applies, because retries are counted per kind.
    """
    if condition is None:
        return None
    limits = [policy.get("max_retries") for policy in (condition, *condition.get("by_error", {}).values())]
    return None if None in limits else max(limits)

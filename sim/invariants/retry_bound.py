"""No task is retried more often than the condition of its failure allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.history import Event, History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks, Truths

INVARIANT = "retry_bound"


def check(history: History) -> list[Violation]:
    """Retries granted to a task for one kind of failure beyond `meta["conditions"][kind]["max_retries"]`.

    The conditions are those of the core that ran. A kind without a condition, and a condition with `max_retries` null,
    has no bound. Tasks of a kind with a condition of its own have that bound.
    """
    tracks = Tracks.of(history)
    if not len(tracks.rows(Event.RETRY_GRANTED)):
        return []
    violations: list[Violation] = []
    for kind, condition in tracks.meta.get("conditions", {}).items():
        own = {} if condition is None else condition.get("by_task_kind", {})
        of_kinds = {name: tracks.tasks_of_kind(name) for name in own}
        violations += _violations(tracks, kind, condition, ~np.any([*of_kinds.values()], axis=0) if own else None)
        for name, policies in own.items():
            violations += _violations(tracks, kind, policies, of_kinds[name])
    return sorted(violations, key=lambda violation: violation.row)


def _violations(
    tracks: Tracks, kind: str, condition: Mapping[str, Any] | None, tasks: Truths | None
) -> list[Violation]:
    """Retries for a kind of failure, of some tasks (None: of all), beyond the bound of a condition."""
    allowed = most_retries(condition)
    if allowed is None:
        return []
    rows = tracks.rows_by_task(Event.RETRY_GRANTED)
    rows = rows[tracks.detail[rows] == tracks.number(kind)]
    if tasks is not None:
        rows = rows[tasks[tracks.task[rows]]]
    task = tracks.task[rows]
    nth = np.arange(len(rows)) - np.searchsorted(task, task) + 1
    return [
        Violation.at(tracks, row, INVARIANT, f"retry {n} for {kind}, {allowed} allowed")
        for row, n in zip(rows[nth > allowed].tolist(), nth[nth > allowed].tolist(), strict=True)
    ]


def most_retries(condition: Mapping[str, Any] | None) -> int | None:
    """The number of retries that a condition allows at most; None: any number.

    With policies for error codes, the largest bound applies, because retries are counted per kind.
    """
    if condition is None:
        return None
    limits = [policy.get("max_retries") for policy in (condition, *condition.get("by_error", {}).values())]
    return None if None in limits else max(limits)

"""Data frames of one run: a row for each recovery, task or fault. Numbers join them: `recoveries.fault` is one of
`faults.fault`, and `recoveries.task` one of `tasks.task`.

Numbers that may be missing are `Int32`, and words that may be missing are missing, not empty. Times are in seconds of
virtual time from the start of the run; NaN: it did not happen. `measured`: whether the metrics count the row, because
it belongs to the time after the warm-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.audit import RecoveryOutcome
from scenarios.faults import Group
from sim.history import Event, History
from sim.measures.metrics.diagnosis import diagnosed
from sim.measures.metrics.recovery_time import PHASES, recovery_parts
from sim.measures.tables.event_table import NOWHERE, Integers, Rows, Tracks
from sim.measures.tables.recoveries import OUTCOME_OF, Incidents

RECOVERY_OUTCOMES = tuple(str(outcome) for outcome in RecoveryOutcome if outcome is not RecoveryOutcome.OPEN)
TASK_OUTCOMES: Mapping[int, str] = {
    Event.TASK_COMPLETED: "completed",
    Event.TASK_FAILED: "failed",
    Event.TASK_REJECTED: "rejected",
}
RANDOM_CRASH = "random_crash"
"""The kind of an agent's crash by its `mtbf`, which is no fault of the scenario's list."""


def recoveries(history: History) -> pd.DataFrame:
    """One row for each recovery, in order of opening.

    `recovery`: its number in the history (`incident`). `subject`, and its `task` or `agent` if it is about one. `kind`:
    the kind of failure. `fault`: the row of `faults` behind it; missing for an attempt that failed by itself, and for a
    false alarm. `onset`, `opened`, `ended`: when the failure happened, was detected, and when the recovery ended.
    `detect`, `wait`, `analyze`, `execute`, `verify`: seconds in each phase, which sum to `time` = `ended` - `onset`;
    NaN for a false alarm. `tries`: how often it was started. `diagnosis`: the last one, an entry of the runbook.
    `outcome`: `verified`, `escalated` or `dismissed`; missing while it is open. `censored`: it is open at the end of
    the run, and its times are those until then.
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    parts = recovery_parts(tracks, incidents)
    ended = np.where(np.isfinite(incidents.ended), incidents.ended, np.nan)
    until = np.minimum(incidents.ended, tracks.horizon)
    faults = _Faults(tracks)
    return pd.DataFrame(
        {
            "recovery": _numbers(incidents.number),
            "subject": _texts([tracks.subject(row) for row in incidents.row.tolist()]),
            "kind": _words(tracks, incidents.kind),
            "task": _numbers(incidents.task),
            "agent": _numbers(incidents.agent),
            "fault": _numbers([faults.behind(row) for row in incidents.onset_row.tolist()]),
            "onset": incidents.onset,
            "opened": incidents.opened,
            "ended": ended,
            **{str(part): parts[part] for part in PHASES},
            "time": until - incidents.onset,
            "tries": _count(incidents.number, tracks.incident[tracks.rows(Event.RECOVERY_STARTED)]),
            "diagnosis": _words(tracks, diagnosed(tracks, incidents)),
            "outcome": pd.Categorical(
                [_outcome(event) for event in incidents.outcome(tracks).tolist()], categories=list(RECOVERY_OUTCOMES)
            ),
            "censored": incidents.end_row == NOWHERE,
            "measured": incidents.opened >= tracks.start,
        }
    )


def _outcome(event: int) -> str | None:
    return str(OUTCOME_OF[event]) if event in OUTCOME_OF else None


def tasks(history: History) -> pd.DataFrame:
    """One row for each submitted task, in order of number.

    `submitted`, `started` (the first attempt), `ended`. `wait` = `started` - `submitted`, `sojourn` = `ended` -
    `submitted` of a completed task, and until the end of the run of an unfinished one. `attempts`, `retries` (granted
    by the recovery), `deliveries` by the queue. `agent`: of the last attempt. `request`: the number of the request of a
    client that this task answers; several tasks of one request are repeated requests. `outcome`: `completed`, `failed`
    or `rejected`; missing: unfinished. `censored`: unfinished at the end of the run.
    """
    tracks = Tracks.of(history)
    table = tracks.tasks
    chosen = np.flatnonzero(~np.isnan(table.submitted))
    outcome = table.outcome[chosen]
    submitted, ended = table.submitted[chosen], table.ended[chosen]
    unfinished = outcome == 0
    has_sojourn = unfinished | (outcome == Event.TASK_COMPLETED)
    last = tracks.last_by_task(tracks.rows(Event.ATTEMPT_STARTED))[chosen]
    return pd.DataFrame(
        {
            "task": _numbers(chosen),
            "submitted": submitted,
            "started": table.first_start[chosen],
            "ended": np.where(np.isfinite(ended), ended, np.nan),
            "wait": table.first_start[chosen] - submitted,
            "sojourn": np.where(has_sojourn, np.minimum(ended, tracks.horizon) - submitted, np.nan),
            "attempts": tracks.count_by_task(Event.ATTEMPT_STARTED)[chosen],
            "retries": tracks.count_by_task(Event.RETRY_GRANTED)[chosen],
            "deliveries": tracks.count_by_task(Event.QUEUE_DELIVERED)[chosen],
            "agent": _numbers(np.where(last == NOWHERE, -1, tracks.agent[last]) if tracks.size else last),
            "request": _numbers(tracks.requests[chosen] if tracks.meta.get("clients") else np.full(len(chosen), -1)),
            "outcome": pd.Categorical(
                [TASK_OUTCOMES.get(event) for event in outcome.tolist()], categories=list(TASK_OUTCOMES.values())
            ),
            "censored": unfinished,
            "measured": table.cohort[chosen],
        }
    )


def faults(history: History) -> pd.DataFrame:
    """One row for each fault and target, in order of time: those that the scenario injects, and random crashes.

    `kind` is the scenario's name of the fault, or `random_crash` for one by an agent's `mtbf`. `subject`, and its
    `task` or `agent` if it is one. `injected`, `cleared` (NaN: it ends with its target's restart, has no duration, or
    lasts until the end of the run). `united`: the number of active faults of that target with which it unites.
    `skipped`: the number of targets that did not exist when it was due: such a row is no fault. `recoveries`: how many
    have it as their cause.
    """
    tracks = Tracks.of(history)
    found = _Faults(tracks)
    rows = found.rows
    is_skipped = tracks.event[rows] == Event.FAULT_SKIPPED
    is_random = tracks.event[rows] == Event.AGENT_CRASHED
    value = np.where(is_random, np.nan, tracks.value[rows])
    kinds = [RANDOM_CRASH if of else tracks.word(word) for of, word in zip(is_random, tracks.detail[rows], strict=True)]
    behind = [found.behind(row) for row in Incidents.of(tracks).onset_row.tolist()]
    return pd.DataFrame(
        {
            "fault": _numbers(np.arange(len(rows))),
            "kind": _texts(kinds),
            "subject": _texts([tracks.subject(row) or None for row in rows.tolist()]),
            "task": _numbers(tracks.task[rows]),
            "agent": _numbers(tracks.agent[rows]),
            "injected": tracks.time[rows],
            "cleared": tracks.times(found.cleared()),
            "united": np.where(is_skipped | np.isnan(value), 0, value).astype(np.int64),
            "skipped": np.where(is_skipped, np.where(np.isnan(value), 1, value), 0).astype(np.int64),
            "recoveries": np.bincount([each for each in behind if each >= 0], minlength=len(rows)).astype(np.int64),
            "measured": tracks.time[rows] >= tracks.start,
        }
    )


class _Faults:
    """The rows of a history that are faults, and which of them is behind an event."""

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        given = tracks.rows(Event.FAULT_INJECTED, Event.FAULT_SKIPPED)
        given = given[tracks.detail[given] != tracks.number(Group.kind)]  # each of its faults has its own row
        injected = given[tracks.event[given] == Event.FAULT_INJECTED]
        crashes = tracks.rows(Event.AGENT_CRASHED)
        cause = tracks.latest_before(injected, crashes, tracks.agent)
        at_once = (cause != NOWHERE) & (tracks.times(cause) == tracks.time[crashes])
        self.rows: Rows = np.sort(np.concatenate((given, crashes[~at_once])))
        self._injected = injected

    def cleared(self) -> Rows:
        """The row at which each fault was cleared, else `NOWHERE`. Of united faults, the first that ends is cleared
        first.
        """
        tracks, waiting = self._tracks, dict[tuple[int, ...], list[int]]()
        places = {row: place for place, row in enumerate(self.rows.tolist())}
        found = np.full(len(self.rows), NOWHERE, dtype=np.intp)
        columns = (tracks.detail, tracks.about, tracks.agent, tracks.task)
        for row in tracks.rows(Event.FAULT_INJECTED, Event.FAULT_CLEARED).tolist():
            active = waiting.setdefault(tuple(int(column[row]) for column in columns), [])
            if tracks.event[row] == Event.FAULT_INJECTED:
                if np.isnan(tracks.value[row]):
                    active.clear()  # what was active before has ended with its target
                active.append(row)
            elif active and (first := active.pop(0)) in places:
                found[places[first]] = row
        return found

    def behind(self, row: int) -> int:
        """The number of the fault that caused the event of a row at that instant, else -1."""
        if row == NOWHERE:
            return -1
        tracks = self._tracks
        if tracks.event[row] == Event.AGENT_CRASHED and (place := self._place(row)) >= 0:
            return place
        last = int(np.searchsorted(self._injected, row)) - 1
        same_instant = tracks.time[row]
        while last >= 0 and tracks.time[self._injected[last]] == same_instant:
            fault = int(self._injected[last])
            if self._concerns(fault, row):
                return self._place(fault)
            last -= 1
        return -1

    def _place(self, row: int) -> int:
        place = int(np.searchsorted(self.rows, row))
        return place if place < len(self.rows) and self.rows[place] == row else -1

    def _concerns(self, fault: int, row: int) -> bool:
        """Whether a fault is about the subject of an event, or took a unit that an interrupted attempt held."""
        tracks = self._tracks
        if tracks.word(int(tracks.detail[fault])) == "resource_unavailable":
            return bool(tracks.event[row] == Event.ATTEMPT_INTERRUPTED)
        named = [(column[fault], column[row]) for column, none in self._subjects() if column[fault] != none]
        return bool(named) and all(of_fault == of_row for of_fault, of_row in named)

    def _subjects(self) -> Sequence[tuple[NDArray[np.int32], int]]:
        tracks = self._tracks
        return (tracks.task, -1), (tracks.agent, -1), (tracks.about, 0)


def _numbers(values: Sequence[int] | NDArray[Any]) -> pd.Series:
    """Numbers of which negative ones are missing."""
    found = np.asarray(values, dtype=np.int64)
    return pd.Series(pd.array(np.maximum(found, 0), dtype="Int32")).mask(found < 0)


def _words(tracks: Tracks, numbers: Integers | NDArray[np.int32]) -> pd.Series:
    """Words by number; the empty one is missing."""
    return _texts([tracks.word(int(number)) or None for number in numbers])


def _texts(values: Sequence[str | None]) -> pd.Series:
    return pd.Series(values, dtype=object)


def _count(numbers: Integers, seen: NDArray[np.int32]) -> Integers:
    """How often each of these numbers was seen."""
    totals = np.bincount(seen[seen >= 0], minlength=int(numbers.max(initial=-1)) + 1)
    return np.asarray(totals[numbers], dtype=np.int64)

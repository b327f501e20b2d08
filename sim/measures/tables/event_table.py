"""A history as columns, and as one row per task and attempt: shared by measures and invariants.

A `Tracks` is created once for a history in memory, and kept as long as the history. Columns are arrays; those of a
history in a file are read on access. A *row* is always a row number of the history's table, and rows are always in
order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from math import inf, nan
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sim.history import Event, History

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = NDArray[np.intp]
Truths = NDArray[np.bool_]

Derived = TypeVar("Derived")

NOWHERE = -1
"""Replaces a row: it never happened."""

SHORT = 10_000
"""Up to so many events, the rows of all events are found at once."""
_NO_ROWS = np.empty(0, dtype=np.intp)
FEW_TASKS = 1 << 16
"""Number of tasks that are always processed together."""
PARTS = 8
"""Maximum number of parts in which the tasks of a run are processed."""
ATTEMPT_ENDS = (Event.ATTEMPT_SUCCEEDED, Event.ATTEMPT_FAILED, Event.ATTEMPT_TIMED_OUT, Event.ATTEMPT_INTERRUPTED)
TASK_ENDS = (Event.TASK_COMPLETED, Event.TASK_FAILED, Event.TASK_REJECTED)


@cache
def _among(events: tuple[int, ...]) -> Truths:
    """Whether each number is that of one of these events."""
    among = np.zeros(256, dtype=bool)
    among[list(events)] = True
    return among


_kept: WeakKeyDictionary[History, Tracks] = WeakKeyDictionary()


@dataclass(frozen=True)
class Tasks:
    """The outcome of each task; arrays by task number.

    `submitted`, `first_start`: times in seconds (NaN: never). `ended`: when it was completed, failed or rejected,
    whichever came first (infinite: never), with `end_row` and `outcome` (an `Event`, 0: unfinished). `cohort`:
    submitted at or after the warm-up, `accepted`: submitted and not rejected.
    """

    submitted: Floats
    first_start: Floats
    ended: Floats
    end_row: Rows
    outcome: Integers
    cohort: Truths

    @property
    def accepted(self) -> Truths:
        """Tasks that were submitted and not rejected."""
        accepted: Truths = ~np.isnan(self.submitted) & (self.outcome != int(Event.TASK_REJECTED))
        return accepted

    def among(self, chosen: Truths) -> Tasks:
        """These tasks alone: the others were never submitted."""
        return Tasks(
            submitted=np.where(chosen, self.submitted, nan),
            first_start=np.where(chosen, self.first_start, nan),
            ended=np.where(chosen, self.ended, inf),
            end_row=np.where(chosen, self.end_row, NOWHERE),
            outcome=np.where(chosen, self.outcome, 0),
            cohort=self.cohort & chosen,
        )

    def became(self, outcome: int) -> Truths:
        """Tasks of the cohort with this outcome."""
        became: Truths = self.cohort & (self.outcome == outcome)
        return became


@dataclass(frozen=True)
class Attempts:
    """One row per started attempt; `end_row` is `NOWHERE` and `ended` infinite for an attempt without an end."""

    row: Rows
    end_row: Rows
    task: Integers
    agent: Integers
    epoch: Integers
    started: Floats
    ended: Floats


class Tracks:
    """The columns of a history, its window, and derived tables. Everything is computed on first access."""

    def __init__(self, history: History) -> None:
        self._column = history.rows.column
        self.words = history.words  # by number
        self._rows: dict[tuple[int, ...], Rows] = {}
        self._derived: dict[Callable[[Tracks], Any], Any] = {}
        self.meta = dict(history.meta)
        self.size = len(history)

    @classmethod
    def of(cls, history: History) -> Tracks:
        """The tracks of a history, created again only when it has grown or is not in memory."""
        if not history.rows.in_memory:
            return cls(history)
        tracks = _kept.get(history)
        if tracks is None or tracks.size != len(history) or tracks.meta != history.meta:
            tracks = _kept[history] = cls(history)
        return tracks

    def derive(self, make: Callable[[Tracks], Derived]) -> Derived:
        """The value that `make` computes from these tracks, computed once.

        It must not reference them: a reference cycle would keep the arrays in memory after the run.
        """
        if make not in self._derived:
            self._derived[make] = make(self)
        derived: Derived = self._derived[make]
        return derived

    # --------------------------------------------------------------------- columns
    @cached_property
    def time(self) -> Floats:
        """In seconds."""
        return self._column("time")

    @cached_property
    def event(self) -> NDArray[np.uint8]:
        """`Event` numbers."""
        return np.asarray(self._column("event"))

    @cached_property
    def task(self) -> NDArray[np.int32]:
        """Task numbers, -1: none."""
        return np.asarray(self._column("task"))

    @cached_property
    def agent(self) -> NDArray[np.int32]:
        """Agent numbers, -1: none."""
        return self._column("agent")

    @cached_property
    def epoch(self) -> NDArray[np.int32]:
        """Epochs, -1: none."""
        return self._column("epoch")

    @cached_property
    def incident(self) -> NDArray[np.int32]:
        """Incident numbers, -1: none."""
        return self._column("incident")

    @cached_property
    def value(self) -> Floats:
        """Values, NaN: none."""
        return self._column("value")

    @cached_property
    def detail(self) -> NDArray[np.int32]:
        """Numbers of words, 0: none."""
        return self._column("detail")

    @cached_property
    def about(self) -> NDArray[np.int32]:
        """Numbers of words, 0: none."""
        return self._column("about")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def word(self, number: int) -> str:
        """The word with this number."""
        return self.words[number]

    def number(self, word: str) -> int:
        """The number of a word; -1, which no row has, for one that does not occur."""
        return self._numbers.get(word, -1)

    def subject(self, row: int) -> str:
        """The subject of a row as text: its `about`, else its task, else its agent."""
        if self.about[row]:
            return self.word(int(self.about[row]))
        if self.task[row] >= 0:
            return f"task.{self.task[row]}"
        return f"agent.{self.agent[row]}" if self.agent[row] >= 0 else ""

    # ---------------------------------------------------------------------- window
    @cached_property
    def end(self) -> float:
        """The end of the measured window in seconds: `meta["duration"]`, or `horizon` when that is earlier."""
        return min(self.horizon, float(self.meta.get("duration", inf)))

    @cached_property
    def horizon(self) -> float:
        """Until when the run was observed, in seconds: `meta["end"]`, else the duration, else the last event.

        It is later than `end` where a scenario drains.
        """
        reached = self.meta.get("end", self.meta.get("duration"))
        return float(reached if reached is not None else self.time[-1] if self.size else 0.0)

    @cached_property
    def start(self) -> float:
        """The end of the warm-up, in seconds."""
        return float(self.meta.get("warmup", 0.0))

    @property
    def window(self) -> float:
        """Length of the measured window in seconds."""
        return max(0.0, self.end - self.start)

    @cached_property
    def agents(self) -> int:
        """The number of agents: `meta["agents"]`, else the number that the events name."""
        count = self.meta.get("agents")
        return int(count if count is not None else np.asarray(self.agent).max() + 1 if self.size else 0)

    # ------------------------------------------------------------------------ rows
    def last_row_at(self, instant: float) -> int:
        """The last row at or before an instant in seconds, -1 when there is none."""
        return bisect_right(self.time, instant) - 1

    def rows(self, *events: int) -> Rows:
        """Rows of these events."""
        rows = self._rows.get(events)
        if rows is None:
            if self.size > SHORT:
                rows = np.flatnonzero(self._is(events))
            else:
                every = self._rows_by_event
                found = [every[event] for event in dict.fromkeys(events) if event in every]
                rows = found[0] if len(found) == 1 else np.sort(np.concatenate(found)) if found else _NO_ROWS
            self._rows[events] = rows
        return rows

    @cached_property
    def _rows_by_event(self) -> dict[int, Rows]:
        """The rows of each event that occurs: faster than a look at all rows of a short history for each event."""
        order = np.argsort(self.event, kind="stable")
        found: dict[int, Rows] = {}
        first = 0
        for event, count in enumerate(np.bincount(self.event).tolist()):
            if count:
                found[event] = order[first : first + count]
                first += count
        return found

    def _is(self, events: tuple[int, ...]) -> Truths:
        found: Truths = self.event == int(events[0]) if len(events) == 1 else _among(events)[self.event]
        return found

    def are(self, rows: Rows, *events: int) -> Truths:
        """Which of these rows are of one of these events. Takes a third of the time of a comparison with an `Event`:
        for that, numpy looks up attributes of the class of an enum, which it does not have.
        """
        found: Truths = _among(events)[self.event[rows]]
        return found

    def in_window(self, *events: int) -> Rows:
        """Rows of these events at or after the warm-up."""
        rows = self.rows(*events)
        return rows[self.time[rows] >= self.start]

    def rows_by_task(self, *events: int) -> Rows:
        """Rows of these events with a task, grouped by task and in order within each."""
        return self.by_task(self.rows(*events))

    def by_task(self, rows: Rows) -> Rows:
        """Those of these rows with a task, grouped by task and in order within each."""
        rows = rows[self.task[rows] >= 0]
        return rows[np.argsort(self.task[rows], kind="stable")]

    def rows_of_some_tasks(self, *events: int) -> Iterator[Rows]:
        """Like `rows_by_task`, for a part of the tasks at a time, which needs less memory."""
        at_once = max(FEW_TASKS, -(-self.task_count // PARTS))
        wanted = self._is(events)
        for first in range(0, self.task_count, at_once):
            rows = np.flatnonzero(wanted & (self.task >= first) & (self.task < first + at_once))
            if len(rows):
                yield rows[np.argsort(self.task[rows], kind="stable")]

    @cached_property
    def task_count(self) -> int:
        """One more than the highest task number."""
        return int(self.task.max()) + 1 if self.size else 0

    def first_by_task(self, rows: Rows) -> Rows:
        """The first of these rows for each task, else `NOWHERE`."""
        return self._scatter(rows[::-1])

    def last_by_task(self, rows: Rows) -> Rows:
        """The last of these rows for each task, else `NOWHERE`."""
        return self._scatter(rows)

    def _scatter(self, rows: Rows) -> Rows:
        found = np.full(self.task_count + 1, NOWHERE, dtype=np.intp)  # the last one is for rows without a task
        found[self.task[rows]] = rows  # of several assignments, the last one remains
        return found[:-1]

    def count_by_task(self, *events: int) -> Rows:
        """The number of these events per task."""
        tasks = self.task[self.rows(*events)]
        return np.bincount(tasks[tasks >= 0], minlength=self.task_count)

    def times(self, rows: Rows, never: float = nan) -> Floats:
        """The times of rows, `never` in place of `NOWHERE`."""
        return np.where(rows >= 0, self.time[rows], never) if self.size else np.full(len(rows), never)

    def latest_before(self, rows: Rows, when: Rows, column: NDArray[np.int32]) -> Rows:
        """For each row of `when` the latest of `rows` before it with the same number in `column`, else `NOWHERE`."""
        if not len(rows) or not len(when):
            return np.full(len(when), NOWHERE, dtype=np.intp)
        keys = np.sort(column[rows].astype(np.int64) * self.size + rows)
        wanted = column[when].astype(np.int64) * self.size + when
        place = np.searchsorted(keys, wanted) - 1
        found = keys[np.maximum(place, 0)]
        same = (place >= 0) & (found // self.size == column[when])
        return np.where(same, found % self.size, NOWHERE).astype(np.intp)

    # ------------------------------------------------------------- tasks, attempts
    @cached_property
    def tasks(self) -> Tasks:
        """The outcome of each task."""
        submitted = self.times(self.first_by_task(self.rows(Event.TASK_SUBMITTED)))
        end_row = self.first_by_task(self.rows(*TASK_ENDS))
        return Tasks(
            submitted=submitted,
            first_start=self.times(self.first_by_task(self.rows(Event.ATTEMPT_STARTED))),
            ended=self.times(end_row, inf),
            end_row=end_row,
            outcome=np.where(end_row >= 0, self.event[end_row], 0).astype(np.int64),
            cohort=submitted >= self.start,
        )

    @cached_property
    def task_kinds(self) -> dict[str, Truths]:
        """The kinds of tasks in `meta["task_kinds"]`, in order of name, and which tasks are of each."""
        return {kind: self.tasks_of_kind(kind) for kind in sorted(self.meta.get("task_kinds", ()))}

    def tasks_of_kind(self, kind: str) -> Truths:
        """Which tasks are of this kind, by task number."""
        rows = self.rows(Event.TASK_SUBMITTED)
        found = np.zeros(self.task_count, dtype=bool)
        found[self.task[rows[self.detail[rows] == self.number(kind)]]] = True
        return found

    def of_cohort(self, *events: int, among: Truths | None = None) -> Rows:
        """Rows of these events that belong to a task submitted at or after the warm-up, and `among` these."""
        rows = self.rows(*events)
        rows = rows[self.task[rows] >= 0]
        cohort = self.tasks.cohort if among is None else self.tasks.cohort & among
        return rows[cohort[self.task[rows]]]

    @cached_property
    def attempts(self) -> Attempts:
        """One row per started attempt."""
        row = self.rows(Event.ATTEMPT_STARTED)
        ends = self.rows(*ATTEMPT_ENDS)
        end_row = self._same_attempt(row, ends)
        return Attempts(
            row=row,
            end_row=end_row,
            task=self.task[row].astype(np.int64),
            agent=self.agent[row].astype(np.int64),
            epoch=self.epoch[row].astype(np.int64),
            started=self.time[row],
            ended=self.times(end_row, inf),
        )

    def attempt_at(self, rows: Rows) -> Rows:
        """The number in `attempts` of the attempt that each of these rows is about, else `NOWHERE`."""
        started = self.attempts.row
        found = self._same_attempt(rows, started)
        return np.where(found == NOWHERE, NOWHERE, np.searchsorted(started, found))

    @cached_property
    def requests(self) -> Integers:
        """The number of the request of each task, in the order in which the requests were first made; -1: no request.

        A request that a client makes again is another task.
        """
        again = self.rows(Event.CLIENT_RETRIED)
        request = np.full(self.task_count, -1, dtype=np.int64)
        request[self.task[again]] = self.value[again].astype(np.int64)
        submitted = self.rows(Event.TASK_SUBMITTED)
        first_made = submitted[request[self.task[submitted]] < 0]
        request[self.task[first_made]] = np.arange(len(first_made))
        return request

    def _same_attempt(self, rows: Rows, others: Rows) -> Rows:
        """For each row the first of `others` with the same task and epoch, else `NOWHERE`."""
        if not len(rows) or not len(others):
            return np.full(len(rows), NOWHERE, dtype=np.intp)
        span = max(int(self.epoch[some].max()) for some in (rows, others)) + 2
        keys = self.task[others].astype(np.int64) * span + self.epoch[others]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        wanted = self.task[rows].astype(np.int64) * span + self.epoch[rows]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, others[order[place]], NOWHERE)

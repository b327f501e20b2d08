"""The holders of units of a pool at each row, and whether the allocation was still justified."""

from __future__ import annotations

import numpy as np

from sim.history import Event
from sim.measures.tables.event_table import NOWHERE, Integers, Rows, Tracks
from sim.measures.tables.step_functions import running_totals

HOLDINGS = (Event.RESOURCE_ALLOCATED, Event.RESOURCE_RELEASED)
RESERVED = -1
"""Replaces the epoch of an attempt: the core holds the units for the task's next attempt."""


class Holdings:
    """Allocations and releases, grouped by pair of task and pool.

    `keys` number the pairs; `changes` and `held` are units: the change by a row, and the amount held after it.
    """

    def __init__(self, tracks: Tracks) -> None:
        rows = tracks.rows(*HOLDINGS)
        rows = rows[tracks.task[rows] >= 0]
        keys = tracks.task[rows].astype(np.int64) * len(tracks.words) + tracks.about[rows]
        order = np.argsort(keys, kind="stable")
        self.rows: Rows = rows[order]
        self.keys: Integers = keys[order]
        self.allocates = tracks.are(self.rows, Event.RESOURCE_ALLOCATED)
        self.changes = np.where(self.allocates, tracks.value[self.rows], -tracks.value[self.rows])
        self.held = running_totals(self.keys, self.changes)
        self._epochs = tracks.epoch[self.rows]
        self._words = tracks.words

    @classmethod
    def of(cls, tracks: Tracks) -> Holdings:
        """The holdings of a history."""
        return tracks.derive(cls)

    def task(self, key: int) -> int:
        """The task of a pair."""
        return key // len(self._words)

    def pool(self, key: int) -> str:
        """The pool of a pair."""
        return self._words[key % len(self._words)]

    def held_after(self, key: int, row: int) -> dict[int, float]:
        """Units that a task holds of a pool just after a row, by the epoch under which it got them.

        A reservation of the core passes to the attempt that starts with it, which may then release more than it got.
        """
        first, last = np.searchsorted(self.keys, [key, key + 1])
        units: dict[int, float] = {}
        for place in range(first, last):
            if self.rows[place] > row:
                break
            epoch = int(self._epochs[place])
            units[epoch] = units.get(epoch, 0.0) + float(self.changes[place])
            if units[epoch] < 0 and epoch != RESERVED:
                units[RESERVED] = units.get(RESERVED, 0.0) + units.pop(epoch)
        return {epoch: count for epoch, count in units.items() if count > 0}


class AttemptsOfTasks:
    """The attempts at each task, by epoch."""

    def __init__(self, tracks: Tracks) -> None:
        self._attempts = tracks.attempts
        self._order: Rows = np.argsort(self._attempts.task, kind="stable")
        self._tasks = self._attempts.task[self._order]

    @classmethod
    def of(cls, tracks: Tracks) -> AttemptsOfTasks:
        """The attempts of a history."""
        return tracks.derive(cls)

    def at(self, task: int) -> dict[int, int]:
        """Indexes in `tracks.attempts` of a task's attempts, by epoch."""
        first, last = np.searchsorted(self._tasks, [task, task + 1])
        return {int(self._attempts.epoch[place]): int(place) for place in self._order[first:last]}

    def running(self, task: int, row: int) -> set[int]:
        """Epochs of a task's attempts running just before a row."""
        attempts = self._attempts
        return {
            epoch
            for epoch, place in self.at(task).items()
            if attempts.row[place] < row and (attempts.end_row[place] < 0 or attempts.end_row[place] >= row)
        }

    def end_row(self, task: int, epoch: int) -> int:
        """The row at which an attempt ended, `NOWHERE` while it runs or waits for its start."""
        place = self.at(task).get(epoch)
        return NOWHERE if place is None else int(self._attempts.end_row[place])

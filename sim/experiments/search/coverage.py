"""What a search has reached: which faults happened at which step of a recovery, and how that recovery ended.

A search that finds nothing says little if it has reached nothing. Marks are situations that it has to reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from recovery.audit import RecoveryOutcome
from scenarios import Scenario
from scenarios.task_views import any_task
from sim.history import Event, History
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import OUTCOME_OF

NO_RECOVERY = "no recovery"
"""The step of a fault outside of any recovery, and the outcome of one that no recovery followed."""
OUTCOMES: tuple[str, ...] = (*(str(outcome) for outcome in RecoveryOutcome), NO_RECOVERY)
_STAGES: Mapping[int, str] = MappingProxyType(
    {
        Event.RECOVERY_OPENED: "waiting",
        Event.RETRY_GRANTED: "waiting",
        Event.RECOVERY_FAILED: "waiting",
        Event.RECOVERY_STARTED: "analysis",
        Event.STEP_COMPLETED: "between steps",
        Event.STEP_FAILED: "between steps",
        Event.RECOVERY_EXECUTED: "verification",
    }
)
_LOOKED_AT = np.zeros(256, dtype=bool)
_LOOKED_AT[[*_STAGES, *OUTCOME_OF, Event.STEP_STARTED, Event.FAULT_INJECTED]] = True
_MARK_OF: Mapping[int, str] = MappingProxyType(
    {
        Event.RECOVERY_VERIFIED: "a recovery is verified",
        Event.RECOVERY_ESCALATED: "a recovery is escalated",
        Event.RECOVERY_TAKEN_UP: "a restarted or new core continues a recovery",
        Event.CHECKPOINT_REJECTED: "a damaged checkpoint is rejected",
    }
)
CORE_FAULTS = ("core_crash", "core_hang")
DAMAGE = ("checkpoint_corrupt", "checkpoint_torn")

Cell = tuple[str, str, str]
"""Kind of fault, step of the recovery, outcome of the recovery."""


@dataclass
class Coverage:
    """Counts of examples by cell, and by mark that has to be reached."""

    marks: dict[str, int]
    cells: Counter[Cell] = field(default_factory=Counter)

    @classmethod
    def of(cls, scenario: Scenario, kinds: Iterable[str]) -> Coverage:
        """Nothing reached yet. The marks depend on the scenario and on the kinds of fault that are drawn."""
        marks = [f"{kind} injected" for kind in kinds]
        marks += ["a recovery is verified", "a recovery is escalated", "two recoveries are open at once"]
        marks += ["a fault during a step of a recovery", "a fault while a recovery waits", "two faults at one instant"]
        if any(kind in CORE_FAULTS for kind in kinds):
            marks.append("a restarted or new core continues a recovery")
        if any(tasks.checkpoint for tasks in any_task(scenario)) and any(kind in DAMAGE for kind in kinds):
            marks.append("a damaged checkpoint is rejected")
        return cls(dict.fromkeys(marks, 0))

    @property
    def missed(self) -> tuple[str, ...]:
        """The marks that were not reached."""
        return tuple(mark for mark, count in self.marks.items() if not count)

    def add(self, reached: Reached) -> None:
        """Count what one run has reached."""
        self.cells.update(reached.cells)
        for mark in reached.marks:
            if mark in self.marks:
                self.marks[mark] += 1

    def as_json(self) -> dict[str, Any]:
        """Cells and marks as plain data, sorted."""
        return {
            "cells": [
                {"fault": fault, "step": step, "outcome": outcome, "examples": count}
                for (fault, step, outcome), count in sorted(self.cells.items())
            ],
            "marks": dict(self.marks),
        }


@dataclass(frozen=True, slots=True)
class Reached:
    """The cells and the marks that one run has reached, each once."""

    cells: tuple[Cell, ...] = ()
    marks: tuple[str, ...] = ()

    @classmethod
    def of(cls, history: History) -> Reached:
        """What the run of a history has reached."""
        tracks = Tracks.of(history)
        run = _Run(tracks).follow()
        cells = tuple(run.cells())
        count = np.bincount(tracks.event, minlength=256)
        marks = dict.fromkeys((*(f"{kind} injected" for kind in run.kinds), *run.marks))
        for event, mark in _MARK_OF.items():
            if count[event]:
                marks[mark] = None
        return cls(cells, tuple(marks))


NOTHING_REACHED = Reached()


class _Run:
    """Follows the recoveries of one run."""

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._stage: dict[int, str] = {}  # of each open recovery
        self._pending: dict[int, dict[tuple[str, str], None]] = {}  # faults by the recovery that they hit
        self._outside: dict[tuple[str, str], None] = {}  # faults outside of any recovery, since the last one
        self._done: dict[Cell, None] = {}
        self.kinds: dict[str, None] = {}
        self.marks: dict[str, None] = {}

    def follow(self) -> _Run:
        """Process the events of recoveries and faults."""
        tracks = self._tracks
        rows = np.flatnonzero(_LOOKED_AT[tracks.event])
        words, last_fault = tracks.words, -1.0
        columns = (tracks.time, tracks.event, tracks.incident, tracks.detail)
        for time, event, incident, detail in zip(*(column[rows].tolist() for column in columns), strict=True):
            if event == Event.FAULT_INJECTED:
                self._fault(words[detail])
                if time == last_fault:
                    self.marks["two faults at one instant"] = None
                last_fault = time
            elif incident < 0:
                continue
            elif event == Event.RECOVERY_OPENED:
                self._opened(incident)
            elif event in OUTCOME_OF:
                self._ended(incident, str(OUTCOME_OF[event]))
            elif incident in self._stage:
                self._stage[incident] = _STAGES.get(event) or words[detail]  # the command of a step that starts
        return self

    def _fault(self, kind: str) -> None:
        self.kinds[kind] = None
        if not self._stage:
            self._outside[kind, NO_RECOVERY] = None
        for incident, stage in self._stage.items():
            self._pending.setdefault(incident, {})[kind, stage] = None
            if stage == "waiting":
                self.marks["a fault while a recovery waits"] = None
            elif stage not in _STAGES.values():
                self.marks["a fault during a step of a recovery"] = None

    def _opened(self, incident: int) -> None:
        self._stage[incident] = _STAGES[Event.RECOVERY_OPENED]
        self._pending[incident], self._outside = self._outside, {}
        if len(self._stage) > 1:
            self.marks["two recoveries are open at once"] = None

    def _ended(self, incident: int, outcome: str) -> None:
        self._stage.pop(incident, None)
        for kind, stage in self._pending.pop(incident, {}):
            self._done[kind, stage, outcome] = None

    def cells(self) -> list[Cell]:
        """The cells that the run reached, each once."""
        for incident in list(self._stage):
            self._ended(incident, str(RecoveryOutcome.OPEN))
        for kind, stage in self._outside:
            self._done[kind, stage, NO_RECOVERY] = None
        return list(self._done)

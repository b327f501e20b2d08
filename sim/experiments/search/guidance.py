"""Scores of a run that grow towards trouble; Hypothesis climbs them between random examples (`hypothesis.target`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from sim.history import Event, History
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import RECOVERY_ENDS

GROUPS = (
    ("oldest recovery", "open recoveries"),
    ("retries of a task", "failed tries", "refused retries", "failed steps"),
    ("refused attempts", "attempts of finished tasks", "rejected checkpoints", "continued recoveries"),
    ("queue depth",),
)
"""Scores that are climbed together."""


def _changes(up: Iterable[Event], down: Iterable[Event]) -> NDArray[np.int64]:
    """By how much each event changes the number of things that have begun and not ended."""
    change = np.zeros(256, dtype=np.int64)
    change[list(up)], change[list(down)] = 1, -1
    return change


_QUEUE_DEPTH = _changes((Event.QUEUE_ENTERED,), (Event.QUEUE_DELIVERED, Event.QUEUE_WITHDRAWN))
_OPEN_RECOVERIES = _changes((Event.RECOVERY_OPENED,), RECOVERY_ENDS)


def scores(history: History) -> Mapping[str, float]:
    """The deepest queue, the oldest recovery in seconds, the most recoveries open at once, and retries of one task.

    Near misses of invariants: attempts that a fence or an earlier effect refused, retries that were refused, rejected
    checkpoints, failed steps, and recoveries that another core continued.
    """
    tracks = Tracks.of(history)
    event = tracks.event
    count = np.bincount(event, minlength=256)
    found = {
        "queue depth": _peak(_QUEUE_DEPTH[event]) if count[Event.QUEUE_ENTERED] else 0.0,
        "refused attempts": float(count[Event.ATTEMPT_REFUSED]),
        "attempts of finished tasks": float(count[Event.ATTEMPT_SKIPPED]),
        "rejected checkpoints": float(count[Event.CHECKPOINT_REJECTED]),
    }
    if count[Event.RECOVERY_OPENED]:
        found |= {
            "open recoveries": _peak(_OPEN_RECOVERIES[event]),
            "oldest recovery": _oldest(tracks),
            "retries of a task": _most(tracks, Event.RETRY_GRANTED),
            "failed tries": _most(tracks, Event.RECOVERY_FAILED),
            "refused retries": float(count[Event.RETRY_EXHAUSTED]),
            "failed steps": float(count[Event.STEP_FAILED]),
            "continued recoveries": float(count[Event.RECOVERY_TAKEN_UP]),
        }
    return found


def _peak(changes: NDArray[np.int64]) -> float:
    """The largest number of things that have begun and not ended."""
    return float(changes.cumsum().max())


def _oldest(tracks: Tracks) -> float:
    """The longest time for which a recovery was open, in seconds."""
    rows = tracks.rows(Event.RECOVERY_OPENED)
    opened = dict(zip(tracks.incident[rows].tolist(), tracks.time[rows].tolist(), strict=True))
    ends = tracks.rows(*RECOVERY_ENDS)
    ended = dict(zip(tracks.incident[ends].tolist(), tracks.time[ends].tolist(), strict=True))
    return float(max(ended.get(number, tracks.horizon) - time for number, time in opened.items()))


def _most(tracks: Tracks, event: Event) -> float:
    """The largest number of events of one recovery."""
    return float(max(Counter(tracks.incident[tracks.rows(event)].tolist()).values(), default=0))

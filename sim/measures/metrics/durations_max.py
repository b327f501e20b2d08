"""Maximum durations, including those that are still in progress at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from sim.history import Event, History
from sim.measures.tables.event_table import Floats, Tracks
from sim.measures.tables.recoveries import Incidents


def longest(history: History, metric: str) -> float | None:
    """A lower bound of `recovery.time.max`, `tasks.sojourn.max` or `tasks.wait.max` (s), had the run gone on.

    An open duration counts until the end. None: no observation. Raises KeyError for other metrics.
    """
    lasted = MEASURES[metric](Tracks.of(history))
    return float(lasted.max()) if len(lasted) else None


def _recoveries(tracks: Tracks) -> Floats:
    incidents = Incidents.of(tracks)
    counts = np.isin(incidents.outcome(tracks), (Event.RECOVERY_VERIFIED, 0))
    counts &= (incidents.opened >= tracks.start) & (incidents.onset_row >= 0)
    lasted: Floats = (np.minimum(incidents.ended, tracks.horizon) - incidents.onset)[counts]
    return lasted


def _sojourns(tracks: Tracks) -> Floats:
    tasks = tracks.tasks
    counts = tasks.became(Event.TASK_COMPLETED) | tasks.became(0)
    lasted: Floats = (np.minimum(tasks.ended, tracks.horizon) - tasks.submitted)[counts]
    return lasted


def _waits(tracks: Tracks) -> Floats:
    tasks = tracks.tasks
    started = ~np.isnan(tasks.first_start)
    counts = tasks.cohort & (started | (tasks.outcome == 0))
    lasted: Floats = (np.where(started, tasks.first_start, tracks.horizon) - tasks.submitted)[counts]
    return lasted


MEASURES: Mapping[str, Callable[[Tracks], Floats]] = MappingProxyType(
    {"recovery.time.max": _recoveries, "tasks.sojourn.max": _sojourns, "tasks.wait.max": _waits}
)
"""The metrics with a maximum duration."""

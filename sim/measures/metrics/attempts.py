"""Numbers and outcomes of attempts."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks, Truths

ENDS = {
    "succeeded": Event.ATTEMPT_SUCCEEDED,
    "failed": Event.ATTEMPT_FAILED,
    "interrupted": Event.ATTEMPT_INTERRUPTED,
    "timed_out": Event.ATTEMPT_TIMED_OUT,
}


def measure_attempts(history: History) -> Measured:
    """The `attempts.*` metrics, of tasks submitted at or after the warm-up.

    `.started`, `.succeeded`, `.failed`, `.interrupted`, `.timed_out`: numbers of attempts. `.per_task.mean` =
    attempts of the tasks that were completed or failed ÷ those tasks. `.amplification` = attempts started ÷ tasks
    submitted. All of them also for each kind of tasks, as `attempts.chat.started`.
    """
    tracks = Tracks.of(history)
    measured = _measure(tracks, "attempts", None)
    for kind, of_kind in tracks.task_kinds.items():
        measured |= _measure(tracks, f"attempts.{kind}", of_kind)
    return measured


def _measure(tracks: Tracks, name: str, among: Truths | None) -> dict[str, float | None]:
    """The metrics of some tasks (None: of all), whose names begin with `name`."""
    tasks = tracks.tasks if among is None else tracks.tasks.among(among)
    started = len(tracks.of_cohort(Event.ATTEMPT_STARTED, among=among))
    submitted = int(np.count_nonzero(tasks.cohort))
    ended = tasks.became(Event.TASK_COMPLETED) | tasks.became(Event.TASK_FAILED)
    per_task = tracks.count_by_task(Event.ATTEMPT_STARTED)[ended]
    return {
        f"{name}.started": float(started),
        **{f"{name}.{end}": float(len(tracks.of_cohort(event, among=among))) for end, event in ENDS.items()},
        f"{name}.per_task.mean": float(per_task.mean()) if len(per_task) else None,
        f"{name}.amplification": started / submitted if submitted else None,
    }

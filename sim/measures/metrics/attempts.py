"""Numbers and outcomes of attempts."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks

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
    submitted.
    """
    tracks = Tracks.of(history)
    tasks = tracks.tasks
    started = len(tracks.of_cohort(Event.ATTEMPT_STARTED))
    submitted = int(np.count_nonzero(tasks.cohort))
    ended = tasks.became(Event.TASK_COMPLETED) | tasks.became(Event.TASK_FAILED)
    per_task = tracks.count_by_task(Event.ATTEMPT_STARTED)[ended]
    return {
        "attempts.started": float(started),
        **{f"attempts.{name}": float(len(tracks.of_cohort(event))) for name, event in ENDS.items()},
        "attempts.per_task.mean": float(per_task.mean()) if len(per_task) else None,
        "attempts.amplification": started / submitted if submitted else None,
    }

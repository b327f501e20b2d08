"""What a run costs at the prices of its scenario."""

from __future__ import annotations

import numpy as np

from recovery.policies.time_limits import TOLERANCE
from sim.history import Event, History
from sim.measures.metrics.retries import measure_retries
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.task_ownership import lost

PARTS = ("agents", "retries", "lost_tasks", "late_tasks")


def measure_cost(history: History) -> Measured:
    """The `cost.*` metrics; without prices they are not observed.

    `.agents` = price × agents × window from the warm-up to the end, whatever the agents do. Of the tasks submitted at
    or after the warm-up: `.retries` = price × retries granted; `.lost_tasks` = price × tasks that were given up,
    rejected or lost; `.late_tasks` = price × other tasks that were not completed within the time, those included that
    are older than that and unfinished at the end. `.total` is the sum. An unfinished task that is not late yet costs
    nothing.
    """
    prices = history.meta.get("cost")
    if prices is None:
        return dict.fromkeys([*(f"cost.{part}" for part in PARTS), "cost.total"])
    tracks = Tracks.of(history)
    tasks = tracks.tasks
    is_lost = np.zeros(len(tasks.cohort), dtype=bool)
    is_lost[lost(tracks)] = True
    for end in (Event.TASK_FAILED, Event.TASK_REJECTED):
        is_lost |= tasks.outcome == end
    late = prices["late_task"]
    is_late = np.zeros(len(tasks.cohort), dtype=bool)
    if late is not None:
        took = np.where(tasks.outcome == Event.TASK_COMPLETED, tasks.ended, tracks.horizon) - tasks.submitted
        is_late = (took > late["after"] + TOLERANCE) & ~is_lost
    retries = measure_retries(history)["retries.count"]
    found = {
        "cost.agents": prices["agent_second"] * history.meta["agents"] * tracks.window,
        "cost.retries": prices["retry"] * (retries if isinstance(retries, float) else 0.0),
        "cost.lost_tasks": prices["lost_task"] * float(np.count_nonzero(is_lost & tasks.cohort)),
        "cost.late_tasks": (0.0 if late is None else late["cost"]) * float(np.count_nonzero(is_late & tasks.cohort)),
    }
    return {**found, "cost.total": sum(found.values())}

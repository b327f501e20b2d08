"""The task log of a simulated run: one row for each attempt, as a production system logs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sim.history import Event

if TYPE_CHECKING:
    from sim.simulation import Run

_ENDS = {
    Event.ATTEMPT_SUCCEEDED.label: "success",
    Event.ATTEMPT_FAILED.label: "failed",
    Event.ATTEMPT_TIMED_OUT.label: "timeout",
    Event.ATTEMPT_INTERRUPTED.label: "interrupted",
}
_REJECTED = Event.TASK_REJECTED.label


def task_log(run: Run) -> pd.DataFrame:
    """The task log of a run: task, attempt, submitted, started, ended, status, agent, error, and kind
    where the scenario has kinds of tasks; times in seconds.

    Attempts that run at the end have no end, and tasks that have not started one row without a start. Raises
    HistoryNotKept for a run with `history: summary`.
    """
    return log_of_history(run.history)


def log_of_history(history: pd.DataFrame) -> pd.DataFrame:
    """The task log of the events of one run."""
    event = history["event"].astype(str)
    about = history.loc[history["task"] >= 0, ["time", "task", "agent", "detail"]]
    event = event[about.index]
    submitted = about.loc[event == Event.TASK_SUBMITTED.label].groupby("task")["time"].first()
    starts = about.loc[event == Event.ATTEMPT_STARTED.label].copy()
    ends = about.loc[event.isin(list(_ENDS))].copy()
    ends["status"] = event[ends.index].map(_ENDS)
    # An attempt ends with the first end of its task on its agent after its start.
    starts["row"] = starts.index
    ends["row"] = ends.index
    joined = pd.merge_asof(
        starts.sort_values("row"),
        ends.rename(columns={"time": "ended", "detail": "error"})[["row", "ended", "task", "agent", "status", "error"]],
        on="row",
        by=["task", "agent"],
        direction="forward",
    )
    again = joined.duplicated(["task", "agent", "ended"], keep="last") & joined["ended"].notna()
    joined.loc[again, ["ended", "status", "error"]] = None
    log = joined.rename(columns={"time": "started"})[["task", "started", "ended", "status", "agent", "error"]]
    log = log.assign(attempt=log.groupby("task").cumcount() + 1)
    waiting = submitted.index.difference(pd.Index(log["task"]))
    rejected = set(about.loc[event == _REJECTED, "task"])
    words = ["rejected" if task in rejected else "waiting" for task in waiting]
    more = pd.DataFrame({"task": waiting, "status": words, "attempt": 1}).astype({"task": log["task"].dtype})
    log = pd.concat([log, more], ignore_index=True) if len(more) else log
    log["submitted"] = log["task"].map(submitted)
    log["status"] = log["status"].fillna("running")
    log["error"] = log["error"].where(log["error"].fillna("") != "", None)
    log["agent"] = [None if np.isnan(number) else f"agent.{number:.0f}" for number in log["agent"].astype(float)]
    log["task"] = [f"task.{number}" for number in log["task"]]
    log = log.sort_values(["submitted", "started"], kind="stable", ignore_index=True)
    columns = ["task", "attempt", "submitted", "started", "ended", "status", "agent", "error"]
    kinds = about.loc[event == Event.TASK_SUBMITTED.label].drop_duplicates("task").set_index("task")["detail"]
    if not (kinds.fillna("") != "").any():
        return log[columns]
    log["kind"] = log["task"].str.removeprefix("task.").astype(int).map(kinds.astype(object))
    return log[[*columns, "kind"]]

"""Parts of a page from results that are in memory."""

from __future__ import annotations

from typing import Any

from sim.experiments.runs.replications import Result
from sim.history import HistoryNotKept
from sim.reports.failures.replay import Replay
from sim.reports.page.render import Part
from sim.reports.stored.reading import stored_of
from sim.reports.stored.shapes import ResultShape
from sim.reports.stored.shown_run import ShownRun, chosen_run, shown_run
from sim.simulation import Run

NOT_SHOWN = "the page has the timelines of the first results that are not as expected"


def part_of(result: Any, how: Replay | None = None, *, run: Run | None = None, has_timeline: bool = True) -> Part:
    """The part of a page about a result of any kind.

    `run`: the only run of a Result, with its history. Without it, the shown replication of a Result is repeated, unless
    its scenario keeps no history, or `has_timeline` is false. `how` repeats the runs; it is found by the scenario's
    file unless it is given. Raises StoredResultError for a kind of which there is no report.
    """
    stored = stored_of(result)
    if not isinstance(stored.data, ResultShape):
        return Part(stored)
    shown = result if isinstance(result, Run) else run
    if shown is not None and _has_rows(shown):
        return Part(stored, ShownRun(shown.seed, shown.record), how)
    if isinstance(result, Result) and has_timeline:
        return Part(stored, shown_run(stored), how)
    note = NOT_SHOWN if not has_timeline else "its scenario keeps no history (history: summary)"
    return Part(stored, ShownRun(chosen_run(stored, None).seed, None, note), how)


def _has_rows(run: Run) -> bool:
    try:
        run.record.rows.column("time")
    except HistoryNotKept:
        return False
    return True

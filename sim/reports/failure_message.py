"""Explains a run or a result that does not hold: what was observed, the events before it, and how to repeat it."""

from __future__ import annotations

from collections.abc import Iterator

from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.history import HistoryNotKept
from sim.reports.failures.event_line import event_line, lines_before
from sim.reports.failures.replay import Replay
from sim.reports.table import failures
from sim.simulation import Run

CONTEXT = 10
"""Events before the first violation that are shown."""
SEEDS_SHOWN = 10


def failure_message(found: Run | Result, how: Replay | None = None) -> str:
    """What does not hold, each with the command that repeats it, then the events before the first violation of a run,
    the seeds and the hashes of the histories. `how` is found by the scenario's file unless it is given.
    """
    result = as_result(found)
    lines = [*failures(result, how or Replay.of(result.scenario, result.replaced))]
    if isinstance(found, Run):
        lines += _before_the_violation(found)
    if result.replaced is not None:
        lines.append(f"  with {result.replaced}")
    return "\n".join([*lines, *origin_lines(result)])


def as_result(found: Run | Result) -> Result:
    """A run as a result with one replication."""
    if isinstance(found, Result):
        return found
    return Result(found.scenario, found.seed.rpartition("/")[0], (RunSummary.of(found),), replaced=found.replaced)


def origin_lines(result: Result) -> Iterator[str]:
    """The seeds of the runs, with the hashes of their histories."""
    for run in result.runs[:SEEDS_SHOWN]:
        yield f"  seed: {run.seed}  history_sha256: {run.history_sha256}"
    if len(result.runs) > SEEDS_SHOWN:
        yield f"  and {len(result.runs) - SEEDS_SHOWN} more"


def _before_the_violation(run: Run) -> Iterator[str]:
    if not run.violations:
        return
    first = min(run.violations, key=lambda violation: violation.row)
    try:
        history = run.history
    except HistoryNotKept:
        return
    yield f"  the events before {first.invariant} is violated, with time in seconds:"
    yield from (f"    {line}" for line in lines_before(history, first.row, CONTEXT))
    if first.row < len(history):
        yield f"  > {event_line(history, first.row)}"

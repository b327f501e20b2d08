"""Histories of this bench, as `run --history` writes them: one run as a task log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.experiments.fitting.logs.errors import FitError
from sim.experiments.fitting.logs.run_log import log_of_history

COLUMNS = ("scenario", "replication", "time", "event", "task", "agent")


def is_table(names: Sequence[str]) -> bool:
    """Whether a table is a history."""
    return {"scenario", "replication", "time", "event", "subject", "epoch", "incident"} <= set(names)


def attempts_of(table: Any, _: str | None) -> tuple[Any, dict[str, str], tuple[str, ...]]:
    """The attempts of the only run. Raises FitError for several runs."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read

    frame = table.to_pandas()
    runs = frame[["scenario", "replication"]].drop_duplicates()
    if len(runs) != 1:
        raise FitError(f"is a history of {len(runs)} runs; valid: of one run, whose times count from one start")
    log = log_of_history(frame)
    if not len(log):
        raise FitError("has no attempts; valid: a history of a run with tasks")
    made = pa.Table.from_pandas(log, preserve_index=False)
    return made, {name: name for name in log.columns}, ()

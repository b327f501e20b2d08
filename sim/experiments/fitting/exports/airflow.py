"""Airflow: rows of the table `task_instance` (or `task_instance_history`, which has every try)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KIND = "task_id"
"""The column of the kind of a task, unless another one is given."""
COLUMNS = ("dag_id", "task_id", "start_date", "end_date", "state")
_KEY = ("dag_id", "task_id", "run_id", "execution_date", "map_index")


def is_table(names: Sequence[str]) -> bool:
    """Whether a table has the columns of task instances."""
    return set(COLUMNS) <= set(names)


def attempts_of(table: Any, _: str | None) -> tuple[Any, dict[str, str], tuple[str, ...]]:
    """The rows with the name of the task in one column."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read
    import pyarrow.compute as pc  # noqa: PLC0415

    from sim.experiments.fitting.logs.instants import text_of  # noqa: PLC0415

    names = [name for name in _KEY if name in table.schema.names]
    parts = [pc.fill_null(text_of(table.column(name)), "") for name in names]
    key = pc.binary_join_element_wise(*parts, "/")
    table = table.append_column("task of airflow", pa.chunked_array([key]))
    columns = {"task": "task of airflow", "started": "start_date", "ended": "end_date", "status": "state"}
    others = {
        "submitted": "queued_dttm",
        "agent": "hostname",
        "attempt": "try_number",
        "pool": "pool",
        "units": "pool_slots",
        "kind": KIND,
    }
    columns |= {meaning: name for meaning, name in others.items() if name in table.schema.names}
    return table, columns, ()

"""Histories in one Parquet file: scenario and replication, followed by the columns of a run's frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.errors import BadInput
from sim.cli.output.files import written

if TYPE_CHECKING:
    import pandas as pd

    from scenarios import Scenario
    from sim.simulation import Run


def check_history(file: str | None, scenarios: list[Scenario]) -> None:
    """Raise `BadInput` when a scenario has no history to keep."""
    for scenario in scenarios:
        if file is not None and scenario.history == "summary":
            raise BadInput(
                f"--history {file}: {scenario.name} keeps a summary and no history; valid: with --set history=full"
            )


def _columns() -> dict[str, Any]:
    """The columns of a file, and their types."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    numbers = {name: pa.int32() for name in ("task", "agent", "epoch", "incident")}
    return {
        "scenario": words,
        "replication": words,
        "time": pa.float64(),
        "event": words,
        "subject": pa.string(),
        **numbers,
        "value": pa.float64(),
        "detail": words,
        "about": words,
    }


def read_histories(file: str) -> pd.DataFrame:
    """The histories in a file, one after another. Raises BadInput for a file that is damaged or is no history."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from recovery.input_file import InputFileError, check_regular

    valid = "valid: FILE.parquet of --history"
    try:
        check_regular(Path(file))
        table = pq.read_table(file, page_checksum_verification=True)
        for column, kind in _columns().items():
            if column not in table.schema.names:
                raise BadInput(f"{file}: not a history: it has no column '{column}'; {valid}")
            if table.schema.field(column).type != kind:
                raise BadInput(f"{file}: not a history: column '{column}' has values of another type; {valid}")
        found: pd.DataFrame = table.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    except InputFileError as error:
        raise BadInput(f"{file}: {error}; {valid}") from None
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:  # what is wrong in a damaged file
        raise BadInput(f"{file}: not a history ({type(error).__name__}); {valid}") from None
    return found


class HistoryFile:
    """A Parquet file that is being written, one row group for each run."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema

    def add(self, run: Run) -> None:
        """Append the history of a run."""
        import pyarrow as pa

        frame = run.history.assign(event=run.history["event"].astype(str))
        self._writer.write_table(pa.Table.from_pandas(frame[self._schema.names], self._schema, preserve_index=False))


@contextmanager
def history_file(file: str, scenarios: list[Scenario]) -> Iterator[HistoryFile]:
    """A file for the histories of these scenarios. It gets its name when the block ends without an error.

    The file's metadata contain, under `recovery-bench`, the version and each scenario with all of its values.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sim.experiments.runs.provenance import installed_version

    about = {"version": installed_version(), "scenarios": [scenario.resolved() for scenario in scenarios]}
    schema = pa.schema(list(_columns().items()), {"recovery-bench": json.dumps(about)})
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    with written(file) as path, pq.ParquetWriter(path, schema, **options) as writer:
        yield HistoryFile(writer, schema)

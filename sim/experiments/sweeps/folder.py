"""The folder of a sweep: its definition and its finished runs.

Finished runs are written in parts. Each part has a temporary name until it is complete, so that after a crash a part is
either complete or absent. At the end the parts are merged into one file, in order. A run may be in a part, in the
merged file, or in both. Every file has its SHA-256 beside it; one that does not agree with it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from recovery.atomic_file import LEFT
from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError
from sim.experiments.runs.summary import RunSummary
from sim.experiments.sweeps.designs import Point
from sim.experiments.sweeps.digests import (
    SUFFIX,
    WrongDigest,
    read_with_digest,
    remove_with_digest,
    write_with_digest,
)

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    _LOCKS = False
else:
    _LOCKS = True

FORMAT = 3
"""2: with the samples behind the distributions; 3: with the digests of all files."""
MOST_VALUES = 2_000
"""Distinct values of a sample that are kept one by one; more are kept in the buckets of `sim.stats.samples`."""
ABOUT = "sweep.json"
MOST_BYTES = 16 * 1024**2
"""Limit on the size of the definition of a sweep."""
MOST_BYTES_OF_RESULTS = 8 * 1024**3
RESULTS = "results.parquet"
PARTS = "parts"
IDENTITY = (
    "sweep",
    "scenario",
    "version",
    "seed",
    "paths",
    "scenario_resolved",
    "runbook_sha256",
    "files_sha256",
    "replaced",
)
"""Fields that have to be equal to continue a sweep in a folder."""
RUN = ("point", "replication")
"""Columns that identify the run of a row."""
Finished = tuple[str, int]
"""A point's key, and the number of a replication."""


class SweepFolderError(RecoveryBenchError):
    """A folder cannot be used. One line: which folder, what is wrong, and what would be valid."""


@dataclass(frozen=True)
class Row:
    """A finished run."""

    point: Point
    replication: int
    summary: RunSummary


def key(point: Point) -> str:
    """The key of a point: its values by path."""
    return json.dumps(dict(sorted(point.items())), ensure_ascii=False)


class SweepFolder:
    """A folder, created if it does not exist and locked against other programs where files can be locked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0

    @contextmanager
    def opened(self, about: Mapping[str, Any]) -> Iterator[None]:
        """Use it for the sweep that `about` describes. Raises SweepFolderError if it contains another one."""
        try:
            (self.path / PARTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SweepFolderError(
                f"{self.path}: cannot be used: {error.strerror or error}; valid: a folder of yours, or a new one"
            ) from None
        try:
            with (self.path / ".lock").open("a") as lock:
                try:
                    _lock(lock)
                except BlockingIOError:
                    raise SweepFolderError(
                        f"{self.path}: another program sweeps there; valid: when that is done"
                    ) from None
                self._check(about)
                for left in (*self.path.glob(LEFT), *(self.path / PARTS).glob(LEFT), *self._digests_of_nothing()):
                    left.unlink()
                self._next = 1 + max((int(part.stem) for part in self._parts()), default=-1)
                yield
        except OSError as error:
            raise SweepFolderError(
                f"{self.path}: {error.strerror or error}; what is finished is kept, and the same command goes on"
            ) from None

    def _check(self, about: Mapping[str, Any]) -> None:
        there = read_about(self.path)
        if there is None:
            if any(self._parts()) or (self.path / RESULTS).exists():
                raise SweepFolderError(
                    f"{self.path}: has results, and no {ABOUT} that says of what; valid: another folder"
                )
            others = [each.name for each in self.path.iterdir() if each.name not in (PARTS, ".lock", ABOUT + SUFFIX)]
            if others:
                raise SweepFolderError(
                    f"{self.path}: holds {min(others)} and no sweep; valid: an empty folder, or a new one"
                )
        else:
            for name in IDENTITY:
                if (difference := _difference(there.get(name), about.get(name), name)) is not None:
                    raise SweepFolderError(f"{self.path}: is another sweep: {difference}; valid: another folder")
        if there == dict(about):
            return
        write_with_digest(self.path / ABOUT, json.dumps(dict(about), indent=1, ensure_ascii=False).encode())

    # ------------------------------------------------------------------------------------------------- results
    def add(self, rows: Sequence[Row]) -> None:
        """Write finished runs; they are on the disk when this returns."""
        if rows:
            target = self.path / PARTS / f"{self._next}.parquet"
            _write_table(target, table_of(rows))
            self._next += 1

    def finished(self) -> set[Finished]:
        """The finished runs."""
        found: set[Finished] = set()
        for file in self._files():
            found.update(_runs_of(_read_table(file, columns=list(RUN), read_dictionary=["point"])))
        return found

    def table(self) -> pa.Table:
        """All runs, each once, in any order: a row for each metric."""
        tables = []
        seen: set[Finished] = set()
        for file in self._files():
            table = _read_table(file)
            if seen:
                runs = zip(*(table[name].to_pylist() for name in RUN), strict=True)
                table = table.filter(pa.array([run not in seen for run in runs], pa.bool_()))
            tables.append(table)
            seen.update(_runs_of(table))
        return pa.concat_tables(tables) if tables else table_of([])

    def merge(self, order: Mapping[str, int]) -> None:
        """Merge all parts into one file, with the points in this order."""
        parts = list(self._parts())
        if not parts:
            return
        frame = self.table().to_pandas()
        frame["_place"] = frame["point"].map(order).fillna(len(order))
        frame = frame.sort_values(["_place", "point", "replication"], kind="stable").drop(columns="_place")
        _write_table(self.path / RESULTS, pa.Table.from_pandas(frame, schema=SCHEMA, preserve_index=False))
        for part in parts:
            remove_with_digest(part)

    def _files(self) -> list[Path]:
        merged = self.path / RESULTS
        return [*([merged] if merged.exists() else []), *self._parts()]

    def _digests_of_nothing(self) -> list[Path]:
        """Digests of parts that a program had not yet written, or had removed, when it was killed."""
        digests = (self.path / PARTS).glob(f"*.parquet{SUFFIX}")
        return [each for each in digests if not each.with_name(each.name.removesuffix(SUFFIX)).exists()]

    def _parts(self) -> list[Path]:
        parts = (part for part in (self.path / PARTS).glob("*.parquet") if part.stem.isdecimal())
        return sorted(parts, key=lambda part: int(part.stem))


def _lock(file: IO[str]) -> None:
    """Lock it until it is closed. Raises BlockingIOError when another program holds the lock."""
    if _LOCKS:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _runs_of(table: pa.Table) -> Iterator[Finished]:
    """The runs of a table that has a row for each metric."""
    runs = table.group_by(list(RUN)).aggregate([])
    return zip(*(runs[name].to_pylist() for name in RUN), strict=True)


def _read_table(file: Path, **options: Any) -> pa.Table:
    """Raises SweepFolderError for a file that is not a table of a sweep, or not as it was written."""
    try:
        content = read_with_digest(file, MOST_BYTES_OF_RESULTS)
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True, **options)
    except InputFileError as error:
        raise SweepFolderError(f"{file}: {error}; valid: another folder") from None
    except WrongDigest as error:
        raise _damaged(file, str(error)) from None
    except (pa.ArrowException, OSError):
        raise _damaged(file, "it cannot be read") from None
    names = options.get("columns", SCHEMA.names)
    wrong = next((name for name in names if name not in table.column_names), None)
    if wrong is not None:
        raise _damaged(file, f"it has no column '{wrong}'")
    if "columns" not in options:
        _check_rows(file, table)
    return table


def _check_rows(file: Path, table: pa.Table) -> None:
    """Raise SweepFolderError unless the columns have their types and each run has one row for a metric."""
    different = next((name for name in SCHEMA.names if table.schema.field(name).type != SCHEMA.field(name).type), None)
    if different is not None:
        raise _damaged(file, f"its column '{different}' is of type {table.schema.field(different).type}")
    if table.group_by([*RUN, "metric"]).aggregate([]).num_rows != table.num_rows:
        raise _damaged(file, "it has two rows for a metric of the same run")


def _damaged(file: Path, why: str) -> SweepFolderError:
    return SweepFolderError(f"{file}: is damaged: {why}; valid: without this file, what it held is run again")


def _write_table(target: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_with_digest(target, sink.getvalue().to_pybytes())


SCHEMA = pa.schema(
    [
        ("point", pa.string()),  # JSON: the value at each path
        ("replication", pa.int32()),
        ("metric", pa.string()),
        ("value", pa.float64()),  # null: not observed, or a sample
        ("sample", pa.string()),  # of a distribution, by the name before .mean
        ("history_sha256", pa.string()),
        ("violations", pa.int32()),
    ]
)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Runs as a table: a row for each metric, then one for each sample."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for row in rows:
        metrics, samples = row.summary.metrics, row.summary.samples
        size = len(metrics) + len(samples)
        columns["point"] += [key(row.point)] * size
        columns["replication"] += [row.replication] * size
        columns["metric"] += [*metrics, *samples]
        columns["value"] += [*metrics.values(), *[None] * len(samples)]
        columns["sample"] += [*[None] * len(metrics), *(sample.text(MOST_VALUES) for sample in samples.values())]
        columns["history_sha256"] += [row.summary.history_sha256] * size
        columns["violations"] += [len(row.summary.violations)] * size
    return pa.table(columns, schema=SCHEMA)


def read_about(path: Path) -> dict[str, Any] | None:
    """The definition of a folder's sweep; None if there is none. Raises SweepFolderError if it cannot be read."""
    file = path / ABOUT
    try:
        found = json.loads(read_with_digest(file, MOST_BYTES))
    except InputFileError as error:
        if error.is_missing:
            return None
        raise SweepFolderError(f"{file}: {error}; valid: another folder") from None
    except WrongDigest as error:
        raise SweepFolderError(f"{file}: is damaged: {error}; valid: another folder") from None
    except (ValueError, RecursionError):
        raise SweepFolderError(f"{file}: cannot be read; valid: another folder") from None
    if not isinstance(found, dict):
        raise SweepFolderError(f"{file}: is not about a sweep; valid: another folder")
    if found.get("sweep") != FORMAT:
        version = str(found.get("sweep"))[:20]
        raise SweepFolderError(
            f"{file}: has version {version} of the format; valid: version {FORMAT}, or another folder"
        )
    return found


def _difference(there: Any, here: Any, name: str) -> str | None:
    """The first difference, as text."""
    if isinstance(there, dict) and isinstance(here, dict):
        for below in (*there, *here):
            found = _difference(there.get(below), here.get(below), f"{name}.{below}".removeprefix("scenario_resolved."))
            if found is not None:
                return found
        return None
    if there != here:
        return (
            f"{name} is {json.dumps(there, ensure_ascii=False)} there, and {json.dumps(here, ensure_ascii=False)} here"
        )
    return None

"""Storage of the rows of a history as columns, in memory or in a temporary file."""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import starmap
from struct import Struct
from typing import Any, NoReturn, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from recovery.errors import RecoveryBenchError

ROW = np.dtype(
    [
        ("time", "<f8"),
        ("event", "<u1"),
        ("task", "<i4"),
        ("agent", "<i4"),
        ("epoch", "<i4"),
        ("incident", "<i4"),
        ("value", "<f8"),
        ("detail", "<i4"),
        ("about", "<i4"),
    ]
)
NAMES = tuple(ROW.names or ())
_BEFORE = {name: sum(ROW[other].itemsize for other in NAMES[:place]) for place, name in enumerate(NAMES)}
"""Byte offset of each column in a row."""
_BYTES = Struct("<" + "".join(ROW[name].char for name in NAMES))
"""The bytes of a row of `ROW`."""
CHUNK_ROWS = 1 << 15
Row = tuple[float, int, int, int, int, int, float, int, int]
"""A row as it is recorded, in the order of `ROW`."""


class HistoryNotKept(RecoveryBenchError, LookupError):
    """The events of a run were requested that did not keep them."""


class Rows(Protocol):
    """The rows of a history, in order."""

    in_memory: bool

    def __len__(self) -> int:
        """The number of rows."""

    def append(self, rows: Sequence[Row]) -> None:
        """Append a chunk."""

    def column(self, name: str) -> NDArray[Any]:
        """One column of all rows, contiguous and read-only."""

    def chunks(self) -> Iterator[NDArray[np.void]]:
        """All rows in chunks, as arrays of dtype `ROW`."""


class RowsInMemory:
    """Keeps columns in memory; the chunks of a column are concatenated on first access."""

    in_memory = True

    def __init__(self) -> None:
        self._pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in NAMES}
        self._size = 0

    @classmethod
    def of(cls, table: NDArray[np.void]) -> RowsInMemory:
        """The rows of an array of dtype `ROW`."""
        rows = cls()
        rows._pieces = {name: [np.ascontiguousarray(table[name])] for name in NAMES}
        rows._size = len(table)
        return rows

    def __len__(self) -> int:
        return self._size

    def append(self, rows: Sequence[Row]) -> None:
        """Append a chunk."""
        for name, column in _columns(rows).items():
            self._pieces[name].append(column)
        self._size += len(rows)

    def column(self, name: str) -> NDArray[Any]:
        """One column of all rows."""
        pieces = self._pieces[name]
        if len(pieces) != 1:
            pieces[:] = [np.concatenate(pieces) if pieces else np.empty(0, dtype=ROW[name])]
        return pieces[0]

    def chunks(self) -> Iterator[NDArray[np.void]]:
        """All rows in chunks."""
        columns = {name: self.column(name) for name in NAMES}
        for first in range(0, self._size, CHUNK_ROWS):
            yield _rows({name: column[first : first + CHUNK_ROWS] for name, column in columns.items()})


class RowsInFile:
    """Keeps columns in an unnamed temporary file, and none in memory."""

    in_memory = False

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="recovery-bench-")  # noqa: SIM115 - open for the lifetime of this object
        self._begins = [0]  # the first row of each chunk, then the number of rows

    def __len__(self) -> int:
        return self._begins[-1]

    def append(self, rows: Sequence[Row]) -> None:
        """Append a chunk, column by column. Raises OSError when the disk is full."""
        try:
            self._file.seek(0, os.SEEK_END)
            for column in _columns(rows).values():
                self._file.write(column.data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from None
        self._begins.append(len(self) + len(rows))

    def column(self, name: str) -> NDArray[Any]:
        """One column of all rows, read on access: see `ColumnInFile`."""
        return cast("NDArray[Any]", ColumnInFile(self, name))

    def chunks(self) -> Iterator[NDArray[np.void]]:
        """All rows in chunks."""
        for chunk in range(len(self._begins) - 1):
            yield _rows({name: self.piece(name, chunk) for name in NAMES})

    @property
    def begins(self) -> Sequence[int]:
        """The first row of each chunk, then the number of rows."""
        return self._begins

    def piece(self, name: str, chunk: int) -> NDArray[Any]:
        """The part of a column in one chunk."""
        begin, end = self._begins[chunk : chunk + 2]
        return self._read(name, chunk, 0, end - begin)

    def one(self, name: str, row: int) -> Any:
        """The value of a column in one row."""
        chunk = bisect_right(self._begins, row) - 1
        return self._read(name, chunk, row - self._begins[chunk], 1)[0]

    def _read(self, name: str, chunk: int, first: int, number: int) -> NDArray[Any]:
        begin, end = self._begins[chunk : chunk + 2]
        size = ROW[name].itemsize
        self._file.seek(ROW.itemsize * begin + _BEFORE[name] * (end - begin) + size * first)
        return np.frombuffer(self._file.read(size * number), ROW[name])

    def __del__(self) -> None:
        """Close the file, which has no name and is deleted."""
        self._file.close()


class ColumnInFile:
    """A column that is read on access: `column[rows]`, `column[row]`. numpy accepts it as an array."""

    def __init__(self, rows: RowsInFile, name: str) -> None:
        self._rows = rows
        self._name = name

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        """Index like an array: by a row, an array of rows or booleans, or a slice; negative rows count from the end."""
        if isinstance(index, int | np.integer):
            return self._rows.one(self._name, int(index) % len(self))
        rows = np.arange(len(self))[index] if isinstance(index, slice) else np.asarray(index)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        elif (rows < 0).any():
            rows = np.where(rows < 0, rows + len(self), rows)
        if (rows[1:] >= rows[:-1]).all():
            return self._pick(rows)
        order = np.argsort(rows)
        picked = np.empty(len(rows), dtype=ROW[self._name])
        picked[order] = self._pick(rows[order])
        return picked

    def _pick(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """For ascending rows."""
        picked = np.empty(len(rows), dtype=ROW[self._name])
        begins = self._rows.begins
        places = np.searchsorted(rows, begins)
        for chunk in np.flatnonzero(places[1:] > places[:-1]).tolist():
            chosen = slice(places[chunk], places[chunk + 1])
            picked[chosen] = self._rows.piece(self._name, chunk)[rows[chosen] - begins[chunk]]
        return picked

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        pieces = [self._rows.piece(self._name, chunk) for chunk in range(len(self._rows.begins) - 1)]
        return np.concatenate([np.empty(0, dtype=ROW[self._name]), *pieces]).astype(
            dtype or ROW[self._name], copy=False
        )


class NoRows:
    """Replaces rows that were discarded after the run was measured."""

    in_memory = False

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def append(self, rows: Sequence[Row]) -> NoReturn:
        """Always raises: the run is over."""
        raise HistoryNotKept("a finished run records no events")

    def column(self, name: str) -> NoReturn:
        """Always raises: the rows were not kept."""
        raise HistoryNotKept("the events of this run were not kept ('history: summary'); valid: 'history: full'")

    def chunks(self) -> NoReturn:
        """Always raises: the rows were not kept."""
        self.column("time")


def _columns(rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
    """The columns of rows. By way of their bytes, which takes half of the time of an array of tuples."""
    table = np.frombuffer(b"".join(starmap(_BYTES.pack, rows)), dtype=ROW)
    return {name: np.ascontiguousarray(table[name]) for name in NAMES}


def _rows(columns: dict[str, NDArray[Any]]) -> NDArray[np.void]:
    chunk = np.empty(len(columns["time"]), dtype=ROW)
    for name, column in columns.items():
        chunk[name] = column
    return chunk

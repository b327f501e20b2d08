"""Columns on disk behave like arrays."""

from __future__ import annotations

import errno
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim.history.storage
from sim.history import Event, History
from sim.history.storage import NAMES, ROW, HistoryNotKept, Row, RowsInFile, RowsInMemory

NUMBERS = st.integers(-1, 2**31 - 1)
FLOATS = st.floats(allow_nan=True)
ROWS = st.tuples(FLOATS, st.integers(0, 255), NUMBERS, NUMBERS, NUMBERS, NUMBERS, FLOATS, NUMBERS, NUMBERS)
CHUNKS = st.lists(st.lists(ROWS, min_size=1, max_size=7), max_size=5)


def both(chunks: list[list[Row]]) -> tuple[RowsInMemory, RowsInFile]:
    """Equal rows in memory and in a file."""
    stores = RowsInMemory(), RowsInFile()
    for chunk in chunks:
        for store in stores:
            store.append(chunk)
    return stores


def indices(size: int) -> st.SearchStrategy[Any]:
    """All kinds of indices of a column."""
    some = st.lists(st.integers(-size, size - 1), max_size=20) if size else st.just([])
    rows = some.map(lambda rows: np.array(rows, dtype=np.intp))
    truths = st.lists(st.booleans(), min_size=size, max_size=size).map(lambda each: np.array(each, dtype=bool))
    asked = [rows, rows.map(np.sort), truths, st.slices(size)]
    if size:
        one = st.integers(-size, size - 1)
        asked += [one, one.map(np.int64)]
    return st.one_of(*asked)


@given(CHUNKS, st.sampled_from(NAMES), st.data())
def test_a_column_on_disk_equals_an_array(chunks: list[list[Row]], name: str, data: st.DataObject) -> None:
    in_memory, in_file = both(chunks)
    index = data.draw(indices(len(in_memory)))
    array, column = in_memory.column(name), in_file.column(name)
    np.testing.assert_array_equal(column[index], array[index])
    assert np.asarray(column[index]).dtype == array.dtype
    assert len(column) == len(array) == len(in_file)


@given(CHUNKS, st.sampled_from(NAMES))
def test_numpy_accepts_a_column_on_disk_as_an_array(chunks: list[list[Row]], name: str) -> None:
    in_memory, in_file = both(chunks)
    np.testing.assert_array_equal(np.asarray(in_file.column(name)), in_memory.column(name))
    assert np.asarray(in_file.column(name)).dtype == ROW[name]
    assert np.asarray(in_file.column(name), dtype=float).dtype == float


@given(CHUNKS)
def test_memory_and_disk_have_equal_rows_and_accept_more_after_reading(chunks: list[list[Row]]) -> None:
    stores = RowsInMemory(), RowsInFile()
    for chunk in [*chunks, [(0.5, 1, 2, 3, 4, 5, 6.5, 7, 8)]]:
        for store in stores:
            store.append(chunk)
        one, other = (b"".join(part.tobytes() for part in store.chunks()) for store in stores)
        assert one == other
        assert len(one) == ROW.itemsize * len(stores[0])
        assert stores[1].one("task", 0) == stores[0].column("task")[0]


@pytest.mark.long
@pytest.mark.parametrize("rows", [RowsInMemory, RowsInFile])
def test_the_hash_does_not_depend_on_the_storage(rows: type[RowsInMemory | RowsInFile]) -> None:
    story = [{"time": float(n), "event": Event.TASK_SUBMITTED, "task": n, "about": f"x{n % 3}"} for n in range(70_000)]
    assert History.of(story, rows=rows()).sha256() == History.of(story).sha256()


def test_a_history_without_rows_has_a_count_and_a_hash() -> None:
    history = History.of([{"time": 1.0, "event": Event.TASK_SUBMITTED, "task": 0}], rows=RowsInFile())
    known = history.sha256()
    history.keep_no_rows()
    assert (len(history), history.sha256()) == (1, known)
    for ask in (history.frame, lambda: history.table):
        with pytest.raises(HistoryNotKept, match="valid: 'history: full'"):
            ask()
    with pytest.raises(HistoryNotKept, match="records no events"):
        history.rows.append([(0.5, 1, 2, 3, 4, 5, 6.5, 7, 8)])


def test_a_full_disk_is_reported_with_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, offset: int, whence: int) -> None:
            """At the end."""

        def write(self, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            """Nothing was opened."""

    monkeypatch.setattr(sim.history.storage.tempfile, "TemporaryFile", lambda **_: Full())
    monkeypatch.setattr(sim.history.storage.tempfile, "gettempdir", lambda: "/somewhere")
    with pytest.raises(OSError, match=r"No space left on device: '/somewhere'"):
        RowsInFile().append([(0.5, 1, 2, 3, 4, 5, 6.5, 7, 8)])

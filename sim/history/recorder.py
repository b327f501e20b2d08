"""The record of a run: append-only typed events, a data frame, and a hash of their canonical bytes.

A row is `(time, event, task, agent, epoch, incident, value, detail, about)`. Identifiers are numbers (-1: none),
`value` is a float (NaN: none), `detail` and `about` are numbers of interned words (0: the empty word). Rows are kept as
tuples only until a chunk is full; then they become numpy columns of 41 bytes a row, in memory or in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import simpy
from numpy.typing import NDArray

from sim.history.events import Event
from sim.history.storage import CHUNK_ROWS, NAMES, ROW, NoRows, Row, Rows, RowsInMemory

ChunkWatcher = Callable[[Sequence[Row]], None]
"""Called with the rows of each full chunk."""
Watcher = Callable[[int, int, int, int, str], None]
"""Called after each event, with its number, task, agent, incident and detail."""


NUMBERS = ("task", "agent", "epoch", "incident")
"""The columns of a frame that hold numbers which a row may lack."""


class _Numbered(dict[str, int]):
    """Interned words by number; a new word gets the next number."""

    def __missing__(self, word: str) -> int:
        number = self[str(word)] = len(self)  # of an enum, the plain text
        return number


class History:
    """The events of one run, in order. `meta` holds the constants that measures need (see `sim.simulation`).

    `rows` is the storage of the events; in memory by default.
    """

    def __init__(
        self,
        env: simpy.Environment | None = None,
        meta: Mapping[str, Any] | None = None,
        rows: Rows | None = None,
    ) -> None:
        self.meta: dict[str, Any] = dict(meta or {})
        self._env = env if env is not None else simpy.Environment()
        self._rows: Rows = RowsInMemory() if rows is None else rows
        self._latest: list[Row] = []
        self._words = _Numbered({"": 0})
        self._watchers: tuple[tuple[Watcher, Collection[int] | None], ...] = ()
        self.on_chunk: ChunkWatcher | None = None
        self._closed = False
        self._sha256: str | None = None  # kept when there are no rows to compute it from

    def record(
        self,
        event: int,
        task: int = -1,
        agent: int = -1,
        epoch: int = -1,
        value: float = nan,
        detail: str = "",
        about: str = "",
        incident: int = -1,
    ) -> None:
        """Append an event at the current time."""
        words, latest = self._words, self._latest
        latest.append(
            (
                self._env._now,  # the property would cost as much as the rest of this method
                event,
                task,
                agent,
                epoch,
                incident,
                value,
                words[detail] if detail else 0,
                words[about] if about else 0,
            )
        )
        if len(latest) >= CHUNK_ROWS:
            self._end_chunk()

    def _end_chunk(self) -> None:
        chunk = self._latest[:] if self.on_chunk is not None else ()
        self._flush()
        if self.on_chunk is not None:
            self.on_chunk(chunk)

    def _flush(self) -> None:
        if self._latest:
            self._rows.append(self._latest)
            self._latest.clear()

    def _record_and_notify(
        self,
        event: int,
        task: int = -1,
        agent: int = -1,
        epoch: int = -1,
        value: float = nan,
        detail: str = "",
        about: str = "",
        incident: int = -1,
    ) -> None:
        History.record(self, event, task, agent, epoch, value, detail, about, incident)
        for watcher, events in self._watchers:
            if events is None or event in events:
                watcher(event, task, agent, incident, detail)

    def watch(self, watcher: Watcher, events: Collection[int] | None = None) -> None:
        """Call `watcher` after each event from now on, or after each of `events`, until `unwatch`.

        Watchers are called in the order of `watch`.
        """
        self._watchers = (*self._watchers, (watcher, events))
        self._select_record()

    def unwatch(self, watcher: Watcher) -> None:
        """Stop calling `watcher`."""
        self._watchers = tuple(each for each in self._watchers if each[0] != watcher)
        self._select_record()

    def close(self) -> None:
        """Close the history: events during the teardown of a run are dropped. A closed history stays closed."""
        self._flush()
        self._closed = True
        self._select_record()

    def _select_record(self) -> None:
        """Select the implementation of `record` at each change of state, so that no event pays for a check."""
        if self._closed:
            self.__dict__["record"] = _drop
        elif self._watchers:
            self.__dict__["record"] = self._record_and_notify
        else:
            self.__dict__.pop("record", None)

    @property
    def rows(self) -> Rows:
        """The storage of all events."""
        self._flush()
        return self._rows

    @property
    def table(self) -> NDArray[np.void]:
        """A copy of all events as one structured array of dtype `ROW`, in order."""
        return np.concatenate([np.empty(0, dtype=ROW), *self.rows.chunks()])

    def keep_no_rows(self) -> None:
        """Discard all events. Later access to events raises `HistoryNotKept`."""
        self._sha256 = self.sha256()
        self._rows = NoRows(len(self))

    @property
    def words(self) -> list[str]:
        """Interned words by number: `words[row["detail"]]`."""
        return list(self._words)

    def __len__(self) -> int:
        return len(self._rows) + len(self._latest)

    def sha256(self) -> str:
        """Hash of the canonical bytes: column layout, words in order of appearance, then rows, little-endian."""
        if self._sha256 is not None:
            return self._sha256
        digest = hashlib.sha256()
        digest.update(json.dumps(ROW.descr).encode())
        digest.update(json.dumps(self.words).encode())
        for chunk in self.rows.chunks():
            digest.update(chunk.tobytes())
        return digest.hexdigest()

    def parts(self) -> tuple[dict[str, Any], list[str], NDArray[np.void] | None, int, str]:
        """The state of a copy: meta, words, table (None when no rows were kept), number of events, and hash."""
        table = None if isinstance(self.rows, NoRows) else self.table
        return self.meta, self.words, table, len(self), self.sha256()

    @classmethod
    def from_parts(
        cls, meta: Mapping[str, Any], words: list[str], table: NDArray[np.void] | None, events: int, sha256: str | None
    ) -> History:
        """A closed history from its `parts()`. Raises ValueError when the hash, if it is given, does not match the
        events.
        """
        history = cls(None, meta)
        history._words = _Numbered({word: number for number, word in enumerate(words)})
        if table is None:
            history._rows = NoRows(events)
            history._sha256 = sha256
        else:
            history._rows = RowsInMemory.of(table)
            if sha256 is not None and history.sha256() != sha256:
                raise ValueError("the hash of the history is not that of its events")
        history.close()
        return history

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, also in another process, is closed: it does not belong to a running simulation."""
        return History.from_parts, self.parts()

    def frame(self) -> pd.DataFrame:
        """The events as a tidy frame: time, event, subject, task, agent, epoch, incident, value, detail, about.

        `event` has the same categories in every frame, and numbers that a row does not have are missing.
        """
        columns = {name: np.asarray(self.rows.column(name)) for name in NAMES}
        words = np.array(self.words, dtype=object)
        return pd.DataFrame(
            {
                "time": columns["time"],
                "event": pd.Categorical.from_codes(_CODES[columns["event"]], categories=_LABELS),
                "subject": _subjects(columns, words),
                **{name: pd.arrays.IntegerArray(columns[name], columns[name] < 0) for name in NUMBERS},
                "value": columns["value"],
                **{name: words[columns[name]] for name in ("detail", "about")},
            }
        )

    @classmethod
    def of(
        cls,
        events: Iterable[Mapping[str, Any]],
        meta: Mapping[str, Any] | None = None,
        rows: Rows | None = None,
    ) -> History:
        """A history written by hand, for tests and tools: mappings with `time`, `event` and any other column."""
        env = simpy.Environment()
        history = cls(env, meta, rows)
        for event in events:
            columns = dict(event)
            env._now = float(columns.pop("time"))
            history.record(**columns)
        return history


_LABELS = pd.Index([event.label for event in Event], dtype=object)
_CODES = np.full(256, -1, dtype=np.int16)
_CODES[list(Event)] = np.arange(len(Event))


def _drop(*_: object, **__: object) -> None:
    pass


def _subjects(columns: Mapping[str, NDArray[Any]], words: NDArray[np.object_]) -> NDArray[np.object_]:
    """The subject of a row: its `about`, else its task, else its agent."""
    subjects: NDArray[np.object_] = words[columns["about"]]
    for name in ("task", "agent"):
        chosen = (subjects == "") & (columns[name] >= 0)
        numbers, places = np.unique(columns[name][chosen], return_inverse=True)
        subjects[chosen] = np.array([f"{name}.{number}" for number in numbers], dtype=object)[places]
    return subjects

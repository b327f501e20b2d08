"""The record of a run: append-only typed events, a data frame, and a hash of their canonical bytes.

A row is `(time, event, task, agent, epoch, incident, value, detail, about)`. Identifiers are numbers (-1: none),
`value` is a float (NaN: none), `detail` and `about` are numbers of interned words (0: the empty word). Rows are kept as
tuples only until a chunk is full; then they become numpy columns of 41 bytes a row, in memory or in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import simpy
from numpy.typing import NDArray

from sim.history_rows import CHUNK_ROWS, NAMES, ROW, NoRows, Row, Rows, RowsInMemory


class Event(IntEnum):
    """Everything that can happen. The value is what a stored history holds: numbers are never reused or changed."""

    # --- tasks: ground truth of what became of them
    TASK_SUBMITTED = 1
    TASK_REJECTED = 2  # detail: why
    TASK_COMPLETED = 3  # agent, epoch; value: work-seconds of the effect that was accepted
    TASK_FAILED = 4  # given up for good; detail: why
    TASK_FENCED = 5  # value: the highest void epoch

    # --- the queue
    QUEUE_ENTERED = 10  # into the waiting line; detail: submitted, retry, reassigned, redelivery, replay
    QUEUE_DELIVERED = 11  # out of the line, sent towards an agent; value: how many deliveries of this task so far
    QUEUE_WITHDRAWN = 12  # out of the line without a delivery; detail: why
    QUEUE_ACKED = 13  # the queue lets go of a task whose effect is final
    QUEUE_SETTLED = 14  # the queue lets go of a task that the recovery core now holds
    QUEUE_ACK_LOST = 15
    QUEUE_DELIVERY_LOST = 16
    QUEUE_DUPLICATED = 17
    QUEUE_DEAD_LETTERED = 18
    QUEUE_BLOCKED = 19  # about: link
    QUEUE_UNBLOCKED = 20
    QUEUE_REPLAYED = 21  # value: messages sent again

    # --- attempts; value: progress of the task in work-seconds at that moment
    ATTEMPT_STARTED = 30
    ATTEMPT_SUCCEEDED = 31  # the work is done; a commit follows
    ATTEMPT_FAILED = 32  # detail: error code
    ATTEMPT_TIMED_OUT = 33
    ATTEMPT_INTERRUPTED = 34  # detail: agent_crash, agent_restart, resource_unavailable, stopped
    ATTEMPT_REFUSED = 35  # a commit or report under a void epoch, or a second commit; detail: which
    ATTEMPT_SKIPPED = 36  # delivered, but finished already: acknowledged without work

    # --- checkpoints; value: progress in work-seconds
    CHECKPOINT_WRITTEN = 40
    CHECKPOINT_RESTORED = 41
    CHECKPOINT_REJECTED = 42  # value: sequence
    CHECKPOINT_CORRUPTED = 43  # ground truth of a fault; value: progress of the damaged checkpoint
    CHECKPOINT_FAILED = 45  # a write that did not take place; value: progress that it would have kept
    CHECKPOINT_STALE = 46  # value: how many were acknowledged that the core could not read
    CHECKPOINT_LOADED = 44  # an attempt starts from a checkpoint; epoch: the attempt's

    # --- agents, in truth
    AGENT_CRASHED = 50
    AGENT_HUNG = 51
    AGENT_WOKE = 52
    AGENT_STOPPED = 53  # killed by a restart that the core asked for, while it was up
    AGENT_RESTARTED = 54
    # --- and as the detector believes
    AGENT_SUSPECTED = 55
    AGENT_CLEARED = 56
    TASK_STALLED = 57  # the task, as the heartbeats tell; detail: its agent

    # --- resources; about: pool, value: units
    RESOURCE_ALLOCATED = 60
    RESOURCE_RELEASED = 61
    RESOURCE_UNAVAILABLE = 62
    RESOURCE_AVAILABLE = 63
    RESOURCE_AWAITED = 64  # an attempt waits for its needs; value: number of pools
    RESOURCE_LEAKED = 68  # nobody's, though in service
    RESOURCE_FOUND = 69
    # --- and as the core believes that probes them
    RESOURCE_SUSPECTED = 65
    RESOURCE_CLEARED = 66
    RESOURCE_PROBE_FAILED = 67

    # --- network; about: link
    LINK_CUT = 70
    LINK_HEALED = 71
    MESSAGE_LOST = 72  # detail: which kind of message
    SEND_FAILED = 73  # over a link that is down: the sender notices

    # --- the core itself
    CORE_CRASHED = 75
    CORE_RESTARTED = 76
    CORE_ELECTED = 78  # about: which core; value: the epoch of its lease
    CORE_DEPOSED = 79  # in truth: another one leads from now on, or nobody
    CORE_STARTED = 77  # as it says itself, when it takes up an earlier one's journal; value: recoveries

    # --- faults, as injected: detail: kind, about: whom
    FAULT_INJECTED = 80
    FAULT_CLEARED = 81
    FAULT_SKIPPED = 82

    # --- the recovery core's audit trail; about: subject
    RECOVERY_OPENED = 90
    RETRY_GRANTED = 91
    RETRY_EXHAUSTED = 92
    RECOVERY_STARTED = 93
    RECOVERY_ANALYZED = 94
    STEP_STARTED = 95
    STEP_COMPLETED = 96
    STEP_FAILED = 97
    RECOVERY_EXECUTED = 98
    RECOVERY_VERIFIED = 99
    RECOVERY_FAILED = 100
    RECOVERY_ESCALATED = 101
    RECOVERY_DISMISSED = 102
    RECOVERY_PACED = 103  # value: seconds
    RECOVERY_RESUMED = 104  # detail: command
    STEP_UNDONE = 105  # detail: command
    STEP_UNDO_FAILED = 106  # detail: command
    RECOVERY_TAKEN_UP = 107  # by a core that was started; detail: how far it had come
    # --- clients, of the task that they wait for, or waited for last
    CLIENT_TIMED_OUT = 110
    CLIENT_RETRIED = 111  # with a new task; value: number of the request
    CLIENT_ANSWERED = 112  # detail: in_time or late; value: seconds since the request was first made
    CLIENT_ABANDONED = 113
    ALERT_RAISED = 120
    ALERT_CLEARED = 121
    MONITOR_FAILED = 122
    ESCALATION_ACKNOWLEDGED = 123
    ESCALATION_RESOLVED = 124
    # --- its circuit breakers; about: failure kind
    BREAKER_OPENED = 130  # value: for how many seconds
    BREAKER_HALF_OPENED = 131
    BREAKER_CLOSED = 132

    @property
    def label(self) -> str:
        """The event's name as data frames and texts show it: `attempt.started`."""
        return self.name.lower().replace("_", ".", 1)


Watcher = Callable[[int, int, int, int, str], None]
"""Hears of each event, with its task, agent, incident and detail."""


class _Numbered(dict[str, int]):
    """Words by number; one that is new gets the next."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class History:
    """What happened in one run, in order. `meta` holds the constants that measures need (see `sim.bench`).

    `rows` is where the events are kept: in memory when left out.
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
        self._watchers: tuple[Watcher, ...] = ()
        self._sha256: str | None = None  # once there are no rows to compute it from

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
        """Append an event at the present instant."""
        words = self._words
        self._latest.append(
            (
                self._env._now,  # the property costs as much as all the rest
                event,
                task,
                agent,
                epoch,
                incident,
                value,
                words[detail],
                words[about],
            )
        )
        if len(self._latest) >= CHUNK_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._latest:
            self._rows.append(self._latest)
            self._latest.clear()

    def watch(self, seen: Watcher) -> None:
        """Call `seen` after each event from now on, until `unwatch`, after those who watch already."""
        self._watchers = (*self._watchers, seen)
        if "record" in self.__dict__:
            return
        append = self.record

        def record(
            event: int,
            task: int = -1,
            agent: int = -1,
            epoch: int = -1,
            value: float = nan,
            detail: str = "",
            about: str = "",
            incident: int = -1,
        ) -> None:
            append(event, task, agent, epoch, value, detail, about, incident)
            for each in self._watchers:
                each(event, task, agent, incident, detail)

        self.record = record  # type: ignore[method-assign]  # who is not watched pays nothing

    def unwatch(self, seen: Watcher) -> None:
        """Call `seen` no more."""
        self._watchers = tuple(each for each in self._watchers if each != seen)
        if not self._watchers:
            self.__dict__.pop("record", None)

    def close(self) -> None:
        """The run is over: what still happens while it is taken down is not recorded."""
        self._flush()
        self.record = _ignore  # type: ignore[method-assign]

    @property
    def rows(self) -> Rows:
        """All events, as they are kept."""
        self._flush()
        return self._rows

    @property
    def table(self) -> NDArray[np.void]:
        """A copy of all events as one structured array of dtype `ROW`, in order."""
        return np.concatenate([np.empty(0, dtype=ROW), *self.rows.chunks()])

    def keep_no_rows(self) -> None:
        """Let go of all events. What is asked for of them afterwards raises `HistoryNotKept`."""
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

    def frame(self) -> pd.DataFrame:
        """The events as a tidy frame: time, event, subject, task, agent, epoch, incident, value, detail, about."""
        columns = {name: np.asarray(self.rows.column(name)) for name in NAMES}
        words = np.array(self.words, dtype=object)
        happened, codes = np.unique(columns["event"], return_inverse=True)
        labels = pd.Index([Event(int(event)).label for event in happened], dtype=object)
        return pd.DataFrame(
            {
                "time": columns["time"],
                "event": pd.Categorical.from_codes(codes.reshape(-1), categories=labels),
                "subject": _subjects(columns, words),
                **{name: columns[name] for name in ("task", "agent", "epoch", "incident", "value")},
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


def _ignore(*_: object, **__: object) -> None:
    pass


def _subjects(columns: Mapping[str, NDArray[Any]], words: NDArray[np.object_]) -> NDArray[np.object_]:
    """Whom a row is about: its `about`, else its task, else its agent."""
    subjects: NDArray[np.object_] = words[columns["about"]]
    for name in ("task", "agent"):
        chosen = (subjects == "") & (columns[name] >= 0)
        numbers, places = np.unique(columns[name][chosen], return_inverse=True)
        subjects[chosen] = np.array([f"{name}.{number}" for number in numbers], dtype=object)[places]
    return subjects

"""The history of a run: columns, words, hash and frame."""

from __future__ import annotations

import pytest

from sim.history import Event, History
from sim.history.storage import CHUNK_ROWS

STORY = [
    {"time": 0.0, "event": Event.TASK_SUBMITTED, "task": 0},
    {"time": 1.5, "event": Event.ATTEMPT_STARTED, "task": 0, "agent": 3, "epoch": 1, "value": 0.0},
    {"time": 2.0, "event": Event.AGENT_CRASHED, "agent": 3},
    {"time": 2.5, "event": Event.LINK_CUT, "about": "agents|queue"},
]


def test_the_frame_has_one_row_per_event() -> None:
    """One row an event, subjects in words, labels as documented."""
    frame = History.of(STORY).frame()
    assert frame[["time", "event", "subject"]].to_numpy().tolist() == [
        [0.0, "task.submitted", "task.0"],
        [1.5, "attempt.started", "task.0"],
        [2.0, "agent.crashed", "agent.3"],
        [2.5, "link.cut", "agents|queue"],
    ]
    numbers = ["task", "agent", "epoch", "incident", "value"]
    assert list(frame.columns) == ["time", "event", "subject", *numbers, "detail", "about"]


@pytest.mark.parametrize(
    "change",
    [
        {"time": 1.6},
        {"event": Event.ATTEMPT_SUCCEEDED},
        {"task": 1},
        {"agent": 2},
        {"epoch": 2},
        {"value": 0.5},
        {"detail": "x"},
        {"about": "x"},
        {"incident": 0},
    ],
)
def test_the_hash_covers_every_column(change: dict[str, object]) -> None:
    """Equal histories hash alike; a change of any one value does not go unseen."""
    changed = [STORY[0], {**STORY[1], **change}, *STORY[2:]]
    assert History.of(STORY).sha256() == History.of(STORY).sha256()
    assert History.of(changed).sha256() != History.of(STORY).sha256()


def test_rows_are_kept_across_chunk_boundaries() -> None:
    """More rows than a chunk holds, in order, and the table is stable while more are added."""
    history = History.of({"time": float(n), "event": Event.TASK_SUBMITTED, "task": n} for n in range(CHUNK_ROWS + 10))
    assert history.table["task"].tolist() == list(range(CHUNK_ROWS + 10))
    history.record(Event.TASK_FAILED, 1)
    assert len(history) == len(history.table) == CHUNK_ROWS + 11


def test_an_empty_history_is_valid() -> None:
    """No event, no row, and still a frame and a hash."""
    history = History()
    assert len(history.frame()) == 0
    assert history.sha256() == History().sha256()


def test_a_closed_history_ignores_further_events() -> None:
    """What happens while a run is taken down is not part of it."""
    history = History.of(STORY)
    history.close()
    history.record(Event.TASK_FAILED, 0)
    assert len(history) == len(STORY)


def test_watchers_are_called_in_order_until_removal() -> None:
    """After the event is recorded; an event without watchers takes the plain path."""
    history, calls = History(), []
    first, second = (lambda *event, name=name: calls.append((name, len(history), event)) for name in ("a", "b"))
    history.watch(first)
    history.watch(second)
    history.record(Event.TASK_FAILED, 3, detail="given_up")
    history.unwatch(first)
    history.record(Event.TASK_FAILED, 4)
    history.unwatch(second)
    history.record(Event.TASK_FAILED, 5)
    assert calls == [
        ("a", 1, (Event.TASK_FAILED, 3, -1, -1, "given_up")),
        ("b", 1, (Event.TASK_FAILED, 3, -1, -1, "given_up")),
        ("b", 2, (Event.TASK_FAILED, 4, -1, -1, "")),
    ]
    assert "record" not in vars(history)


def test_a_watcher_of_some_events_is_called_after_these_only() -> None:
    """Another watcher is called after every event."""
    history, some, every = History(), [], []
    history.watch(lambda *event: some.append(event[1]), {Event.TASK_FAILED})
    history.watch(lambda *event: every.append(event[1]))
    history.record(Event.TASK_FAILED, 3)
    history.record(Event.TASK_COMPLETED, 4)
    assert (some, every) == ([3], [3, 4])


@pytest.mark.parametrize("change", ["watch", "unwatch"])
def test_a_closed_history_stays_closed_when_watchers_change(change: str) -> None:
    """Removing the last watcher after the end of a run does not reopen its history."""
    history, calls = History.of(STORY), []
    history.watch(calls.append)
    history.close()
    getattr(history, change)(calls.append)
    history.record(Event.TASK_FAILED, 0)
    assert (len(history), calls) == (len(STORY), [])

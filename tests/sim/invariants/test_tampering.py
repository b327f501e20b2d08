"""One valid history with single changes: each is detected by its checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim.history import Event, History
from sim.history.storage import RowsInFile
from sim.invariants import CHECKERS, check_all

Story = list[dict[str, Any]]
META = {
    "end": 100.0,
    "agents": 2,
    "ack_timeout": None,
    "resources": {"gpu": 2},
    "conditions": {"task_failure": {"max_retries": 1}},
}


def at(time: float, event: Event, task: int = 0, **columns: Any) -> dict[str, Any]:
    """One event of a story."""
    return {"time": time, "event": event, "task": task, **columns}


def sound() -> Story:
    """A task fails after its first checkpoint, is recovered, and completed by its second attempt."""
    recovery: dict[str, Any] = {"incident": 0}
    return [
        at(0.0, Event.TASK_SUBMITTED),
        at(0.0, Event.QUEUE_ENTERED, detail="submitted"),
        at(0.0, Event.QUEUE_DELIVERED, agent=0, value=1.0),
        at(0.0, Event.RESOURCE_ALLOCATED, epoch=1, value=1.0, about="gpu"),
        at(0.0, Event.ATTEMPT_STARTED, agent=0, epoch=1, value=0.0),
        at(4.0, Event.CHECKPOINT_WRITTEN, agent=0, epoch=1, value=4.0),
        at(6.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, value=6.0, detail="execution_error"),
        at(6.0, Event.RECOVERY_OPENED, detail="task_failure", **recovery),
        at(6.0, Event.QUEUE_SETTLED),
        at(6.0, Event.RETRY_GRANTED, detail="task_failure", value=5.0, **recovery),
        at(11.0, Event.RECOVERY_STARTED, **recovery),
        at(12.0, Event.RECOVERY_ANALYZED, detail="task_failures.execution_failure", **recovery),
        at(12.0, Event.TASK_FENCED, value=1.0, **recovery),
        at(12.0, Event.STEP_STARTED, detail="release_resources", **recovery),
        at(13.0, Event.RESOURCE_RELEASED, epoch=1, value=1.0, about="gpu"),
        at(13.0, Event.STEP_COMPLETED, detail="release_resources", **recovery),
        at(13.0, Event.CHECKPOINT_RESTORED, value=4.0, **recovery),
        at(14.0, Event.STEP_STARTED, detail="retry_task", **recovery),
        at(14.0, Event.QUEUE_ENTERED, detail="retry"),
        at(14.0, Event.QUEUE_DELIVERED, agent=1, value=2.0),
        at(14.0, Event.RESOURCE_ALLOCATED, epoch=2, value=1.0, about="gpu"),
        at(14.0, Event.ATTEMPT_STARTED, agent=1, epoch=2, value=4.0),
        at(14.0, Event.CHECKPOINT_LOADED, agent=1, epoch=2, value=4.0),
        at(14.0, Event.STEP_COMPLETED, detail="retry_task", **recovery),
        at(14.0, Event.RECOVERY_EXECUTED, **recovery),
        at(15.0, Event.RECOVERY_VERIFIED, **recovery),
        at(20.0, Event.ATTEMPT_SUCCEEDED, agent=1, epoch=2, value=10.0),
        at(20.0, Event.TASK_COMPLETED, agent=1, epoch=2, value=10.0),
        at(20.0, Event.RESOURCE_RELEASED, epoch=2, value=1.0, about="gpu"),
        at(20.0, Event.QUEUE_ACKED, agent=1),
    ]


def find(story: Story, event: Event, nth: int = 0) -> int:
    """Where the n-th event of a kind stands in a story."""
    return [place for place, row in enumerate(story) if row["event"] == event][nth]


def without(event: Event, nth: int = 0) -> Callable[[Story], None]:
    """A story that lacks the n-th event of a kind."""

    def tamper(story: Story) -> None:
        del story[find(story, event, nth)]

    return tamper


def with_also(*events: dict[str, Any]) -> Callable[[Story], None]:
    """A story in which more happened, each after all that happened at its instant."""

    def tamper(story: Story) -> None:
        story.extend(events)
        story.sort(key=lambda row: row["time"])

    return tamper


def changed(event: Event, nth: int, **columns: Any) -> Callable[[Story], None]:
    """A story in which the n-th event of a kind was another."""

    def tamper(story: Story) -> None:
        story[find(story, event, nth)].update(columns)

    return tamper


def cut_at(event: Event, nth: int = 0) -> Callable[[Story], None]:
    """A story that stops before the n-th event of a kind."""

    def tamper(story: Story) -> None:
        del story[find(story, event, nth) :]

    return tamper


def all_of(*tampers: Callable[[Story], None]) -> Callable[[Story], None]:
    """Several changes, one after the other."""

    def tamper(story: Story) -> None:
        for change in tampers:
            change(story)

    return tamper


def gpu(time: float, event: Event, **columns: Any) -> dict[str, Any]:
    """An event of the pool."""
    return at(time, event, **{"value": 1.0, "about": "gpu", **columns})


def core_ends(time: float, until: float) -> tuple[dict[str, Any], ...]:
    """The core crashes, and another one is started."""
    return at(time, Event.CORE_CRASHED, task=-1), at(until, Event.CORE_RESTARTED, task=-1)


def taken_up(phase: str, time: float) -> dict[str, Any]:
    """The recovery of the history is resumed in its stage."""
    return at(time, Event.RECOVERY_TAKEN_UP, detail=phase, incident=0)


def step(command: str, time: float) -> tuple[dict[str, Any], ...]:
    """A step that takes no time."""
    return tuple(at(time, event, detail=command, incident=0) for event in (Event.STEP_STARTED, Event.STEP_COMPLETED))


def redelivered_instead(story: Story) -> None:
    """Take the recovery out of the story; the queue delivers the task again instead."""
    story[:] = [row for row in story if "incident" not in row]
    row = story[find(story, Event.QUEUE_ENTERED, 1)]
    row["detail"] = "redelivery"


TAMPERED: list[tuple[str, str, Callable[[Story], None], int]] = [
    (
        "no_lost_task",
        "the core forgets a task that it had taken over",
        all_of(cut_at(Event.RECOVERY_STARTED), with_also(at(7.0, Event.RECOVERY_DISMISSED, incident=0))),
        1,
    ),
    (
        "no_lost_task",
        "the running attempt is fenced, and nothing follows",
        all_of(
            cut_at(Event.ATTEMPT_SUCCEEDED),
            with_also(at(16.0, Event.TASK_FENCED, value=2.0), gpu(17.0, Event.RESOURCE_RELEASED, epoch=2)),
        ),
        1,
    ),
    ("exactly_once_effect", "an effect is accepted twice", with_also(at(30.0, Event.TASK_COMPLETED, epoch=3)), 1),
    ("no_leaked_resource", "the units of the last attempt stay with it", without(Event.RESOURCE_RELEASED, 1), 1),
    (
        "no_leaked_resource",
        "a release forty seconds later is too late",
        changed(Event.RESOURCE_RELEASED, 1, time=60.0),
        1,
    ),
    (
        "no_double_allocation",
        "a pool gives more than it has",
        with_also(
            *(gpu(15.0, Event.RESOURCE_ALLOCATED, task=task, epoch=1) for task in (7, 8)),
            *(gpu(16.0, Event.RESOURCE_RELEASED, task=task, epoch=1) for task in (7, 8)),
        ),
        1,
    ),
    (
        "no_double_allocation",
        "an attempt gets its needs twice",
        with_also(gpu(15.0, Event.RESOURCE_ALLOCATED, epoch=2), gpu(16.0, Event.RESOURCE_RELEASED, epoch=2)),
        1,
    ),
    (
        "no_double_allocation",
        "the old units are given back after the new ones were taken",
        changed(Event.RESOURCE_RELEASED, 0, time=14.5),
        1,
    ),
    ("legal_transitions", "a completed task is started again", with_also(at(30.0, Event.ATTEMPT_STARTED, epoch=3)), 1),
    ("legal_transitions", "a completed task is given up", with_also(at(30.0, Event.TASK_FAILED)), 1),
    ("legal_transitions", "a task is started that was never submitted", without(Event.TASK_SUBMITTED), 0),
    (
        "checkpoint_integrity",
        "a damaged checkpoint is restored and loaded",
        with_also(at(5.0, Event.CHECKPOINT_CORRUPTED, epoch=1, value=4.0)),
        2,
    ),
    ("checkpoint_integrity", "progress is made up", changed(Event.CHECKPOINT_LOADED, 0, value=5.0), 1),
    (
        "fencing",
        "a void attempt writes a checkpoint",
        with_also(at(16.0, Event.CHECKPOINT_WRITTEN, agent=0, epoch=1, value=6.0)),
        1,
    ),
    ("fencing", "a void attempt's effect is accepted", with_also(at(16.0, Event.TASK_COMPLETED, agent=0, epoch=1)), 0),
    (
        "retry_bound",
        "one retry more than allowed",
        with_also(at(6.0, Event.RETRY_GRANTED, detail="task_failure", value=5.0, incident=0)),
        1,
    ),
    ("audit_complete", "a recovery that nobody opened", without(Event.RECOVERY_OPENED), 0),
    ("audit_complete", "analyzed before it was started", without(Event.RECOVERY_STARTED), 1),
    ("audit_complete", "executed and never analyzed", without(Event.RECOVERY_ANALYZED), 1),
    ("audit_complete", "verified and never executed", without(Event.RECOVERY_EXECUTED), 1),
    ("audit_complete", "a step without an outcome", without(Event.STEP_COMPLETED), 1),
    ("audit_complete", "an outcome of no step", without(Event.STEP_STARTED, 1), 1),
    ("audit_complete", "a retry that was not granted", without(Event.RETRY_GRANTED), 1),
    (
        "audit_complete",
        "it goes on after its end",
        with_also(at(16.0, Event.STEP_STARTED, detail="retry_task", incident=0)),
        2,
    ),
    (
        "audit_complete",
        "a failure that was told and not taken up",
        redelivered_instead,
        1,
    ),
    ("audit_complete", "taken up though no core had ended", with_also(taken_up("executing", 12.5)), 1),
    (
        "audit_complete",
        "open when the core ended and never taken up",
        with_also(*core_ends(11.25, 11.5)),
        1,
    ),
    (
        "audit_complete",
        "taken up further than it had come",
        with_also(*core_ends(11.25, 11.5), taken_up("executed", 11.75)),
        2,
    ),
    (
        "audit_complete",
        "taken up behind where it was",
        with_also(*core_ends(13.25, 13.5), taken_up("opened", 13.75)),
        2,
    ),
    (
        "audit_complete",
        "a step that was done is done again",
        with_also(*core_ends(13.25, 13.5), taken_up("executing", 13.75), *step("release_resources", 13.8)),
        1,
    ),
    ("recovery_terminates", "nothing is heard of it any more", cut_at(Event.RECOVERY_STARTED), 1),
]


def test_the_base_history_is_valid() -> None:
    """Precondition of the other tests: no checker objects."""
    assert check_all(History.of(sound(), META)) == {name: [] for name in CHECKERS}


@pytest.mark.parametrize(
    ("tamper", "_when"),
    [
        (with_also(*core_ends(8.0, 9.0), taken_up("granted", 9.0)), "its delay runs"),
        (with_also(*core_ends(11.25, 11.5), taken_up("started", 11.5)), "it is analyzed"),
        (with_also(*core_ends(13.25, 13.5), taken_up("executing", 13.5)), "a step is done"),
        (with_also(*core_ends(14.25, 14.5), taken_up("executed", 14.5)), "it is to be verified"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_resumed_recovery_is_valid(tamper: Callable[[Story], None], _when: str) -> None:
    story = sound()
    tamper(story)
    story.sort(key=lambda row: row["time"])
    assert check_all(History.of(story, META)) == {name: [] for name in CHECKERS}


@pytest.mark.parametrize(
    ("invariant", "_what", "tamper", "count"), TAMPERED, ids=[row[1].replace(" ", "-") for row in TAMPERED]
)
def test_a_tampered_history_is_detected_by_its_checker(
    invariant: str, _what: str, tamper: Callable[[Story], None], count: int
) -> None:
    """The checker of this invariant detects it first; with a count, it alone reports so many violations."""
    story = sound()
    tamper(story)
    story.sort(key=lambda row: row["time"])
    history = History.of(story, META)
    found = check_all(history)
    assert found[invariant]
    if count:
        assert {name: len(violations) for name, violations in found.items() if violations} == {invariant: count}
    first = min((violation for violations in found.values() for violation in violations), key=lambda each: each.row)
    assert first.invariant == invariant
    assert check_all(History.of(story, META, RowsInFile())) == found
    for violation in found[invariant]:
        assert violation.invariant == invariant
        assert violation.message
        assert 0 <= violation.row < len(history)


def test_every_checker_has_detected_tampering() -> None:
    """The table above leaves none out."""
    assert {invariant for invariant, *_ in TAMPERED} == set(CHECKERS)

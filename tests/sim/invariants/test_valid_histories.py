"""Valid histories that look suspicious: no checker objects. Each has an invalid counterpart."""

from __future__ import annotations

from typing import Any

import pytest

from sim.history import Event, History
from sim.invariants import Violation, check_all

Story = list[dict[str, Any]]
META = {"end": 100.0, "agents": 2, "resources": {"gpu": 4}}


def at(time: float, event: Event, task: int = 0, **columns: Any) -> dict[str, Any]:
    """One event of a story."""
    return {"time": time, "event": event, "task": task, **columns}


def violations(story: Story, **meta: Any) -> dict[str, list[Violation]]:
    """What the checkers object to."""
    found = check_all(History.of(sorted(story, key=lambda row: row["time"]), {**META, **meta}))
    return {invariant: found[invariant] for invariant in found if found[invariant]}


def delivered(time: float, epoch: int, agent: int, reason: str = "submitted") -> Story:
    """The task is queued, delivered, gets a unit and starts."""
    return [
        at(time, Event.QUEUE_ENTERED, detail=reason),
        at(time, Event.QUEUE_DELIVERED, agent=agent, value=float(epoch)),
        at(time, Event.RESOURCE_ALLOCATED, epoch=epoch, value=1.0, about="gpu"),
        at(time, Event.ATTEMPT_STARTED, agent=agent, epoch=epoch, value=0.0),
    ]


def completed(time: float, epoch: int, agent: int) -> Story:
    """The attempt has its effect and gives its unit back."""
    return [
        at(time, Event.ATTEMPT_SUCCEEDED, agent=agent, epoch=epoch, value=1.0),
        at(time, Event.TASK_COMPLETED, agent=agent, epoch=epoch, value=1.0),
        given_back(time, epoch),
        at(time, Event.QUEUE_ACKED, agent=agent),
    ]


def given_back(time: float, epoch: int) -> dict[str, Any]:
    """A unit comes back."""
    return at(time, Event.RESOURCE_RELEASED, epoch=epoch, value=1.0, about="gpu")


SUBMITTED = [at(0.0, Event.TASK_SUBMITTED)]
TWO_AT_ONCE = [*SUBMITTED, *delivered(0.0, 1, 0), *delivered(10.0, 2, 1, "redelivery"), *completed(15.0, 2, 1)]
"""The lease of a slow attempt ran out; the second attempt was faster."""


def test_a_slow_attempt_may_hold_its_unit_until_its_commit_is_rejected() -> None:
    """Both run and both hold their needs; the loser releases at its end, and not later."""
    refused = [
        at(30.0, Event.ATTEMPT_SUCCEEDED, agent=0, epoch=1, value=1.0),
        at(30.0, Event.ATTEMPT_REFUSED, agent=0, epoch=1, detail="commit"),
    ]
    assert violations([*TWO_AT_ONCE, *refused, given_back(30.0, 1)]) == {}
    assert violations(TWO_AT_ONCE) == {}  # it is still at it at the end of the run
    assert list(violations([*TWO_AT_ONCE, *refused])) == ["no_leaked_resource"]
    assert list(violations([*TWO_AT_ONCE, *refused, given_back(30.5, 1)])) == ["no_leaked_resource"]


def test_resources_of_a_crashed_agent_wait_for_its_recovery() -> None:
    """The task was completed elsewhere before the crash was detected; the recovery of the agent must release."""
    crash = [
        at(5.0, Event.AGENT_CRASHED, -1, agent=0),
        at(5.0, Event.ATTEMPT_INTERRUPTED, agent=0, epoch=1, value=5.0, detail="agent_crash"),
    ]
    opened = [at(20.0, Event.RECOVERY_OPENED, -1, agent=0, incident=0)]
    restarted = [at(40.0, Event.AGENT_RESTARTED, -1, agent=0), at(41.0, Event.RECOVERY_DISMISSED, -1, incident=0)]
    assert violations([*TWO_AT_ONCE, *crash]) == {}
    assert violations([*TWO_AT_ONCE, *crash, *opened], recovery_bound=100.0) == {}
    assert violations([*TWO_AT_ONCE, *crash, *opened, *restarted, given_back(41.0, 1)]) == {}
    found = violations([*TWO_AT_ONCE, *crash, *opened, *restarted])
    assert [(each.subject, each.time) for each in found.pop("no_leaked_resource")] == [("task.0", 5.0)]
    assert found == {}


@pytest.mark.parametrize(
    ("later", "leaks"),
    [
        ([], False),  # its report may be on the way
        ([at(6.0, Event.QUEUE_ENTERED, detail="duplicate")], False),  # without any report
        ([at(6.0, Event.RECOVERY_OPENED, incident=0), at(6.0, Event.QUEUE_SETTLED)], False),
        (
            [
                at(6.0, Event.RECOVERY_OPENED, incident=0),
                at(6.0, Event.QUEUE_SETTLED),
                at(90.0, Event.RECOVERY_ESCALATED, incident=0),
                *delivered(90.0, 2, 1, "retry"),
                at(80.0, Event.RETRY_GRANTED, incident=0),
            ],
            True,
        ),
    ],
)
def test_a_failed_attempt_holds_its_unit_until_its_failure_is_handled(later: Story, leaks: bool) -> None:
    """At the end of the run the task is unfinished in any case."""
    failed = at(5.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, value=5.0, detail="execution_error")
    found = violations([*SUBMITTED, *delivered(0.0, 1, 0), failed, *later], recovery_bound=100.0)
    assert ("no_leaked_resource" in found) == leaks
    assert ("no_double_allocation" in found) == leaks
    assert set(found) <= {"no_leaked_resource", "no_double_allocation"}


def test_units_reserved_by_the_core_pass_to_the_next_attempt() -> None:
    """Allocated without an epoch, released under that of the attempt which had them."""
    story = [
        *SUBMITTED,
        at(0.0, Event.RESOURCE_ALLOCATED, epoch=-1, value=1.0, about="gpu"),
        at(0.0, Event.ATTEMPT_STARTED, agent=0, epoch=1, value=0.0),
    ]
    again = at(5.0, Event.RESOURCE_ALLOCATED, epoch=-1, value=1.0, about="gpu")
    assert violations([*story, *completed(9.0, 1, 0)]) == {}
    assert list(violations([*story, *completed(9.0, 1, 0)[:2], at(9.0, Event.QUEUE_ACKED)])) == ["no_leaked_resource"]
    before_its_start = [story[0], story[1], {**again, "time": 0.0}, story[2]]
    both_back = [given_back(9.0, 1), given_back(9.0, 1)]
    assert list(violations([*before_its_start, *completed(9.0, 1, 0)[:2], *both_back])) == ["no_double_allocation"]


def test_a_redelivered_finished_task_is_skipped() -> None:
    """The acknowledgement was lost: the queue may deliver the task again, but no attempt may start."""
    lost_ack = [*SUBMITTED, *delivered(0.0, 1, 0), *completed(5.0, 1, 0)[:3], at(5.0, Event.QUEUE_ACK_LOST, agent=0)]
    again = [
        at(20.0, Event.QUEUE_ENTERED, detail="redelivery"),
        at(20.0, Event.QUEUE_DELIVERED, agent=1, value=2.0),
    ]
    skipped = [at(20.0, Event.ATTEMPT_SKIPPED, agent=1), at(20.0, Event.QUEUE_ACKED, agent=1)]
    started = at(20.0, Event.ATTEMPT_STARTED, agent=1, epoch=2, value=0.0)
    assert violations([*lost_ack, *again, *skipped]) == {}
    assert list(violations([*lost_ack, *again, started])) == ["legal_transitions"]
    assert list(violations([*lost_ack, at(20.0, Event.QUEUE_ENTERED, detail="retry")])) == [
        "legal_transitions",
        "audit_complete",
    ]


def test_an_attempt_waiting_for_a_unit_may_find_its_task_finished() -> None:
    """It was on its way since before the end; one that was not has no excuse."""
    waiting = at(8.0, Event.RESOURCE_AWAITED, epoch=2, value=1.0)
    late = [
        at(20.0, Event.ATTEMPT_STARTED, agent=1, epoch=2, value=0.0),
        at(21.0, Event.ATTEMPT_FAILED, agent=1, epoch=2, value=1.0, detail="execution_error"),
        at(21.0, Event.ATTEMPT_REFUSED, agent=1, epoch=2, detail="failure"),
    ]
    story = [*SUBMITTED, *delivered(0.0, 1, 0), *completed(10.0, 1, 0), *late]
    assert violations([*story, waiting]) == {}
    assert list(violations(story)) == ["legal_transitions"]


def test_a_task_is_running_while_any_of_its_attempts_runs() -> None:
    """The second attempt fails, and the first, which was not fenced, has its effect."""
    story = [
        *SUBMITTED,
        *delivered(0.0, 1, 0),
        *delivered(10.0, 2, 1, "redelivery"),
        at(12.0, Event.ATTEMPT_FAILED, agent=1, epoch=2, value=2.0, detail="execution_error"),
        given_back(12.0, 2),
    ]
    assert violations([*story, *completed(15.0, 1, 0)]) == {}
    stopped = at(11.0, Event.ATTEMPT_INTERRUPTED, agent=0, epoch=1, value=11.0, detail="stopped")
    assert list(violations([*story, stopped, *completed(15.0, 1, 0)])) == ["legal_transitions"]


@pytest.mark.parametrize(
    ("task", "lost"),
    [
        ([at(0.0, Event.QUEUE_ENTERED, detail="submitted")], False),
        ([at(0.0, Event.TASK_REJECTED)], False),
        ([], True),
        ([at(0.0, Event.QUEUE_ENTERED), at(1.0, Event.QUEUE_WITHDRAWN)], True),
        ([at(0.0, Event.QUEUE_ENTERED), at(1.0, Event.QUEUE_DELIVERED, agent=0)], False),
        ([at(0.0, Event.QUEUE_ENTERED), at(1.0, Event.QUEUE_DELIVERED, agent=0), at(2.0, Event.QUEUE_ACKED)], True),
        ([at(0.0, Event.QUEUE_ENTERED), at(1.0, Event.QUEUE_DEAD_LETTERED)], True),
        ([at(0.0, Event.QUEUE_ENTERED), at(1.0, Event.QUEUE_DEAD_LETTERED), at(2.0, Event.QUEUE_ENTERED)], False),
        (
            [
                at(0.0, Event.QUEUE_ENTERED),
                at(1.0, Event.QUEUE_DELIVERED, agent=0),
                at(1.0, Event.QUEUE_ENTERED, detail="duplicate"),
                at(2.0, Event.QUEUE_SETTLED),
            ],
            False,
        ),
        (
            [
                at(1.0, Event.QUEUE_DELIVERED, agent=0),
                at(2.0, Event.QUEUE_SETTLED),
                at(2.0, Event.RECOVERY_OPENED, -1, agent=0, incident=0),
            ],
            False,
        ),
        (
            [
                at(1.0, Event.QUEUE_DELIVERED, agent=0),
                at(2.0, Event.QUEUE_SETTLED),
                at(2.0, Event.RECOVERY_OPENED, -1, agent=1, incident=0),
            ],
            True,
        ),
        ([at(1.0, Event.ATTEMPT_STARTED, agent=0, epoch=1)], False),
        ([at(1.0, Event.ATTEMPT_STARTED, agent=0, epoch=1), at(2.0, Event.TASK_FENCED, value=1.0)], True),
    ],
)
def test_a_task_without_an_owner_is_lost(task: Story, lost: bool) -> None:
    """The queue, a lease, an attempt that is not fenced, an open recovery of the task or its agent."""
    found = violations([*SUBMITTED, *task], recovery_bound=1000.0)
    assert ("no_lost_task" in found) == lost


def test_a_checkpoint_is_intact_while_one_copy_is() -> None:
    """Another attempt had reached the same progress: its copy is intact. Progress 0 needs no checkpoint."""

    def loads(progress: float) -> dict[str, Any]:
        return at(9.0, Event.CHECKPOINT_LOADED, agent=0, epoch=3, value=progress)

    written = [at(float(epoch), Event.CHECKPOINT_WRITTEN, agent=0, epoch=epoch, value=4.0) for epoch in (1, 2)]
    damaged = [at(5.0 + epoch, Event.CHECKPOINT_CORRUPTED, epoch=epoch, value=4.0) for epoch in (1, 2)]
    repaired = at(8.0, Event.CHECKPOINT_WRITTEN, agent=0, epoch=2, value=4.0)
    assert "checkpoint_integrity" not in violations([*written, damaged[0], loads(4.0)])
    assert "checkpoint_integrity" in violations([*written, *damaged, loads(4.0)])
    assert "checkpoint_integrity" not in violations([*written, *damaged, repaired, loads(4.0)])
    assert "checkpoint_integrity" not in violations([loads(0.0)])
    assert "checkpoint_integrity" in violations([loads(1.0)])


def test_retries_are_limited_per_kind_and_task() -> None:
    """Two for each of two tasks and two kinds are none too many where two are allowed; null allows any number."""
    conditions = {"task_failure": {"max_retries": 2}, "resource_failure": {"max_retries": None}, "agent_failure": None}
    granted = [
        at(float(retry), Event.RETRY_GRANTED, task, detail=kind)
        for task in (0, 1)
        for kind, count in (("task_failure", 2), ("resource_failure", 9), ("agent_failure", 9))
        for retry in range(count)
    ]
    assert "retry_bound" not in violations(granted, conditions=conditions)
    one_more = at(50.0, Event.RETRY_GRANTED, 1, detail="task_failure")
    (violation,) = violations([*granted, one_more], conditions=conditions)["retry_bound"]
    assert (violation.subject, violation.time) == ("task.1", 50.0)


@pytest.mark.parametrize(
    ("last_heard", "bound", "terminates"),
    [(45.0, None, False), (55.0, None, True), (55.0, 50.0, False), (55.0, 95.0, True)],
)
def test_a_recovery_may_be_open_for_a_limited_time(last_heard: float, bound: float | None, terminates: bool) -> None:
    """Opened at 10, in a run of 100 s: silent for more than half of it, or older than the bound that there is."""
    story = [at(10.0, Event.RECOVERY_OPENED, incident=0), at(last_heard, Event.RECOVERY_STARTED, incident=0)]
    assert ("recovery_terminates" in violations(story, recovery_bound=bound)) != terminates


def test_an_unreported_failure_needs_no_recovery() -> None:
    """Its report was lost, and the queue delivers the task again."""
    story = [
        *SUBMITTED,
        *delivered(0.0, 1, 0)[:2],
        at(0.0, Event.ATTEMPT_STARTED, agent=0, epoch=1),
        at(1.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, detail="execution_error"),
        at(20.0, Event.QUEUE_ENTERED, detail="redelivery"),
    ]
    assert violations(story) == {}
    assert "audit_complete" in violations([*story[:-1], at(2.0, Event.QUEUE_SETTLED), story[-1]])


def test_an_attempt_may_fail_after_another_completed_the_task() -> None:
    """What becomes of it does not change the status of a task that is completed."""
    failed = at(30.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, value=3.0, detail="execution_error")
    refused = at(30.0, Event.ATTEMPT_REFUSED, agent=0, epoch=1, detail="failure")
    assert violations([*TWO_AT_ONCE, failed, refused, given_back(30.0, 1)]) == {}


def test_a_fenced_attempt_does_not_change_the_task_status() -> None:
    """A fenced attempt fails while the task is queued again; without the fence a queued task would have failed."""
    fence = at(5.0, Event.TASK_FENCED, value=1.0)
    story = [
        *SUBMITTED,
        *delivered(0.0, 1, 0),
        at(6.0, Event.QUEUE_ENTERED, detail="reassigned"),
        at(7.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, value=7.0, detail="execution_error"),
        at(7.0, Event.ATTEMPT_REFUSED, agent=0, epoch=1, detail="failure"),
        given_back(7.0, 1),
    ]
    assert violations([*story, fence]) == {}
    assert list(violations(story)) == ["legal_transitions"]

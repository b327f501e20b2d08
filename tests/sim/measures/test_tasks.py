"""Tasks, attempts, retries and work: small histories with values computed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sim.history import Event, History
from sim.measures import measure


def at(time: float, event: Event, task: int = 0, **columns: Any) -> dict[str, Any]:
    """One event of a story."""
    return {"time": time, "event": event, "task": task, **columns}


def served(task: int, submitted: float, started: float, completed: float, work: float = 0.0) -> list[dict[str, Any]]:
    """A task that is submitted, queued, and completed by its first attempt."""
    return [
        at(submitted, Event.TASK_SUBMITTED, task),
        at(submitted, Event.QUEUE_ENTERED, task, detail="submitted"),
        at(started, Event.QUEUE_DELIVERED, task, agent=0, value=1.0),
        at(started, Event.ATTEMPT_STARTED, task, agent=0, epoch=1, value=0.0),
        at(completed, Event.ATTEMPT_SUCCEEDED, task, agent=0, epoch=1, value=work),
        at(completed, Event.TASK_COMPLETED, task, agent=0, epoch=1, value=work),
        at(completed, Event.QUEUE_ACKED, task, agent=0),
    ]


def story(*parts: list[dict[str, Any]] | dict[str, Any], **meta: Any) -> dict[str, float | None]:
    """The metrics of events, put in order of time."""
    events = [event for part in parts for event in (part if isinstance(part, list) else [part])]
    return measure(History.of(sorted(events, key=lambda event: event["time"]), meta))


THREE = (served(0, 0.0, 0.0, 4.0), served(1, 1.0, 4.0, 6.0), served(2, 3.0, 6.0, 9.0))
"""One agent serves three tasks: waits 0, 3, 3 and stays 4, 5, 6 seconds."""


def test_wait_and_sojourn_times_of_three_tasks_at_one_agent() -> None:
    """wait = first start − submitted, sojourn = completed − submitted."""
    metrics = story(*THREE, end=10.0)
    assert metrics["tasks.wait.mean"] == 2.0
    assert metrics["tasks.wait.max"] == 3.0
    assert metrics["tasks.wait_probability"] == pytest.approx(2 / 3)
    assert metrics["tasks.sojourn.mean"] == 5.0
    assert metrics["tasks.sojourn.sd"] == 1.0
    assert metrics["tasks.sojourn.p50"] == 5.0
    assert metrics["tasks.sojourn.p95"] == pytest.approx(5.9)


def test_time_averages_are_areas_divided_by_the_window() -> None:
    """In the system 4 + 5 + 6 task-seconds, queued 3 + 3, three completions, in 10 s."""
    metrics = story(*THREE, end=10.0)
    assert metrics["tasks.in_system.mean"] == 1.5
    assert metrics["tasks.in_queue.mean"] == pytest.approx(0.6)
    assert metrics["tasks.throughput"] == pytest.approx(0.3)


def test_the_warm_up_excludes_tasks_by_submission_and_areas_by_time() -> None:
    """From 2 s on: one task submitted; of the others what lies in the window."""
    metrics = story(*THREE, end=10.0, warmup=2.0)
    assert metrics["tasks.submitted"] == metrics["tasks.completed"] == 1
    assert metrics["tasks.wait.mean"] == 3.0
    assert metrics["tasks.wait.sd"] is None
    assert metrics["tasks.in_system.mean"] == (2 + 4 + 6) / 8
    assert metrics["tasks.in_queue.mean"] == (2 + 3) / 8
    assert metrics["tasks.throughput"] == 3 / 8


def test_every_submitted_task_is_counted_in_exactly_one_outcome() -> None:
    """Completed, failed, rejected, unfinished."""
    metrics = story(
        served(0, 0.0, 0.0, 1.0),
        [at(1.0, Event.TASK_SUBMITTED, 1), at(2.0, Event.TASK_FAILED, 1, detail="retries exhausted")],
        [at(2.0, Event.TASK_SUBMITTED, 2), at(2.0, Event.TASK_REJECTED, 2, detail="queue_full")],
        [at(3.0, Event.TASK_SUBMITTED, 3), at(3.0, Event.QUEUE_ENTERED, 3, detail="submitted")],
        end=5.0,
    )
    accounts = ("completed", "failed", "rejected", "unfinished")
    assert {name: metrics[f"tasks.{name}"] for name in accounts} == dict.fromkeys(accounts, 1)
    assert metrics["tasks.submitted"] == 4
    assert metrics["tasks.in_system.mean"] == (1 + 1 + 0 + 2) / 5


def test_a_delivered_task_waiting_for_a_resource_still_waits() -> None:
    """Queued 1 s, delivered and waiting 2 s more: no longer in the queue's depth, but not started."""
    metrics = story(
        at(0.0, Event.TASK_SUBMITTED),
        at(0.0, Event.QUEUE_ENTERED, detail="submitted"),
        at(1.0, Event.QUEUE_DELIVERED, agent=0, value=1.0),
        at(1.0, Event.RESOURCE_AWAITED, epoch=1, value=1.0),
        at(3.0, Event.ATTEMPT_STARTED, agent=0, epoch=1, value=0.0),
        end=10.0,
    )
    assert metrics["tasks.in_queue.mean"] == pytest.approx(0.3)
    assert metrics["queue.depth.mean"] == pytest.approx(0.1)


RETRIED = [
    at(0.0, Event.TASK_SUBMITTED),
    at(0.0, Event.QUEUE_ENTERED, detail="submitted"),
    at(0.0, Event.QUEUE_DELIVERED, agent=0, value=1.0),
    at(0.0, Event.ATTEMPT_STARTED, agent=0, epoch=1, value=0.0),
    at(3.75, Event.CHECKPOINT_STARTED, agent=0, epoch=1, value=3.75),
    at(4.0, Event.CHECKPOINT_WRITTEN, agent=0, epoch=1, value=3.75),
    at(5.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, value=4.75, detail="execution_error"),
    at(5.0, Event.RECOVERY_OPENED, detail="task_failure", incident=0),
    at(5.0, Event.QUEUE_SETTLED),
    at(5.0, Event.RETRY_GRANTED, detail="task_failure", value=3.0, incident=0),
    at(8.0, Event.RECOVERY_STARTED, incident=0),
    at(8.0, Event.RECOVERY_ANALYZED, detail="task_failures.execution_failure", value=1.0, incident=0),
    at(8.0, Event.TASK_FENCED, value=1.0, incident=0),
    at(8.0, Event.QUEUE_ENTERED, detail="retry"),
    at(8.0, Event.QUEUE_DELIVERED, agent=0, value=2.0),
    at(8.0, Event.ATTEMPT_STARTED, agent=0, epoch=2, value=3.75),
    at(8.0, Event.CHECKPOINT_LOADED, agent=0, epoch=2, value=3.75),
    at(8.5, Event.CHECKPOINT_READ, agent=0, epoch=2, value=3.75),
    at(8.0, Event.RECOVERY_EXECUTED, incident=0),
    at(8.0, Event.RECOVERY_VERIFIED, incident=0),
    at(14.0, Event.ATTEMPT_SUCCEEDED, agent=0, epoch=2, value=10.0),
    at(14.0, Event.TASK_COMPLETED, agent=0, epoch=2, value=10.0),
    at(14.0, Event.QUEUE_ACKED, agent=0),
]
"""Work that a failure cuts at 5 s, and that continues 3 s later from the checkpoint of 4 s."""


def test_work_after_the_last_checkpoint_is_wasted() -> None:
    """3.75 + 5.5 s had an effect, 1 s was thrown away; a write of 0.25 s and a read of 0.5 s; 20 s in all."""
    metrics = story(RETRIED, end=20.0)
    assert metrics["work.useful"] == 9.25
    assert metrics["work.wasted"] == 1.0
    assert metrics["work.wasted_fraction"] == pytest.approx(1 / 10.25)
    assert metrics["work.checkpoint"] == 0.75
    assert metrics["work.idle"] == 9.0
    assert metrics["work.down"] == 0.0


def test_attempts_and_retries_of_a_task_that_failed_once() -> None:
    """Two attempts for one task, one retry after 3 s."""
    metrics = story(RETRIED, end=20.0)
    assert metrics["attempts.started"] == metrics["attempts.amplification"] == metrics["attempts.per_task.mean"] == 2
    assert metrics["attempts.failed"] == metrics["attempts.succeeded"] == 1
    assert metrics["attempts.interrupted"] == metrics["attempts.timed_out"] == 0
    assert metrics["retries.count"] == 1
    assert metrics["retries.exhausted"] == 0
    assert metrics["retries.delay.mean"] == 3.0
    assert metrics["retries.per_failure.mean"] == 1.0
    assert metrics["tasks.wait.mean"] == 0.0
    assert metrics["tasks.sojourn.mean"] == 14.0


def test_all_work_of_a_failed_task_is_wasted() -> None:
    """Two attempts of 3 and 2 s that timed out and were interrupted; the retry had been the last."""
    metrics = story(
        at(0.0, Event.TASK_SUBMITTED),
        at(0.0, Event.ATTEMPT_STARTED, agent=0, epoch=1, value=0.0),
        at(3.0, Event.ATTEMPT_TIMED_OUT, agent=0, epoch=1, value=3.0, detail="timeout"),
        at(3.0, Event.RETRY_GRANTED, detail="task_failure", value=0.0, incident=0),
        at(4.0, Event.ATTEMPT_STARTED, agent=0, epoch=2, value=0.0),
        at(6.0, Event.ATTEMPT_INTERRUPTED, agent=0, epoch=2, value=2.0, detail="agent_crash"),
        at(6.0, Event.RETRY_EXHAUSTED, detail="task_failure", incident=0),
        at(6.0, Event.TASK_FAILED, detail="retries exhausted"),
        end=10.0,
    )
    assert metrics["work.useful"] == 0.0
    assert metrics["work.wasted"] == 5.0
    assert metrics["work.wasted_fraction"] == 1.0
    assert metrics["attempts.timed_out"] == metrics["attempts.interrupted"] == 1
    assert metrics["retries.exhausted"] == 1
    assert metrics["retries.per_failure.mean"] == 0.5


def test_attempts_belong_to_the_window_of_their_task() -> None:
    """A task that was submitted in the warm-up takes its attempts and retries with it."""
    metrics = story(RETRIED, served(1, 6.0, 6.0, 7.0), end=20.0, warmup=1.0)
    assert metrics["attempts.started"] == 1
    assert metrics["retries.count"] == 0
    assert metrics["retries.delay.mean"] is None


def test_a_task_without_an_owner_is_lost() -> None:
    """Settled with the core without a recovery: neither the queue nor the core will continue it."""
    failed = [
        at(0.0, Event.TASK_SUBMITTED),
        at(0.0, Event.QUEUE_ENTERED, detail="submitted"),
        at(0.0, Event.QUEUE_DELIVERED, agent=0, value=1.0),
        at(0.0, Event.ATTEMPT_STARTED, agent=0, epoch=1, value=0.0),
        at(1.0, Event.ATTEMPT_FAILED, agent=0, epoch=1, value=1.0, detail="execution_error"),
    ]
    settled = at(1.0, Event.QUEUE_SETTLED)
    opened = at(1.0, Event.RECOVERY_OPENED, detail="task_failure", incident=0)
    assert story(failed, end=9.0)["tasks.lost"] == 0  # leased: the queue will deliver it again
    assert story(failed, settled, end=9.0)["tasks.lost"] == 1
    assert story(failed, opened, settled, end=9.0)["tasks.lost"] == 0
    assert story(failed, settled, end=9.0, warmup=0.5)["tasks.lost"] == 0


def test_a_failed_task_no_longer_waits() -> None:
    """Delivered at 1, waiting for a resource, given up at 5."""
    metrics = story(
        at(0.0, Event.TASK_SUBMITTED),
        at(0.0, Event.QUEUE_ENTERED, detail="submitted"),
        at(1.0, Event.QUEUE_DELIVERED, agent=0, value=1.0),
        at(5.0, Event.TASK_FAILED, detail="given up by hand"),
        end=10.0,
    )
    assert metrics["tasks.in_queue.mean"] == metrics["tasks.in_system.mean"] == 0.5
    assert metrics["tasks.wait.mean"] is None


def test_throughput_counts_completions_within_the_window() -> None:
    """Completed at 4, 6 and 9: two of them in the last five of ten seconds."""
    assert story(*THREE, end=10.0, warmup=5.0)["tasks.throughput"] == pytest.approx(2 / 5)

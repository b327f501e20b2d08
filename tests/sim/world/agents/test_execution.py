"""Execution: work, failures, timeouts, checkpoints and interruptions."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import simpy

import sim
from sim.world.entities import Attempt
from sim.world.world import World
from tests.sim.world.stories import recorded, run_with, scenario, values

PERFECT = {"recovery.detection.detector": "perfect"}
CRASH = "faults: [{agent_crash: {at: 12500ms}}]\n"
"""2.5 s after task 0 was started."""


def test_work_takes_equal_time_on_every_agent() -> None:
    """And nothing besides."""
    run = sim.run(scenario({"tasks.work": "2500ms", "agents.count": 2}, count=2))
    assert values(run, "attempt.succeeded") == [(12.5, 2.5), (22.5, 2.5)]


def test_an_attempt_that_fails_at_its_end_has_done_all_its_work() -> None:
    """3 s of it."""
    run = sim.run(scenario({"tasks.failure_probability": 1.0}, duration="20s"))
    assert values(run, "attempt.failed") == [(13.0, 3.0)]


def test_failures_are_uniform_over_the_work() -> None:
    """Uniform over its work: the mean of many is half of it, within four standard errors."""
    many = {"tasks.arrivals": {"burst": {"size": 200}}, "tasks.count": None, "agents.count": 200}
    failing = {"tasks.failure_probability": 1.0, "tasks.failure_at": "uniform"}
    retry = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "5s"}, "recovery.parallel": None}
    run = sim.run(scenario(many | failing | retry, duration="15s"))
    worked = [progress for _, progress in values(run, "attempt.failed")]
    assert len(worked) == 400
    assert len(set(worked)) == 400
    assert 0 <= min(worked) < max(worked) <= 3
    assert sum(worked) / 400 == pytest.approx(1.5, abs=4 * 3 / 12**0.5 / 400**0.5)


def test_an_attempt_past_its_timeout_fails() -> None:
    """After 2 of its 3 s; to be done at that very instant is in time."""
    run = sim.run(scenario({"tasks.timeout": "2s"}, duration="20s"))
    assert values(run, "attempt.timed_out") == [(12.0, 2.0)]
    assert values(sim.run(scenario({"tasks.timeout": "3s"})), "attempt.succeeded") == [(13.0, 3.0)]


def test_an_attempt_that_ended_leaves_nothing_to_the_garbage_collector() -> None:
    """It is freed as soon as nothing refers to it, whether it succeeded or failed."""
    gc.collect()
    gc.disable()
    try:
        run = sim.run(scenario({"tasks.failure_probability": 0.5, "tasks.checkpoint": {"every": "1s"}}, count=20))
        assert values(run, "attempt.failed")
        assert values(run, "attempt.succeeded")
        assert not [each for each in gc.get_objects() if isinstance(each, Attempt)]
    finally:
        gc.enable()


def test_checkpoints_cost_time_and_are_at_multiples_of_the_interval() -> None:
    """3 s of work, one after each second but not at the end: 3 + 2 x 0.25 s, and once more with a final one."""
    checkpoint = {"every": "1s", "cost": "250ms"}
    run = sim.run(scenario({"tasks.checkpoint": checkpoint}))
    assert values(run, "checkpoint.written") == [(11.25, 1.0), (12.5, 2.0)]
    assert values(run, "task.completed") == [(13.5, 3.0)]
    run = sim.run(scenario({"tasks.checkpoint": checkpoint | {"final": True}, "storage.write": "250ms"}))
    assert values(run, "checkpoint.written") == [(11.5, 1.0), (13.0, 2.0), (14.5, 3.0)]
    assert values(run, "task.completed") == [(14.5, 3.0)]


@pytest.mark.parametrize(
    ("every", "work", "count"), [("100ms", "1s", 9), ("700ms", "2100ms", 2), ("100ms", "50s", 499)]
)
def test_rounding_adds_and_removes_no_checkpoint(every: str, work: str, count: int) -> None:
    """0.1 added up ten times is less than 1, and 3 x 0.7 is less than 2.1: neither is another checkpoint."""
    run = sim.run(scenario({"tasks.checkpoint": {"every": every}, "tasks.work": work}))
    assert len(values(run, "checkpoint.written")) == count


def test_a_restored_attempt_pays_the_restore_and_the_remaining_work() -> None:
    """Crash at 2.5 s of work, restart in 1 s, 0.5 + 0.25 s to read the checkpoint at 2 s, and 1 s of work."""
    checkpoint = {"every": "1s", "restore": "500ms"}
    more = {"tasks.checkpoint": checkpoint, "storage.read": "250ms", "agents.restart_time": "1s"}
    run = sim.run(scenario(PERFECT | more, CRASH))
    assert values(run, "attempt.interrupted") == [(12.5, 2.5)]
    assert values(run, "checkpoint.loaded") == [(13.5, 2.0)]
    assert values(run, "attempt.started") == [(10.0, 0.0), (13.5, 2.0)]
    assert values(run, "task.completed") == [(15.25, 3.0)]


def test_a_crash_during_a_checkpoint_loses_the_checkpoint() -> None:
    """It was not complete."""
    run = sim.run(scenario(PERFECT | {"tasks.checkpoint": {"every": "1s", "cost": "2s"}}, CRASH))
    assert values(run, "attempt.started") == [(10.0, 0.0), (12.5, 0.0)]


@pytest.mark.parametrize(
    ("interrupted", "starts_at", "completed"), [("restart", 0.0, (15.5, 3.0)), ("resume", 2.5, (13.0, 3.0))]
)
def test_interrupted_work_is_repeated_or_resumed(
    interrupted: str, starts_at: float, completed: tuple[float, float]
) -> None:
    """The agent restarts at once: 3 s from there, or the remaining half second."""
    run = sim.run(scenario(PERFECT | {"tasks.interrupted": interrupted}, CRASH))
    assert values(run, "attempt.started") == [(10.0, 0.0), (12.5, starts_at)]
    assert values(run, "task.completed") == [completed]


def test_interrupted_work_can_be_redrawn() -> None:
    """A new draw of the same distribution, equal in every run."""
    redraw = scenario(PERFECT | {"tasks.work": {"exponential": {"mean": "20s"}}, "tasks.interrupted": "redraw"}, CRASH)
    again = redraw.with_values({"tasks.interrupted": "restart"})
    (done,), (same,), (old,) = (values(sim.run(one, seed=2), "task.completed") for one in (redraw, redraw, again))
    assert done == same
    assert done[1] != old[1]
    assert done[0] == pytest.approx(12.5 + done[1])
    assert old[0] == pytest.approx(12.5 + old[1])


def test_work_after_a_failed_attempt_can_be_redrawn() -> None:
    """A retry has the same work or a new draw of the same distribution, equal in every run; other tasks keep theirs."""
    values_ = {"tasks.work": {"exponential": {"mean": "20s"}}, "recovery.conditions.task_failure.retry_delay": "5s"}
    fault = "faults: [{execution_failure: {targets: task.0, at: 12500ms}}]\n"
    repeat = scenario(values_, fault, count=3, agents=3, duration="1000s")
    redraw = repeat.with_values({"tasks.retried": "redraw"})
    works = [
        dict(zip(done["task"], done["value"], strict=True))
        for one in (repeat, redraw, redraw)
        for history in [sim.run(one, seed=2).history]
        for done in [history[history["event"] == "task.completed"]]
    ]
    assert works[1] == works[2]
    assert [works[0][task] == works[1][task] for task in range(3)] == [False, True, True]


def test_redrawn_work_is_not_less_than_its_checkpoint() -> None:
    """The retry starts from the checkpoint at 8 s with new work of less than that, and ends at once."""
    work = {"tasks.work": {"uniform": {"low": "1s", "high": "10s"}}, "tasks.checkpoint": {"every": "8s"}}
    policy = {"recovery.conditions.task_failure.retry_delay": "5s", "tasks.retried": "redraw"}
    for seed in range(100):  # the first seed with enough work for a checkpoint, and less in the second attempt
        fault = "faults: [{execution_failure: {targets: task.0, at: 18100ms}}]\n"
        run = sim.run(scenario(work | policy, fault), seed=seed)
        if values(run, "attempt.started")[1:] == [(23.1, 8.0)] and values(run, "task.completed") == [(23.1, 8.0)]:
            return
    raise AssertionError("no seed has the case")


def test_a_fenced_attempt_stops_at_its_next_checkpoint() -> None:
    """The store refuses it, and the agent is free."""
    checked = scenario({"tasks.checkpoint": {"every": "2s"}, "tasks.work": "9s"})
    run = run_with(lambda world: world.env.process(fence(world)), checked)
    assert recorded(run, "attempt.") == [
        (10.0, "attempt.started", 0, 0, ""),
        (14.0, "attempt.refused", 0, 0, "checkpoint"),
        (14.0, "attempt.interrupted", 0, 0, "fenced"),
    ]


def fence(world: World) -> Iterator[simpy.Event]:
    """Fence task 0's attempts at 13 s."""
    yield world.env.timeout(13)
    world.store.fence("task.0")


def test_a_checkpoint_damaged_after_its_selection_is_not_used() -> None:
    """The second copy of the retried task reads it when it is damaged already: it begins at the beginning."""
    retry = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "0s"}, "queue.ack_timeout": "4s"}
    faults = [
        {"execution_failure": {"targets": "task.0", "at": "12500ms"}},
        {"checkpoint_corrupt": {"targets": "task.0", "at": "14s"}},
    ]
    checkpoint = {"tasks.checkpoint": {"every": "2s"}, "tasks.work": "9s", "agents.count": 2}
    run = sim.run(scenario(retry | checkpoint | {"faults": faults}))
    assert values(run, "attempt.started") == [(10.0, 0.0), (12.5, 2.0), (16.5, 0.0)]
    assert values(run, "checkpoint.rejected") == [(16.5, 1.0)]  # the first that was written

"""Faults with `when`: the time of the injection, and that there is only one."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

QUIET = {"recovery.detection.heartbeat_interval": "1000s"}
"""Task 0 comes at 10 s, task 1 at 20 s, …; each takes 3 s."""


def story(*faults: dict[str, Any], duration: str = "100s", agents: int = 1, count: int = 1, **values: Any) -> Run:
    changed = QUIET | {"faults": list(faults)} | values
    return sim.run(scenario(changed, duration=duration, agents=agents, count=count), seed=1)


def happened(run: Run) -> list[tuple[float, str, str]]:
    return [(time, event.removeprefix("fault."), kind) for time, event, _, _, kind in recorded(run, "fault.")]


def crash(when: str) -> dict[str, Any]:
    return {"agent_crash": {"when": when}}


def slow(when: str, **keys: Any) -> dict[str, Any]:
    return {"agent_slow": {"factor": 2, "when": when} | keys}


# ------------------------------------------------------------------------------------------------------------ numbers
def test_a_fault_happens_once_when_its_condition_becomes_true() -> None:
    """Two wait at 40 s, one from 46.5 s on, and two again at 50 s: that is another time."""
    work = {"tasks.work": "18s"}
    run = story(slow("queue.depth >= 2", **{"for": "1s"}), count=9, **work)
    assert happened(run) == [(40.0, "injected", "agent_slow"), (41.0, "cleared", "agent_slow")]


def test_a_condition_true_only_within_an_instant_is_ignored() -> None:
    """Each task enters the queue and leaves it at the same instant."""
    assert happened(story(slow("queue.depth > 0"), count=5)) == []


def test_a_condition_true_at_the_start_triggers_at_the_start() -> None:
    assert happened(story(slow("agents.up <= 3"), agents=3)) == [(0.0, "injected", "agent_slow")]


@pytest.mark.parametrize(
    ("condition", "at"),
    [
        ("tasks.submitted >= 3", 30.0),
        ("tasks.completed >= 3", 33.0),
        ("tasks.submitted != 0", 10.0),
        ("queue.depth == 7", None),
    ],
)
def test_task_counts_are_conditions(condition: str, at: float | None) -> None:
    expected = [] if at is None else [(at, "injected", "agent_slow")]
    assert happened(story(slow(condition), count=9)) == expected


def test_tasks_submitted_at_time_zero_are_counted() -> None:
    burst = {"tasks.arrivals": {"burst": {"size": 4, "at": "0s"}}, "tasks.count": None}
    assert happened(story(slow("tasks.submitted == 4"), **burst)) == [(0.0, "injected", "agent_slow")]


def test_failed_tasks_and_open_recoveries_are_conditions() -> None:
    """Each failure opens a recovery, which ends with an immediate escalation."""
    never = {"recovery.conditions.task_failure": {"max_retries": 0}}
    fail = {"execution_failure": {"at": "11s"}}
    assert happened(story(fail, slow("tasks.failed == 1"), **never))[1:] == [(11.0, "injected", "agent_slow")]
    later = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "30s"}}
    assert happened(story(fail, slow("recovery.open > 0"), **later))[1:] == [(11.0, "injected", "agent_slow")]
    shut = story(fail, {"agent_slow": {"factor": 2, "at": "12s"}}, slow("recovery.open > 1"), **later)
    assert len(happened(shut)) == 2


def test_recoveries_that_follow_each_other_are_not_open_together() -> None:
    brief = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "1s"}}
    fail = [{"execution_failure": {"at": at}} for at in ("11s", "31s", "51s")]
    run = story(*fail, slow("recovery.open > 1"), count=5, **brief)
    assert [kind for _, _, kind in happened(run)] == ["execution_failure"] * 3
    assert run.metrics["recovery.count"] == 3


def test_crashed_and_hanging_agents_are_not_up() -> None:
    hang, die = (
        {"agent_hang": {"at": "20s", "targets": "agent.0"}},
        {"agent_crash": {"at": "30s", "targets": "agent.1"}},
    )
    run = story(hang, die, slow("agents.up < 2", targets="agent.2"), agents=3)
    assert happened(run)[2:] == [(30.0, "injected", "agent_slow")]


@pytest.mark.parametrize(
    ("condition", "at"), [("gpu.free < 2", 5.0), ("gpu.free == 0", 10.0), ("gpu.available < 2", 5.0)]
)
def test_free_and_in_service_units_are_conditions(condition: str, at: float) -> None:
    """One of two units fails at 5 s, and a task holds the other one from 10 s on."""
    needs = {"tasks.work": "10s", "resources": {"gpu": {"units": 2}}, "tasks.needs": {"gpu": 1}}
    fault = {"resource_unavailable": {"resource": "gpu", "units": 1, "at": "5s"}}
    run = story(fault, slow(f"resources.{condition}"), **needs)
    assert (at, "injected", "agent_slow") in happened(run)


# ----------------------------------------------------------------------------------------------------------- progress
def test_progress_is_the_fraction_of_work_done() -> None:
    run = story({"execution_failure": {"when": "task.progress > 0.5"}}, **{"tasks.work": "10s"})
    assert happened(run) == [(15.0, "injected", "execution_failure")]


def test_slowdowns_and_hangs_delay_progress() -> None:
    """2 s of work by 12 s, 1 s more by 14 s, none until 21 s, and two in the next 4 s."""
    faults = [{"agent_slow": {"factor": 2, "at": "12s"}}, {"agent_hang": {"at": "14s", "for": "7s"}}]
    run = story(*faults, {"execution_failure": {"when": "task.progress >= 50%"}}, **{"tasks.work": "10s"})
    assert happened(run)[-1] == (25.0, "injected", "execution_failure")


def test_a_speedup_advances_progress() -> None:
    """1 s of work by 14 s at a quarter of the speed, and four more by 18 s."""
    faults = [{"agent_slow": {"factor": 4, "at": "5s", "for": "9s"}}]
    run = story(*faults, {"execution_failure": {"when": "task.progress >= 0.5"}}, **{"tasks.work": "10s"})
    assert happened(run)[-1] == (18.0, "injected", "execution_failure")


def test_checkpoint_reads_and_writes_are_no_progress() -> None:
    """Written after 2 s and 4 s of work, for 1 s each; read for 2 s before the last part of the second attempt."""
    keys = {"tasks.work": "10s", "tasks.checkpoint": {"every": "2s", "cost": "1s", "restore": "2s"}}
    half = story({"execution_failure": {"when": "task.progress > 0.5"}}, **keys)
    assert happened(half) == [(17.0, "injected", "execution_failure")]
    faults = [{"execution_failure": {"at": "17s"}}, {"agent_slow": {"factor": 2, "when": "task.progress > 0.55"}}]
    again = story(*faults, **keys)
    started = recorded(again, "attempt.started")[1][0]
    assert happened(again)[-1] == (started + 2 + 1.5, "injected", "agent_slow")


def test_a_call_of_a_dependency_is_no_progress() -> None:
    """Called from 10 s to 14 s; half of the work is done 5 s later."""
    calls = {"tasks.work": "10s", "tasks.calls": ["llm"], "downstream": {"llm": {"latency": "4s"}}}
    run = story({"execution_failure": {"when": "task.progress > 0.5"}}, **calls)
    assert happened(run) == [(19.0, "injected", "execution_failure")]


def test_the_first_running_attempt_triggers_and_ended_ones_do_not() -> None:
    """Task 0 is stopped at 14 s; task 1 begins at 20 s and is half done at 25 s."""
    keys = {"tasks.work": "10s", "recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "70s"}}
    run = story({"execution_failure": {"at": "14s"}}, slow("task.progress > 0.5"), count=2, agents=2, **keys)
    assert happened(run)[-1] == (25.0, "injected", "agent_slow")


# --------------------------------------------------------------------------------------------------- steps and faults
def test_a_fault_can_happen_during_a_recovery_step() -> None:
    """The task fails at 11 s and is retried at 41 s, which takes 5 s: its agent crashes at the start of the retry."""
    costs = {"recovery.costs": {"retry_task": "5s"}}
    run = story({"execution_failure": {"at": "11s"}}, crash("recovery.step == retry_task"), **costs)
    (step,) = [time for time, *_, command in recorded(run, "step.started") if command == "retry_task"]
    assert happened(run)[1:] == [(step, "injected", "agent_crash")]
    (done,) = [time for time, *_, command in recorded(run, "step.completed") if command == "retry_task"]
    assert done == step + 5


def test_a_step_without_duration_triggers() -> None:
    run = story({"execution_failure": {"at": "11s"}}, crash("recovery.step == retry_task"))
    assert [kind for *_, kind in happened(run)] == ["execution_failure", "agent_crash"]


def test_a_fault_can_follow_the_start_or_end_of_another() -> None:
    cut = {"partition": {"between": ["agents", "core"], "at": "20s", "for": "15s"}}
    hang = {"agent_hang": {"when": "fault.partition == injected", "for": "3s"}}
    run = story(cut, hang, crash("fault.partition == cleared"))
    assert happened(run) == [
        (20.0, "injected", "partition"),
        (20.0, "injected", "agent_hang"),
        (23.0, "cleared", "agent_hang"),
        (35.0, "cleared", "partition"),
        (35.0, "injected", "agent_crash"),
    ]


# ------------------------------------------------------------------------------------------------------ all of them
def test_faults_with_equal_conditions_all_happen() -> None:
    half = "task.progress > 0.5"
    run = story({"execution_failure": {"when": half}}, slow(half), **{"tasks.work": "10s"})
    assert happened(run) == [(15.0, "injected", "execution_failure"), (15.0, "injected", "agent_slow")]


def test_a_fault_without_targets_is_skipped_and_not_repeated() -> None:
    run = story({"execution_failure": {"when": "agents.up > 0"}}, count=3)
    assert happened(run) == [(0.0, "skipped", "execution_failure")]


BUSY = {
    "tasks.arrivals": {"poisson": {"rate": "1/s"}},
    "tasks.count": None,
    "tasks.failure_probability": 0.1,
    "tasks.checkpoint": {"every": "1s", "cost": "20ms"},
    "resources": {"gpu": {"units": 6}},
    "tasks.needs": {"gpu": 1},
    "recovery.detection.heartbeat_interval": "5s",
}
FIRST = {"agent_hang": {"every": "40s", "for": "10s"}}


def test_a_condition_that_never_holds_changes_nothing() -> None:
    """Equal histories, event by event: waiting draws no random numbers and does not change the order of others."""
    never = ["queue.depth > 99999", "agents.up > 99", "recovery.open > 9999", "resources.gpu.free > 99"]
    without = story(FIRST, duration="10m", agents=5, **BUSY)
    waiting = story(FIRST, *map(crash, never), duration="10m", agents=5, **BUSY)
    assert waiting.history_sha256 == without.history_sha256
    assert without.events > 1000


@pytest.mark.parametrize("condition", ["task.progress > 0.99", "queue.depth >= 3", "fault.agent_hang == cleared"])
def test_equal_seeds_give_equal_histories_without_lost_tasks(condition: str) -> None:
    fault = {"message_loss": {"probability": 0.2, "when": condition, "for": {"exponential": {"mean": "60s"}}}}
    runs = [story(FIRST, fault, duration="10m", agents=5, **BUSY) for _ in range(2)]
    assert runs[0].history_sha256 == runs[1].history_sha256
    assert [kind for _, what, kind in happened(runs[0]) if what == "injected"].count("message_loss") == 1
    assert runs[0].violations == ()


def test_another_fault_does_not_change_the_targets_of_a_triggered_one() -> None:
    """The selected agent is the same with another fault later in the list."""
    one = slow("tasks.submitted >= 3")
    alone = story(one, agents=9, count=5)
    with_other = story(one, {"queue_blocked": {"when": "tasks.submitted >= 2", "for": "1s"}}, agents=9, count=5)
    hit = [
        [agent for *_, agent, kind in recorded(run, "fault.injected") if kind == "agent_slow"]
        for run in (alone, with_other)
    ]
    assert hit[0] == hit[1] != []

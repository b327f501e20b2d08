"""Faults: times, targets, durations and random streams."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.simulation import Run
from tests.sim.world.stories import Recorded, recorded, scenario

QUIET = {"recovery.detection.heartbeat_interval": "1000s"}
BUSY = QUIET | {"tasks.arrivals": {"burst": {"size": 10, "at": "0s"}}, "tasks.count": None, "tasks.work": "90s"}
"""Ten agents, each with a task for the next 90 s."""
POOL = {"resources": {"gpu": {"units": 4}}}


def injected(run: Run) -> list[Recorded]:
    """Faults, as they were injected, skipped and cleared."""
    return recorded(run, "fault.")


def hit(fault: dict[str, Any], agents: int = 10, seed: int = 1, **changed: Any) -> list[tuple[float, int, int]]:
    """Time, task and agent of each injection."""
    run = sim.run(scenario(BUSY | {"faults": [fault]} | changed, agents=agents), seed=seed)
    return [(time, task, agent) for time, event, task, agent, _ in injected(run) if event == "fault.injected"]


def test_a_fault_happens_once_or_repeatedly() -> None:
    """`at` from the start, `every` after the one before."""
    assert [time for time, *_ in hit({"agent_hang": {"at": "7s"}})] == [7.0]
    assert [time for time, *_ in hit({"agent_hang": {"every": "30s"}})] == [30.0, 60.0, 90.0]


def test_a_fault_can_happen_at_time_zero() -> None:
    """Task 0 was delivered at that instant already."""
    run = sim.run(scenario(BUSY | {"faults": [{"agent_crash": {"targets": "all", "at": "0s"}}]}, agents=2))
    assert recorded(run, "agent.crashed") == [(0.0, "agent.crashed", -1, 0, ""), (0.0, "agent.crashed", -1, 1, "")]
    assert run.violations == ()


@pytest.mark.parametrize(
    ("targets", "count"), [(1, 1), (3, 3), ("20%", 2), (0.5, 5), ("all", 10), (["agent.3", "agent.7"], 2)]
)
def test_targets_are_a_count_a_fraction_all_or_names(targets: Any, count: int) -> None:
    """Each of them another agent."""
    agents = [agent for _, _, agent in hit({"agent_crash": {"targets": targets, "at": "7s"}})]
    assert len(set(agents)) == len(agents) == count
    assert agents == sorted(agents)
    if isinstance(targets, list):
        assert agents == [3, 7]


def test_a_count_takes_agents_first_that_are_up() -> None:
    """The second crash selects the other agent; the third finds both down and changes nothing."""
    values_ = {"agents.restart_time": "1000s", "recovery.detection.detector": "perfect"}
    crash = [{"agent_crash": {"targets": 1, "every": "10s"}}]
    run = sim.run(scenario(BUSY | values_ | {"faults": crash}, agents=2, duration="35s"))
    assert [time for time, *_ in injected(run)] == [10.0, 20.0, 30.0]
    assert [time for time, *_ in recorded(run, "agent.crashed")] == [10.0, 20.0]


def test_a_hang_lasts_and_is_cleared() -> None:
    """From 7 s to 12 s."""
    run = sim.run(scenario(BUSY | {"faults": [{"agent_hang": {"at": "7s", "for": "5s"}}]}))
    assert recorded(run, "fault.", "agent.") == [
        (7.0, "fault.injected", -1, 0, "agent_hang"),
        (7.0, "agent.hung", -1, 0, ""),
        (12.0, "fault.cleared", -1, 0, "agent_hang"),
        (12.0, "agent.woke", -1, 0, ""),
    ]


def test_a_hang_ended_by_a_restart_does_not_end_the_next_one() -> None:
    """Hung at 10 s for 30 s, restarted at once, hung again at 30 s: resumes at 60 s, not at 40 s."""
    hangs = [{"agent_hang": {"at": "10s", "for": "30s"}}, {"agent_hang": {"at": "30s", "for": "30s"}}]
    perfect = {"recovery.detection.detector": "perfect", "agents.restart_time": "0s"}
    cut = {"partition": {"between": ["agents", "core"], "at": "20s"}}
    run = sim.run(scenario(BUSY | perfect | {"faults": [*hangs, cut]}))
    assert [time for time, *_ in recorded(run, "agent.woke")] == [60.0]


def test_an_execution_failure_ends_the_attempt_immediately() -> None:
    """Of a running task, by count or by name; without running tasks there is no target."""
    run = sim.run(scenario(QUIET | {"faults": [{"execution_failure": {"targets": "task.0", "at": "12s"}}]}))
    assert recorded(run, "fault.", "attempt.failed")[:2] == [
        (12.0, "fault.injected", 0, -1, "execution_failure"),
        (12.0, "attempt.failed", 0, 0, "injected"),
    ]
    idle = sim.run(scenario(QUIET | {"faults": [{"execution_failure": {"at": "5s"}}]}))
    assert injected(idle) == [(5.0, "fault.skipped", -1, -1, "execution_failure")]


def test_units_return_when_no_active_fault_claims_them() -> None:
    """Three of four, then three more and three more: at 50 s three are still claimed, and at 55 s none."""
    down = [
        {"resource_unavailable": {"resource": "gpu", "units": 3, "at": f"{at}s", "for": "30s"}} for at in (10, 20, 25)
    ]
    run = sim.run(scenario(QUIET | POOL).with_values({"faults": down}))
    rows = run.history[run.history["event"].isin(["resource.unavailable", "resource.available"])]
    assert list(zip(rows["time"], rows["event"], rows["value"], strict=True)) == [
        (10.0, "resource.unavailable", 3.0),
        (20.0, "resource.unavailable", 1.0),
        (50.0, "resource.available", 1.0),
        (55.0, "resource.available", 3.0),
    ]
    assert [(time, event) for time, event, *_ in injected(run)] == [
        (10.0, "fault.injected"),
        (20.0, "fault.injected"),
        (25.0, "fault.injected"),
        (40.0, "fault.cleared"),
        (50.0, "fault.cleared"),
        (55.0, "fault.cleared"),
    ]


def test_a_task_holding_a_failed_unit_is_blocked() -> None:
    """All units fail, so the one that task 0 holds does."""
    down = [{"resource_unavailable": {"resource": "gpu", "units": 4, "at": "12s"}}]
    run = sim.run(scenario(QUIET | POOL | {"tasks.needs": {"gpu": 1}}).with_values({"faults": down}))
    assert recorded(run, "attempt.interrupted") == [(12.0, "attempt.interrupted", 0, 0, "resource_unavailable")]


def test_partitions_of_one_link_may_overlap() -> None:
    """The path is whole when both have ended."""
    cuts = [{"partition": {"between": ["queue", "agents"], "at": f"{at}s", "for": "20s"}} for at in (10, 15)]
    run = sim.run(scenario(QUIET | {"faults": cuts}))
    assert [(time, event) for time, event, *_ in recorded(run, "link.", "fault.cleared")] == [
        (10.0, "link.cut"),
        (30.0, "fault.cleared"),
        (35.0, "fault.cleared"),
        (35.0, "link.healed"),
    ]


def test_a_damaged_checkpoint_is_not_damaged_twice() -> None:
    """Two attempts at the task run, and the fault happens twice: a damaged checkpoint stays damaged."""
    checkpoint = {"tasks.checkpoint": {"every": "50s"}, "queue.duplication": 1.0, "tasks.work": "80s"}
    faults = [{"checkpoint_corrupt": {"targets": "all", "at": f"{at}s"}} for at in (65, 66)]
    run = sim.run(scenario(QUIET | checkpoint, agents=2).with_values({"faults": faults}))
    assert recorded(run, "fault.", "checkpoint.corrupted") == [
        (65.0, "fault.injected", 0, -1, "checkpoint_corrupt"),
        (65.0, "checkpoint.corrupted", 0, -1, ""),
        (66.0, "fault.skipped", -1, -1, "checkpoint_corrupt"),
    ]


CRASHES = {"agent_crash": {"targets": 2, "every": {"exponential": {"mean": "15s"}}}}


def test_targets_depend_on_the_seed() -> None:
    """The targets and the times."""
    assert hit(CRASHES) == hit(CRASHES)
    assert hit(CRASHES) != hit(CRASHES, seed=2)


def test_a_changed_policy_does_not_change_fault_targets() -> None:
    """Slow restarts keep some agents down; among those that are up each time, the same ones are selected."""
    values_ = {"recovery.detection.detector": "perfect"}
    fast = hit(CRASHES, **values_, **{"agents.restart_time": "0s"})
    slow = hit(CRASHES, **values_, **{"agents.restart_time": "12s"})
    assert [time for time, *_ in fast] == [time for time, *_ in slow]
    assert fast != slow
    both = {time: ({a for t, _, a in fast if t == time}, {a for t, _, a in slow if t == time}) for time, *_ in fast}
    down: dict[float, set[int]] = {
        time: {agent for since, _, agent in slow if since < time < since + 12} for time in both
    }
    for time, (free, held) in both.items():
        assert free - down[time] <= held
    assert any(down[time] for time in both)


def test_an_additional_agent_does_not_change_the_draws_of_others() -> None:
    """The same agents are selected, unless the new one takes a place."""
    ten = hit({"agent_hang": {"targets": 3, "every": "20s", "for": "5s"}})
    eleven = hit({"agent_hang": {"targets": 3, "every": "20s", "for": "5s"}}, agents=11)
    old = [row for row in eleven if row[2] != 10]
    assert set(old) <= set(ten)
    assert len(old) >= 8


def test_policies_and_faults_do_not_change_arrivals_or_work() -> None:
    """Arrivals and work of the tasks are equal."""
    load = {"tasks.arrivals": {"poisson": {"rate": "1/s"}}, "tasks.work": {"exponential": {"mean": "3s"}}}
    load |= {"tasks.count": None, "agents.count": 5, "tasks.failure_probability": 0.1}
    other = {"recovery.conditions.task_failure": {"max_retries": 9, "retry_delay": "1s"}, "agents.count": 6}

    def tasks(changed: dict[str, Any]) -> tuple[list[float], dict[int, float], dict[int, bool]]:
        frame = sim.run(scenario(load | changed, duration="60s"), seed=3).history
        done = frame[frame["event"] == "task.completed"]
        first = frame[frame["event"].isin(["attempt.succeeded", "attempt.failed"]) & (frame["epoch"] == 1)]
        return (
            frame.loc[frame["event"] == "task.submitted", "time"].tolist(),
            dict(zip(done["task"], done["value"], strict=True)),
            dict(zip(first["task"], first["event"] == "attempt.failed", strict=True)),
        )

    arrivals, work, failed = tasks({})
    assert any(failed.values())
    for changed in (other, {"faults": [CRASHES]}):
        same_arrivals, same_work, same_failed = tasks(changed)
        assert same_arrivals == arrivals
        done, ended = sorted(set(work) & set(same_work)), sorted(set(failed) & set(same_failed))
        assert min(len(done), len(ended)) > 20
        assert [same_work[task] for task in done] == pytest.approx([work[task] for task in done])
        assert [same_failed[task] for task in ended] == [failed[task] for task in ended]

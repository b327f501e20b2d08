"""Agent time: every second of every slot is in one class, exactly, whatever happens."""

from __future__ import annotations

from dataclasses import fields
from itertools import permutations
from typing import Any

import pytest

import scenarios
import sim
from sim.history import Event, History
from sim.measures import measure
from sim.measures.tables.agent_time import AgentTime, TimeNotAccounted
from sim.simulation import Run
from tests.sim.world.stories import scenario

CLASSES = tuple(field.name for field in fields(AgentTime))
PERFECT = {"recovery.detection.detector": "perfect"}
TEN = {"tasks.work": "10s"}
"""One task: it comes at 10 s, and takes 10 s."""


def spent(run: Run) -> dict[str, float]:
    """The classes that are not empty, after a check of their sum and of the agents' availability."""
    slots = run.scenario.agents.count * run.scenario.agents.slots
    whole = slots * (run.scenario.duration - run.scenario.warmup)
    found = {name: run.metrics[f"work.{name}"] or 0.0 for name in CLASSES}
    assert sum(found.values()) == whole
    assert found["down"] == pytest.approx(whole * (1 - (run.metrics["agents.availability"] or 0.0)))
    return {name: seconds for name, seconds in found.items() if seconds}


def story(values: dict[str, Any], *faults: dict[str, Any], **options: Any) -> dict[str, float]:
    return spent(sim.run(scenario(TEN | values | {"faults": list(faults)}, **options), seed=1))


def test_reads_of_checkpoints_are_counted() -> None:
    """The crash at 150 s wastes 50 s; the restart takes 10 s, the restore 200 s, and then 200 s of work are left."""
    text = """
name: restores
duration: 30m
tasks: {arrivals: {burst: {size: 1, at: 0s}}, work: 300s, checkpoint: {every: 100s, cost: 0s, restore: 200s}}
agents: {count: 1, restart_time: 10s}
recovery: {detection: {detector: perfect}}
faults: [{agent_crash: {targets: 1, at: 150s}}]
"""
    assert spent(sim.run(scenarios.loads(text))) == {
        "useful": 300,
        "wasted": 50,
        "checkpoint": 200,
        "down": 10,
        "idle": 1240,
    }


def test_a_slow_agent_spends_more_time_on_the_same_work() -> None:
    assert story({}, {"agent_slow": {"factor": 2, "at": "0s"}}) == {"useful": 20, "idle": 80}


def test_writes_cut_short_and_reads_cut_short_are_time_of_checkpoints() -> None:
    """Written 14-16 s; the write of 20-22 s is cut at 21 s, the read of 21-26 s at 24 s, and one of 24-29 s is not."""
    checkpoint = {"tasks.checkpoint": {"every": "4s", "cost": "2s", "restore": "5s"}}
    crashes = [{"agent_crash": {"at": at}} for at in ("21s", "24s")]
    found = story(PERFECT | checkpoint, *crashes)
    assert found == {"useful": 10, "wasted": 4, "checkpoint": 2 + 1 + 3 + 5 + 2, "idle": 100 - 27}


def test_slow_storage_takes_time_of_checkpoints() -> None:
    checkpoint = {"tasks.checkpoint": {"every": "4s", "cost": "2s"}}
    slow = {"storage_slow": {"factor": 3, "at": "15s", "for": "60s"}}  # the first write began before
    assert story(checkpoint, slow) == {"useful": 10, "checkpoint": 2 + 6, "idle": 82}


def test_time_of_a_client_that_has_left_is_wasted() -> None:
    """It leaves after 5 s. With cancellation the attempt stops, else it goes on; a late answer may be accepted."""
    spends = {}
    for name, client in (
        ("drop", {}),
        ("cancel", {"cancel": True}),
        ("accept", {"late_answer": "accept"}),
    ):
        spends[name] = story({"tasks.client": {"timeout": "5s"} | client})
    assert spends == {
        "drop": {"wasted": 10, "idle": 90},
        "cancel": {"wasted": 5, "idle": 95},
        "accept": {"useful": 10, "idle": 90},
    }


def test_only_one_of_the_tasks_of_a_request_is_useful() -> None:
    """Made again after 6 s, and answered late by the first one at 20 s: 6 s of the other one, whose end is at 26 s."""
    client = {"timeout": "6s", "max_retries": 1, "retry_delay": "0s", "late_answer": "accept"}
    assert story({"tasks.client": client}, agents=2) == {"useful": 10, "wasted": 10, "idle": 180}


@pytest.mark.parametrize("late_answer", ["drop", "accept"])
def test_an_attempt_at_the_end_of_the_run_is_useful_if_its_client_has_not_left(late_answer: str) -> None:
    """It has run for 8 s; a client with a timeout of 5 s has left, unless it accepts a late answer."""
    assert story({}, duration="18s") == {"useful": 8, "idle": 10}
    kind = "wasted" if late_answer == "drop" else "useful"
    client = {"tasks.client": {"timeout": "5s", "late_answer": late_answer}}
    assert story(client, duration="18s") == {kind: 8, "idle": 10}


def test_a_slot_held_for_a_retry_is_idle() -> None:
    """The attempt fails after 5 s, the retry starts 30 s later and takes 10 s."""
    fails = {"execution_failure": {"targets": 1, "at": "15s"}}
    for holds in (False, True):
        assert story({"tasks.retry_holds_agent": holds}, fails) == {"useful": 10, "wasted": 5, "idle": 85}


def test_an_attempt_that_waits_for_resources_is_idle() -> None:
    """Two tasks, two agents, one GPU: the second task waits for it for 5 s."""
    values = {"tasks.work": "15s", "resources": {"gpu": {"units": 1}}, "tasks.needs": {"gpu": 1}}
    assert story(values, agents=2, count=2) == {"useful": 30, "idle": 170}


def test_attempts_that_time_out_are_wasted() -> None:
    """Two attempts of 4 s; then the task is given up."""
    policy = {"recovery.conditions.task_failure": {"max_retries": 1, "retry_delay": "1s"}}
    assert story({"tasks.timeout": "4s"} | policy) == {"wasted": 8, "idle": 92}


def test_a_hang_is_down_time_of_all_slots_and_suspends_reads_and_writes() -> None:
    """Two slots hang for 6 s from 15 s on, in the middle of a write of 2 s."""
    checkpoint = {"tasks.checkpoint": {"every": "4s", "cost": "2s"}, "recovery.detection.heartbeat_interval": "1000s"}
    found = story({"agents.slots": 2} | checkpoint, {"agent_hang": {"at": "15s", "for": "6s"}})
    assert found == {"useful": 10, "checkpoint": 4, "down": 12, "idle": 200 - 26}


def test_a_fenced_attempt_on_a_hung_agent_is_wasted() -> None:
    """The other agent does its work. The run ends before the hung one continues, or after."""
    hang = {"agent_hang": {"targets": "agent.0", "at": "12s", "for": "40s"}}
    values = {"queue.ack_timeout": None, "recovery.costs": {"restart_agent": "1000s"}}
    found = story(PERFECT | values | {"queue.ack_timeout": "5s"}, hang, agents=2)
    assert found["useful"] == 10
    assert found["wasted"] >= 2


def test_a_crash_is_down_time_until_the_restart() -> None:
    """Two slots for 7 s; an attempt of 2 s is repeated."""
    found = story(PERFECT | {"agents.slots": 2, "agents.restart_time": "7s"}, {"agent_crash": {"at": "12s"}})
    assert found == {"useful": 10, "wasted": 2, "down": 14, "idle": 200 - 26}


def test_interrupted_work_that_is_resumed_is_useful() -> None:
    values = PERFECT | {"tasks.interrupted": "resume", "agents.restart_time": "7s"}
    crashes = [{"agent_crash": {"at": at}} for at in ("12s", "22s")]
    assert story(values, *crashes) == {"useful": 10, "down": 14, "idle": 76}
    assert story(values, *crashes, duration="25s") == {"useful": 5, "down": 10, "idle": 10}


def test_a_warm_up_cuts_every_class() -> None:
    """From 13 s on: 1 s of work, 2 s of a write, 6 s of work and a write of 2 s."""
    checkpoint = {"tasks.checkpoint": {"every": "4s", "cost": "2s"}, "warmup": "13s"}
    assert story(checkpoint) == {"useful": 7, "checkpoint": 4, "idle": 87 - 11}


BUSY = """
name: busy
duration: {duration}
warmup: 70s
tasks:
  arrivals: {{poisson: {{rate: 2/s}}}}
  work: {{lognormal: {{mean: 3s, cv: 2}}}}
  failure_probability: 0.2
  failure_at: uniform
  interrupted: {interrupted}
  checkpoint: {{every: 700ms, cost: 30ms, restore: 110ms}}
agents: {{count: 7, slots: 2, mtbf: 40s, restart_time: {{exponential: {{mean: 3s}}}}}}
faults:
  - agent_hang: {{targets: 2, every: {{exponential: {{mean: 9s}}}}, for: 2s}}
  - agent_slow: {{targets: 3, factor: 1.7, every: {{exponential: {{mean: 9s}}}}, for: 4s}}
recovery: {{detection: {{detector: perfect}}, conditions: {{task_failure: {{max_retries: 9, retry_delay: 100ms}}}}}}
"""


@pytest.mark.parametrize("interrupted", ["restart", "resume"])
@pytest.mark.parametrize("duration", ["170s", "171.234567s"])
def test_the_classes_add_up_to_the_last_digit_in_any_order(interrupted: str, duration: str) -> None:
    """The end of a run that is not a multiple of a tick is rounded like every instant."""
    run = sim.run(scenarios.loads(BUSY.format(interrupted=interrupted, duration=duration)))
    parts = [run.metrics[f"work.{name}"] or 0.0 for name in CLASSES]
    assert min(parts) > 1
    sums = {((a + b) + c) + (d + e) for a, b, c, d, e in permutations(parts)}
    assert len(sums) == 1
    whole = 14 * (run.scenario.duration - 70)
    assert sums.pop() == (whole if whole == 1400 else pytest.approx(whole, rel=2**-45))


@pytest.mark.parametrize("interrupted", ["restart", "resume"])
def test_useful_time_of_completed_tasks_is_their_work_at_full_speed(interrupted: str) -> None:
    """Checkpoints of several earlier attempts contribute to an effect: their work adds up to that of the task."""
    values = {"warmup": "0s", "tasks.count": 150, "faults": []}
    busy = scenarios.loads(BUSY.format(interrupted=interrupted, duration="200s"))
    run = sim.run(busy.with_values(values))
    assert run.metrics["tasks.completed"] == 150
    assert (run.metrics["work.wasted"] or 0.0) > 10
    done = run.history[run.history["event"] == "task.completed"]["value"]
    assert run.metrics["work.useful"] == pytest.approx(done.sum())


def test_time_that_is_counted_twice_is_found() -> None:
    """The end of one attempt is missing: its slot seems to have two attempts."""

    def attempt(number: int, at: float, *, ends: bool = True) -> list[dict[str, Any]]:
        about: dict[str, Any] = {"task": number, "agent": 0, "epoch": 1}
        return [
            {"time": at, "event": Event.ATTEMPT_STARTED, "value": 0.0, **about},
            *([{"time": at + 2, "event": Event.ATTEMPT_FAILED, "value": 2.0, **about}] if ends else []),
        ]

    meta = {"end": 10.0, "agents": 1, "slots": 1}
    assert measure(History.of(attempt(0, 1.0) + attempt(1, 4.0), meta))["work.idle"] == 6.0
    with pytest.raises(TimeNotAccounted, match=r"is 12 agent-s, and slots × time is 10 agent-s"):
        measure(History.of(attempt(0, 2.0, ends=False) + attempt(1, 8.0), meta))


def test_a_run_whose_accounting_is_broken_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that takes a second task into its only slot."""
    from sim.world.queue import TaskQueue

    dispatch = TaskQueue.dispatch

    def overbook(queue: TaskQueue) -> None:
        for agent in queue.receiver.all:  # type: ignore[attr-defined]
            if agent.free_slots == 0 and len(agent.attempts) == 1:
                agent.free_slots = 1
                queue._idle.setdefault(agent)
        dispatch(queue)

    busy = scenario({"tasks.arrivals": {"burst": {"size": 3}}, "tasks.count": None} | TEN)
    assert spent(sim.run(busy)) == {"useful": 30, "idle": 70}
    monkeypatch.setattr(TaskQueue, "dispatch", overbook)
    with pytest.raises(TimeNotAccounted):
        sim.run(busy)

"""Several cores with one leader: crashes, suspensions and partitions never give a second leader."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from recovery.leadership import Deposed
from sim.core import lease_guard
from sim.simulation import Run
from tests.examples import examples
from tests.sim.world.stories import recorded, scenario

FAILS = {"tasks.failure_probability": 1, "recovery.conditions.task_failure.max_retries": 1}
"""Task 0 runs from 10 to 13 s and fails; its retry is due 30 s later."""
CORES = {"recovery.cores.count": 2, "recovery.cores.lease": {"duration": "10s", "renew_every": "2s", "drift": 1.25}}


def story(*faults: dict[str, Any], duration: str = "200s", agents: int = 1, count: int = 1, **values: Any) -> Run:
    changed = {"faults": list(faults), "recovery.detection.heartbeat_interval": "1000s"} | CORES | values
    run = sim.run(scenario(changed, duration=duration, agents=agents, count=count), seed=1)
    assert run.violations == ()
    return run


def log(run: Run, *events: str) -> list[tuple[float, str, str]]:
    rows = run.history[run.history["event"].astype(str).str.startswith(events)]
    return [(row.time, str(row.event), str(row.about)) for row in rows.itertuples()]


def hang(at: float, lasts: float | None = None) -> dict[str, Any]:
    return {"core_hang": {"at": at, "for": lasts}}


def cut(core: str, at: float, lasts: float | None = None) -> dict[str, Any]:
    return {"partition": {"between": [core, "store"], "at": at, "for": lasts}}


def crash(at: float, lasts: float | None = None) -> dict[str, Any]:
    return {"core_crash": {"at": at, "for": lasts}}


TERMS = ("core.elected", "core.deposed", "core.crashed", "core.restarted")


def test_the_first_core_leads_from_the_start_and_stays_leader() -> None:
    assert log(story(), *TERMS) == [(0.0, "core.elected", "core.0")]


def test_without_faults_two_cores_behave_as_one() -> None:
    """As long as nothing happens to them."""
    one, two = (sim.run(scenario({**FAILS, **cores}, duration="200s"), seed=1) for cores in ({}, CORES))
    assert recorded(one) == [row for row in recorded(two) if not row[1].startswith("core.")]


def test_a_standby_leads_when_the_lease_of_a_crashed_leader_expires() -> None:
    run = story(crash(21, 60))
    assert log(run, *TERMS) == [
        (0.0, "core.elected", "core.0"),
        (21.0, "core.crashed", "core.0"),
        (32.0, "core.elected", "core.1"),  # it saw at 22 s that the lease had changed, and waits for 10
        (81.0, "core.restarted", "core.0"),
    ]


def test_a_core_that_sleeps_past_its_lease_becomes_a_standby() -> None:
    run = story(hang(21, 60))
    assert log(run, *TERMS) == [
        (0.0, "core.elected", "core.0"),
        (32.0, "core.deposed", "core.0"),
        (32.0, "core.elected", "core.1"),
    ]


def test_a_short_sleep_does_not_change_the_leader() -> None:
    assert log(story(hang(21, 5)), *TERMS) == [(0.0, "core.elected", "core.0")]


def test_a_disconnected_leader_steps_down_before_another_leads() -> None:
    run = story(cut("core.0", 21, 60))
    assert log(run, *TERMS) == [
        (0.0, "core.elected", "core.0"),
        (28.0, "core.deposed", "core.0"),  # 10 s / 1.25 after it asked for the renewal of 20 s
        (32.0, "core.elected", "core.1"),
    ]


def test_with_all_cores_disconnected_there_is_no_leader() -> None:
    run = story(cut("core", 21, 60))
    assert log(run, *TERMS)[:2] == [(0.0, "core.elected", "core.0"), (28.0, "core.deposed", "core.0")]
    assert log(run, "core.elected")[1][0] >= 81


def test_a_failure_seen_by_a_disconnected_leader_is_recovered_after_its_next_election() -> None:
    crash_of_agent = {"agent_crash": {"at": 22}}
    values = {"recovery.detection.detector": "perfect", "recovery.cores.count": 1, "agents.restart_time": "5s"}
    run = story(cut("core.0", 21, 60), crash_of_agent, **values)
    assert [(time, event) for time, event, _ in log(run, "core.elected", "recovery.opened")] == [
        (0.0, "core.elected"),
        (91.0, "core.elected"),
        (91.0, "recovery.opened"),
    ]


def test_a_single_core_leads_again_after_its_own_lease_expires() -> None:
    run = story(hang(21, 60), **{"recovery.cores.count": 1})
    assert log(run, *TERMS) == [
        (0.0, "core.elected", "core.0"),
        (81.0, "core.deposed", "core.0"),
        (91.0, "core.elected", "core.0"),
    ]


def test_a_granted_retry_is_executed_by_the_next_leader() -> None:
    run = story(hang(21, 100), **FAILS)
    assert [(time, event) for time, event, _ in log(run, "retry.granted", "recovery.taken_up", "recovery.started")][
        :3
    ] == [(13.0, "retry.granted"), (32.0, "recovery.taken_up"), (43.0, "recovery.started")]


def test_a_report_to_a_sleeping_leader_reaches_the_next_leader() -> None:
    run = story(hang(5, 100), **FAILS)
    assert [(time, event) for time, event, _ in log(run, "attempt.failed", "recovery.opened")][:2] == [
        (13.0, "attempt.failed"),
        (16.0, "recovery.opened"),
    ]


def test_a_report_to_a_disconnected_core_waits_until_it_can_be_recorded() -> None:
    for lasts, heard in ((3, 14.0), (60, 22.0)):
        run = story(cut("core.0", 11, lasts), **FAILS)
        assert [(time, event) for time, event, _ in log(run, "attempt.failed", "recovery.opened")][:2] == [
            (13.0, "attempt.failed"),
            (heard, "recovery.opened"),
        ]


def test_a_report_during_a_short_sleep_is_processed_on_wake_up() -> None:
    run = story(hang(11, 5), **FAILS)
    assert [(time, event) for time, event, _ in log(run, "attempt.failed", "recovery.opened")][:2] == [
        (13.0, "attempt.failed"),
        (16.0, "recovery.opened"),
    ]


def test_without_a_leader_faults_hit_the_core_that_led_last() -> None:
    run = story(hang(21, 4), hang(22, 9), crash(23, 1))
    assert log(run, "fault.injected", *TERMS)[1:] == [
        (21.0, "fault.injected", "core.0"),
        (22.0, "fault.injected", "core.0"),
        (23.0, "fault.injected", "core.0"),
        (23.0, "core.crashed", "core.0"),
        (31.0, "core.restarted", "core.0"),
        (32.0, "core.elected", "core.1"),
    ]


def test_a_core_that_crashed_while_asleep_stays_crashed() -> None:
    sleep = {"core_hang": {"at": 21, "for": 100}}
    run = story(sleep, crash(40, 10))
    assert log(run, "core.crashed")[0][2] == "core.1"


def test_an_agent_crash_without_a_leader_is_detected_later() -> None:
    values = {"recovery.detection.heartbeat_interval": "5s", "agents.restart_time": "10s"}
    run = story(crash(21), {"agent_crash": {"at": 24}}, **values)
    assert log(run, "agent.suspected", "agent.restarted") == [
        (47.0, "agent.suspected", ""),  # 15 s after core.1 has begun to watch
        (57.0, "agent.restarted", ""),
    ]


# -------------------------------------------------------------------------------- never two
EVENTS = st.one_of(
    st.builds(hang, st.integers(1, 150), st.integers(1, 60)),
    st.builds(crash, st.integers(1, 150), st.integers(1, 60)),
    st.builds(cut, st.sampled_from(["core.0", "core.1", "core"]), st.integers(1, 150), st.integers(1, 60)),
    st.builds(lambda at: {"agent_crash": {"at": at}}, st.integers(1, 150)),
)


@pytest.mark.long
@settings(max_examples=examples(40))
@given(faults=st.lists(EVENTS, max_size=6), seed=st.integers(0, 10**6))
def test_random_core_faults_lose_and_repeat_no_effect(faults: list[dict[str, Any]], seed: int) -> None:
    values: dict[str, Any] = {
        "faults": faults,
        "tasks.failure_probability": 0.5,
        "recovery.conditions.task_failure": {"max_retries": 3, "retry_delay": "5s"},
        "recovery.costs": {"retry_task": "2s", "reassign_agent_tasks": "1s"},
        "agents.restart_time": "10s",
        "recovery.detection.heartbeat_interval": "3s",
    }
    run = sim.run(scenario(CORES | values, duration="300s", agents=4, count=12), seed=seed)
    assert run.violations == ()
    leaders = [event for _, event, _ in log(run, "core.elected", "core.deposed", "core.crashed")]
    assert all(one != other or one == "core.crashed" for one, other in pairwise(leaders))


@pytest.mark.parametrize("leads", [True, False])
def test_commands_of_a_deposed_leader_are_rejected_everywhere(leads: bool) -> None:
    given: list[str] = []

    class Tasks:
        async def enqueue(self, task_id: str) -> bool:
            given.append(task_id)
            return True

    class Awake:
        name = "core.0"

        async def can_reach(self, *, store: bool) -> None:
            """Returns immediately."""

    term = lease_guard.Term(cast("Any", Awake()), lambda: leads)
    command = lease_guard.GuardedPort(Tasks(), term, store=False).enqueue("task.0")
    if leads:
        assert asyncio.run(command)
    else:
        with pytest.raises(Deposed, match=r"core\.0 no longer leads"):
            asyncio.run(command)
    assert given == (["task.0"] if leads else [])


def test_the_end_of_a_run_does_not_end_the_leadership() -> None:
    """The core keeps its state when the loop is abandoned: none of its code runs any more, or creates another loop."""
    created: list[object] = []

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            created.append(self)
            return super().new_event_loop()

    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Policy())
    try:
        run = story(duration="20s")
    finally:
        asyncio.set_event_loop_policy(before)
    assert log(run, *TERMS) == [(0.0, "core.elected", "core.0")]
    assert created == []


def test_a_store_without_fencing_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The restart ends while the core sleeps; without the lease's epoch, the resumed core continues from there."""
    monkeypatch.setattr(lease_guard.Term, "check", lambda self: None)
    monkeypatch.setattr(lease_guard.Term, "write", lambda self, deliver: self.node.write(deliver))
    values = {"agents.restart_time": "10s", "recovery.costs": {"reassign_agent_tasks": "2s"}}
    changed = {"recovery.detection.detector": "perfect", "faults": [{"agent_crash": {"at": 20}}, hang(21, 15)]}
    run = sim.run(scenario(changed | CORES | values, duration="200s"), seed=1)
    assert run.violations

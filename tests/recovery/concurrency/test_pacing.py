"""The rate limit on tasks that recovery returns to work."""

import asyncio
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recovery import Supervisor
from recovery.concurrency.pacing import ROUNDING
from recovery.model import FailureKind
from recovery.policies.load_limit import LoadLimit, TokenBucket
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import at_once, report, short, supervise


def turns(rate: float, burst: int, times: list[float]) -> list[float]:
    """The times at which calls at the given times may pass."""
    bucket = TokenBucket(LoadLimit(rate=rate, burst=burst))
    return [now + bucket.take(now) for now in times]


def test_a_burst_passes_at_once_and_then_the_rate_applies():
    assert turns(2.0, 3, [0.0] * 6) == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]


def test_unused_rate_accumulates_up_to_the_burst():
    assert turns(1.0, 2, [0.0, 0.0, 100.0, 100.0, 100.0]) == [0.0, 0.0, 100.0, 100.0, 101.0]


def test_without_a_burst_calls_pass_one_by_one():
    assert turns(4.0, 1, [0.0] * 3) == [0.0, 0.25, 0.5]


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_every_window_respects_burst_and_rate_in_fifo_order(rate, burst, gaps):
    times, now = [], 0.0
    for gap in gaps:
        now += gap
        times.append(now)
    gone = turns(rate, burst, times)
    assert gone == sorted(gone)
    for first in range(len(gone)):
        for last in range(first, len(gone)):
            assert last - first + 1 <= burst + rate * (gone[last] - gone[first]) * (1 + 1e-9) + 1e-6


@given(rate=st.floats(0.01, 1000), burst=st.integers(1, 50), extra=st.integers(1, 50))
def test_no_wait_exceeds_what_the_rate_requires(rate, burst, extra):
    gone = turns(rate, burst, [0.0] * (burst + extra))
    assert gone[-1] == pytest.approx(extra / rate, rel=1e-9)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": float("inf")}, {"rate": 1, "burst": 0}, {"burst": 3}])
def test_an_invalid_limit_is_rejected(wrong):
    with pytest.raises(ValidationError):
        LoadLimit(**wrong)


# --------------------------------------------------------------------------------------------- in a supervisor
def mass_failure(tasks: int = 6) -> SmallSystem:
    system = SmallSystem()
    for number in range(tasks):
        system.failed(f"task.{number}")
    return system


def failed_at_once(system: SmallSystem, **config) -> list[tuple[float, str]]:
    """When each task is back in the queue after all tasks have failed at once."""
    tasks = list(system.errors)
    supervise(system, report(*((task, FailureKind.TASK) for task in tasks)), conditions=at_once(), **config)
    assert sorted(system.queue) == sorted(tasks)
    return short(system, "step.started retry_task")


def test_without_a_limit_all_tasks_of_a_mass_failure_return_at_once():
    assert [at for at, _ in failed_at_once(mass_failure())] == [0.0] * 6


def test_with_a_limit_tasks_of_a_mass_failure_return_at_its_rate():
    assert [at for at, _ in failed_at_once(mass_failure(), load={"rate": 0.5, "burst": 2})] == [0, 0, 2, 4, 6, 8]


def test_each_wait_is_recorded():
    system = mass_failure(3)
    failed_at_once(system, load={"rate": 0.5})
    waits = [(entry.subject, entry.value) for entry in system.audit.entries if entry.event == "recovery.paced"]
    assert waits == [("task.1", 2.0), ("task.2", 4.0)]


def test_rounding_errors_cause_no_second_wait():
    system = mass_failure(60)

    async def story(supervisor: Supervisor) -> None:
        for task in system.errors:
            supervisor.report(failure_of(task))
            await asyncio.sleep(0.1)

    supervise(system, story, conditions=at_once(), load={"rate": 3})
    waited = [entry.subject for entry in system.audit.entries if entry.event == "recovery.paced"]
    assert len(waited) == len(set(waited)) == 59


def test_a_waiting_task_holds_no_slot():
    """An agent is recovered at once although two tasks wait and only one recovery may run at a time."""
    system = mass_failure(3)
    system.up["agent.1"] = False

    async def story(supervisor: Supervisor) -> None:
        for number in range(3):
            supervisor.report(failure_of(f"task.{number}"))
        await asyncio.sleep(1)
        supervisor.report(failure_of("agent.1", FailureKind.AGENT))

    supervise(system, story, conditions=at_once(), load={"rate": 0.1}, parallel=1)
    assert [at for at, _, words in system.timed_trail if words == "step.started restart_agent"] == [1.0]


def test_the_limit_applies_to_the_tasks_of_an_agent():
    system = SmallSystem()
    for number in range(4):
        system.submit(f"task.{number}")
        system.start(f"task.{number}", "agent.1")
    system.up["agent.1"] = False
    back = []
    system.before["enqueue"] = lambda: back.append(asyncio.get_running_loop().time())
    supervise(system, report(("agent.1", FailureKind.AGENT)), load={"rate": 1, "burst": 2})
    assert back == [0, 0, 1, 2]
    assert sorted(system.queue) == [f"task.{number}" for number in range(4)]


def test_a_task_that_ended_while_waiting_is_skipped():
    system = SmallSystem()
    epochs = {}
    for number in range(2):
        system.submit(f"task.{number}")
        epochs[number] = system.start(f"task.{number}", "agent.1")
    system.up["agent.1"] = False

    async def story(supervisor: Supervisor) -> None:
        supervisor.report(failure_of("agent.1", FailureKind.AGENT))
        await asyncio.sleep(1)
        assert system.store.commit("task.1", epochs[1])

    supervise(system, story, load={"rate": 0.5})
    assert system.queue == ["task.0"]
    assert [call for call in system.calls if "task.1" in call] == []


def test_agent_tasks_and_failed_tasks_share_one_limit():
    system = mass_failure(2)
    system.submit("task.9")
    system.start("task.9", "agent.1")
    system.up["agent.1"] = False
    back = []
    system.before["enqueue"] = lambda: back.append(asyncio.get_running_loop().time())
    failures = [("task.0", FailureKind.TASK), ("agent.1", FailureKind.AGENT), ("task.1", FailureKind.TASK)]
    supervise(system, report(*failures), conditions=at_once(), load={"rate": 0.25})
    assert back == [0, 4, 8]


def test_tasks_delayed_by_a_busy_slot_are_not_released_together():
    system = mass_failure(4)
    system.up["agent.1"] = False
    system.pauses["restart"] = 100.0
    failures = [("agent.1", FailureKind.AGENT), *((f"task.{number}", FailureKind.TASK) for number in range(4))]
    supervise(system, report(*failures), conditions=at_once(), load={"rate": 0.5, "burst": 2}, parallel=1)
    assert [at for at, _ in short(system, "step.started retry_task")] == [100, 100, 102, 104]


def test_tasks_delayed_by_a_circuit_breaker_are_not_released_together():
    """The first try fails and opens it for 100 s; what waited meanwhile goes at the pace, the probe first."""
    system = mass_failure(4)
    system.raises["enqueue"] = OSError("no queue")
    condition = {"max_retries": 5, "retry_delay": 0, "breaker": {"failures": 1, "open_for": 100, "counts": "tries"}}

    async def story(supervisor: Supervisor) -> None:
        for number in range(4):
            supervisor.report(failure_of(f"task.{number}"))
        await asyncio.sleep(1)
        del system.raises["enqueue"]

    supervise(system, story, conditions={"task_failure": condition}, load={"rate": 0.5})
    assert [at for at, _ in short(system, "step.started retry_task")] == [0, 100, 102, 104, 106]


def test_delayed_tasks_and_agent_tasks_are_not_released_together():
    """Two agents are restarted, one after the other in the only slot, and the second has a task to give away."""
    system = mass_failure(2)
    system.submit("task.9")
    system.start("task.9", "agent.1")
    system.up.update({"agent.0": False, "agent.1": False})
    system.pauses["restart"] = 100.0
    back = []
    system.before["enqueue"] = lambda: back.append(asyncio.get_running_loop().time())

    async def story(supervisor: Supervisor) -> None:
        supervisor.report(failure_of("agent.0", FailureKind.AGENT))
        await asyncio.sleep(1)
        supervisor.report(failure_of("agent.1", FailureKind.AGENT))
        for number in range(2):
            supervisor.report(failure_of(f"task.{number}"))

    supervise(system, story, conditions=at_once(), load={"rate": 0.5}, parallel=1)
    assert sorted(system.queue) == ["task.0", "task.1", "task.9"]
    assert all(later - earlier >= 2 for earlier, later in pairwise(back))


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_releases_of_one_limiter_pass_an_equal_limiter(rate, burst, gaps):
    """Calls that one token bucket releases pass an equal bucket without waiting."""
    second = TokenBucket(LoadLimit(rate=rate, burst=burst))
    gone = turns(rate, burst, list(accumulate(gaps)))
    assert all(second.take(now) <= ROUNDING for now in gone)


def test_a_stopped_supervisor_leaves_no_waiters():
    system = mass_failure(3)

    async def main() -> None:
        supervisor = Supervisor({"conditions": at_once(), "load": {"rate": 0.01}}, system.ports)
        await supervisor.start()
        for number in range(3):
            supervisor.report(failure_of(f"task.{number}"))
        await asyncio.sleep(1)
        await supervisor.stop()
        await supervisor.settled()

    run(main())
    assert system.queue == ["task.0"]

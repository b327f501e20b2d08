"""Bounded concurrency, and the concurrent takeover of an agent's tasks."""

import asyncio
from functools import partial

import pytest

from recovery.concurrency.bounded_gather import bounded_gather
from recovery.model import FailureKind
from sim.loop import run
from tests.recovery.small_system import SmallSystem
from tests.recovery.supervised import report, short, supervise


def story(most: int | None, failing: tuple[int, ...] = ()) -> list[tuple[float, str]]:
    """Five works of a second each, and what became of them."""
    output = []

    async def work(number: int) -> None:
        output.append((asyncio.get_running_loop().time(), f"{number} begins"))
        await asyncio.sleep(1)
        if number in failing:
            raise ValueError(number)
        output.append((asyncio.get_running_loop().time(), f"{number} ends"))

    run(bounded_gather([partial(work, number) for number in range(5)], most))
    return output


@pytest.mark.parametrize(("most", "ends"), [(1, 5), (2, 3), (4, 2), (5, 1), (None, 1), (100, 1)])
def test_duration_follows_from_the_concurrency_limit(most, ends):
    assert story(most)[-1] == (ends, "4 ends")


def test_calls_start_in_order():
    begun = [(at, words) for at, words in story(2) if "begins" in words]
    assert begun == [(0, "0 begins"), (0, "1 begins"), (1, "2 begins"), (1, "3 begins"), (2, "4 begins")]


@pytest.mark.parametrize("most", [1, 2, None])
def test_a_failed_call_does_not_delay_the_others(most):
    with pytest.raises(ValueError, match="1"):
        story(most, failing=(3, 1))


@pytest.mark.parametrize("most", [1, 2, None])
def test_the_error_is_raised_after_all_calls_have_ended(most):
    done = []

    async def work(number: int) -> None:
        await asyncio.sleep(1)
        if number == 0:
            raise ZeroDivisionError
        done.append(number)

    with pytest.raises(ZeroDivisionError):
        run(bounded_gather([partial(work, number) for number in range(4)], most))
    assert done == [1, 2, 3]


def test_no_calls_take_no_time():
    run(bounded_gather([], 3))


# -------------------------------------------------------------------------------------- the tasks of an agent
def agent_with(tasks: int) -> SmallSystem:
    system = SmallSystem()
    for number in range(tasks):
        system.submit(f"task.{number}", gpu=0)
        system.start(f"task.{number}", "agent.1")
    system.up["agent.1"] = False
    return system


@pytest.mark.parametrize(("parallel", "seconds"), [(1, 6), (3, 2), (None, 1)])
def test_the_tasks_of_an_agent_are_restored_concurrently(parallel, seconds):
    system = agent_with(6)
    system.pauses["release"] = 1.0
    supervise(system, report(("agent.1", FailureKind.AGENT)), parallel=parallel)
    assert short(system, "step.completed reassign") == [(seconds, "step.completed reassign_agent_tasks")]
    assert sorted(system.queue) == [f"task.{number}" for number in range(6)]


def test_only_the_failed_task_is_retried():
    system = agent_with(3)
    broken = {"task.1": 1}

    def release() -> None:
        task_id = system.calls[-1][1]
        if broken.get(task_id, 0):
            broken[task_id] -= 1
            system.raises["release"] = ConnectionError(task_id)
        else:
            system.raises.pop("release", None)

    system.before["release"] = release
    supervise(system, report(("agent.1", FailureKind.AGENT)))
    assert [call[1] for call in system.calls if call[0] == "enqueue"] == ["task.0", "task.2", "task.1"]
    assert [words for _, words in short(system, "recovery.")][-1] == "recovery.verified"


def test_a_task_counts_one_retry_per_incident_despite_repeated_takeovers():
    system = agent_with(1)
    system.raises["release"] = ConnectionError("away")
    conditions = {"agent_failure": {"max_retries": 5, "retry_delay": 10}}

    async def back_at_15(supervisor):
        await report(("agent.1", FailureKind.AGENT))(supervisor)
        await asyncio.sleep(15)
        del system.raises["release"]

    supervise(system, back_at_15, conditions=conditions)
    assert system.queue == ["task.0"]
    assert system.store.retries("task.0", FailureKind.AGENT) == 1

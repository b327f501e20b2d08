"""The core of a run: the real core with the scenario's policies, costs and random streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import sim
from sim.core.build import core_config, jitter, priced
from sim.loop import SimLoop
from sim.randomness.streams import Streams
from tests.sim.world.stories import recorded, scenario

FAILING = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": {"max_retries": 1}}


def test_the_core_is_configured_from_the_scenario() -> None:
    """Every value of the section arrives."""
    made = core_config(
        scenario(
            {
                "recovery.parallel": 5,
                "recovery.detection": {
                    "detector": "perfect",
                    "heartbeat_interval": "7s",
                    "missed_heartbeats": 4,
                    "poll": "2s",
                },
                "recovery.conditions.task_failure": {
                    "max_retries": 6,
                    "retry_delay": "8s",
                    "backoff": "exponential",
                    "multiplier": 3,
                    "max_delay": "90s",
                    "jitter": "full",
                },
                "recovery.conditions.agent_failure": {"max_retries": 2, "retry_delay": "1s"},
            }
        )
    )
    detection, policy = made.detection, made.conditions["task_failure"]
    assert made.parallel == 5
    assert (detection.detector, detection.heartbeat_interval) == ("perfect", 7)
    assert (detection.missed_heartbeats, detection.poll) == (4, 2)
    assert policy is not None
    assert (policy.max_retries, policy.retry_delay, policy.backoff) == (6, 8, "exponential")
    assert (policy.multiplier, policy.max_delay, policy.jitter) == (3, 90, "full")
    assert made.conditions["agent_failure"] is not None
    assert made.conditions["communication_failure"] is None


def test_a_command_waits_for_its_cost_before_it_acts() -> None:
    """Two seconds each time; what has no price is left as it was."""
    loop = SimLoop()
    acted: list[tuple[str, float, int]] = []

    async def command(context: Any, *, number: int) -> bool:
        acted.append(("acted", loop.time(), number))
        return True

    made = priced({"costly": command, "free": command}, {"costly": 2.0})

    async def give() -> list[bool]:
        return [await made[name](None, number=number) for number, name in enumerate(("costly", "free", "costly"))]

    assert loop.run_until_complete(give()) == [True, True, True]
    assert acted == [("acted", 2.0, 0), ("acted", 2.0, 1), ("acted", 4.0, 2)]
    assert made["free"] is command
    assert asyncio.iscoroutinefunction(made["costly"])
    loop.close()


def test_costs_are_paid_one_after_the_other() -> None:
    """Failed at 13 s, retried at 43 s with 1 + 2 + 4 s of commands."""
    costs = {"recovery.costs": {"release_resources": "1s", "restore_checkpoint": "2s", "retry_task": "4s"}}
    run = sim.run(scenario(FAILING | costs))
    assert [(time, detail) for time, _, _, _, detail in recorded(run, "step.completed")] == [
        (44.0, "release_resources"),
        (46.0, "restore_checkpoint"),
        (50.0, "retry_task"),
    ]
    assert [time for time, *_ in recorded(run, "attempt.started")] == [10.0, 50.0]


def test_each_task_has_its_own_random_stream_for_delays() -> None:
    """A number in [0, 1) for each retry of each subject, independent of other draws."""
    draw = jitter(Streams("1/0"))
    numbers = {(task, retry): draw(f"task.{task}", retry) for task in range(20) for retry in (1, 2)}
    assert len(set(numbers.values())) == 40
    assert all(0 <= number < 1 for number in numbers.values())
    assert jitter(Streams("1/0"))("task.7", 2) == numbers[7, 2]
    assert jitter(Streams("2/0"))("task.7", 2) != numbers[7, 2]
    assert draw("agents|queue", 1) == jitter(Streams("1/0"))("agents|queue", 1) != draw("agent.1", 1)


@pytest.mark.parametrize(("kind", "low", "high"), [("full", 0.0, 30.0), ("equal", 15.0, 30.0)])
def test_jitter_spreads_the_delays_of_a_run(kind: str, low: float, high: float) -> None:
    """Fifty tasks that fail together are not retried together."""
    burst = {"tasks.arrivals": {"burst": {"size": 50}}, "tasks.count": None, "agents.count": 50}
    policy = {"recovery.conditions.task_failure": {"max_retries": 1, "jitter": kind}}
    run = sim.run(scenario(burst | FAILING | policy, duration="40s"))
    granted = run.history.loc[run.history["event"] == "retry.granted", "value"]
    assert len(set(granted)) == 50
    assert low <= granted.min() < granted.max() < high

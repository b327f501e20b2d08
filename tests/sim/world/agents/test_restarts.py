"""Restarts of agents: duration, slots and cancellation."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.simulation import Run
from sim.world.world import World
from tests.sim.world.stories import recorded, run_with, scenario

CRASH = {"agent_crash": {"targets": "all", "at": "20s"}}


def story(try_timeout: str | None, agents: int = 1, **values: Any) -> Run:
    condition = {"max_retries": 2, "retry_delay": "0s", "try_timeout": try_timeout}
    changed = {
        "faults": [CRASH],
        "recovery.detection.detector": "perfect",
        "recovery.conditions.agent_failure": condition,
        **values,
    }
    return sim.run(scenario(changed, duration="80s", agents=agents), seed=1)


def up(run: Run) -> list[tuple[float, int]]:
    return [(time, agent) for time, _, _, agent, _ in recorded(run, "agent.restarted")]


def test_a_restart_cut_off_by_the_try_timeout_ends() -> None:
    """Each of three tries gives it four seconds of the ten that it takes; the agent comes up in none of them."""
    run = story("4s", **{"agents.restart_time": "10s"})
    assert up(run) == []
    assert [time for time, *_ in recorded(run, "step.failed")] == [24.0, 28.0, 32.0]


def test_a_restart_within_the_try_timeout_completes() -> None:
    assert up(story("11s", **{"agents.restart_time": "10s"})) == [(30.0, 0)]


@pytest.mark.parametrize(("slots", "at"), [(None, [23.0] * 3), (2, [23.0, 23.0, 26.0]), (1, [23.0, 26.0, 29.0])])
def test_restart_slots_limit_concurrent_restarts(slots: int | None, at: list[float]) -> None:
    run = story(None, agents=3, **{"agents.restart_time": "3s", "agents.restart_slots": slots})
    assert [time for time, _ in up(run)] == at


def test_a_restart_cut_off_while_waiting_takes_no_slot() -> None:
    """At 25 s the second, begun at 23 s, and the third, which waits, are cut off, and at 30 s the third again.
    The slot that is given back at that instant is not for who is cut off as well.
    """
    run = story("5s", agents=3, **{"agents.restart_time": "3s", "agents.restart_slots": 1})
    assert up(run) == [(23.0, 0), (28.0, 1), (33.0, 2)]
    assert run.violations == ()


def test_a_cancelled_waiter_leaves_the_restart_queue() -> None:
    """Three request the one slot, and the second cancels its request: the third follows the first."""

    def look(world: World) -> None:
        ports = world.system.agents
        loop = ports._restarts._loop  # type: ignore[attr-defined]
        asked: list[Any] = []
        for number in range(3):
            loop.call_at(30, lambda name: asked.append(loop.create_task(ports.restart(name))), f"agent.{number}")
        loop.call_at(31, lambda: [task.cancel() for task in asked[1:2]])

    nobody = {"recovery.detection.heartbeat_interval": "1000s", "faults": [CRASH]}
    slots = {"agents.restart_time": "3s", "agents.restart_slots": 1}
    run = run_with(look, scenario(nobody | slots, duration="80s", agents=3))
    assert up(run) == [(33.0, 0), (36.0, 2)]


def test_a_restart_ending_exactly_at_the_timeout_is_in_time() -> None:
    assert up(story("5s", **{"agents.restart_time": "5s"})) == [(25.0, 0)]
    assert up(story("5s", **{"agents.restart_time": "5001ms"})) == []

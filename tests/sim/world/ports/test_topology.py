"""Dependencies in a world, from its history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from recovery.ports import TopologyPort
from sim.loop.callbacks import after
from sim.world.world import World
from tests.sim.world.stories import run_with, scenario

NEEDS_GPU = "resources: {gpu: {units: 3}}\n"


def seen_at(second: float, ask: Callable[[TopologyPort], Awaitable[Sequence[str]]]) -> list[str]:
    """The topology at a time. Four tasks of two GPUs and 100 s each, at 10 s, 20 s, …, on three agents."""
    found: list[str] = []

    async def later(world: World) -> None:
        await asyncio.sleep(second)
        assert world.system.topology is not None
        found.extend(await ask(world.system.topology))

    def look(world: World) -> None:
        world.env.loop.create_task(later(world))  # type: ignore[attr-defined]

    run_with(look, scenario({"tasks.work": "100s", "tasks.needs": {"gpu": 2}}, NEEDS_GPU, count=4, agents=3))
    return found


def test_a_group_expands_to_its_agents() -> None:
    assert seen_at(5, lambda topology: topology.agents_of("agents")) == ["agent.0", "agent.1", "agent.2"]
    assert seen_at(5, lambda topology: topology.agents_of("agent.1")) == ["agent.1"]
    assert seen_at(5, lambda topology: topology.agents_of("queue")) == []


def test_holders_and_waiters_of_a_pool() -> None:
    assert seen_at(35, lambda topology: topology.holders("gpu")) == ["task.0"]
    assert seen_at(35, lambda topology: topology.waiters("gpu")) == ["task.1", "task.2"]
    assert seen_at(35, lambda topology: topology.holders("disk")) == []
    assert seen_at(35, lambda topology: topology.waiters("disk")) == []


def test_queued_tasks_of_a_queue() -> None:
    assert seen_at(45, lambda topology: topology.waiting("queue")) == ["task.3"]
    assert seen_at(35, lambda topology: topology.waiting("queue")) == []
    assert seen_at(45, lambda topology: topology.waiting("another")) == []


def test_a_withdrawn_task_does_not_wait() -> None:
    """It stays in the queue and is skipped later."""
    lines: list[list[str]] = []

    def look(world: World) -> None:
        after(world.env, 45, lambda _: world.queue.withdraw(world.tasks[3], "given_up"))
        after(world.env, 46, lambda _: lines.append([task.name for task in world.queue.waiting]))

    run_with(look, scenario({"tasks.work": "100s"}, count=4, agents=3))
    assert lines == [[]]

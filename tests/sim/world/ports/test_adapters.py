"""What the core sees of the world, and what it can make it do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from recovery.model import AgentHealth, LinkHealth, QueueHealth, ResourceHealth, TaskStatus, TaskView
from recovery.ports import System
from sim.simulation import Run
from sim.world.world import World
from tests.sim.world.stories import recorded, run_with, scenario

PATIENT = {"recovery.detection.heartbeat_interval": "100s"}
POOLS = {"resources": {"gpu": {"units": 4}, "cpu": {"units": 8}}, "tasks.needs": {"gpu": 2}}
Ask = Callable[[System], Awaitable[Any]]


def asked(ask: Ask, at: float = 11.0, more: str = "", **changed: Any) -> tuple[Any, Run]:
    """The result of a port call of the core at an instant, and the run; task 0 runs from 10 to 13 s."""
    answers: list[Any] = []

    async def later(world: World) -> None:
        await asyncio.sleep(at)
        answers.append(await ask(world.system))

    def look(world: World) -> None:
        loop = world.env.loop  # type: ignore[attr-defined]
        loop.create_task(later(world))

    run = run_with(look, scenario(PATIENT | changed, more, agents=2))
    return answers[0], run


def test_a_running_task_is_reported_with_its_agent_and_resources() -> None:
    """Under its first epoch."""
    view, _ = asked(lambda system: system.tasks.inspect("task.0"), **POOLS)
    assert view == TaskView(
        "task.0",
        TaskStatus.RUNNING,
        1,
        agent="agent.0",
        error_code=None,
        waiting_in_queue=True,
        needs={"gpu": 2},
        held={"gpu": 2},
    )


def test_a_finished_task_holds_nothing_and_an_unknown_task_is_not_found() -> None:
    """Seen after 13 s."""
    view, _ = asked(lambda system: system.tasks.inspect("task.0"), at=20, **POOLS)
    assert (view.status, view.agent, view.waiting_in_queue, view.held) == (TaskStatus.COMPLETED, None, False, {})
    assert asked(lambda system: system.tasks.inspect("task.9"))[0] is None


def test_an_agent_has_its_delivered_and_unsettled_tasks() -> None:
    """Until it acknowledges."""
    assert asked(lambda system: system.tasks.tasks_on("agent.0"))[0] == ["task.0"]
    assert asked(lambda system: system.tasks.tasks_on("agent.1"))[0] == []
    assert asked(lambda system: system.tasks.tasks_on("agent.0"), at=14)[0] == []


@pytest.mark.parametrize(
    ("fault", "stopped"),
    [
        ("", True),
        ("faults: [{agent_hang: {targets: agent.0, at: 10500ms}}]\n", False),
        ("faults: [{partition: {between: [agents, core], at: 10500ms}}]\n", False),
        ("faults: [{partition: {between: [agents, queue], at: 10500ms}}]\n", True),
    ],
)
def test_only_attempts_on_reachable_agents_are_stopped(fault: str, stopped: bool) -> None:
    """Not those on a hung agent, nor on one that is cut off from the core."""
    _, run = asked(lambda system: system.tasks.stop_attempts("task.0"), more=fault, **POOLS)
    assert recorded(run, "attempt.interrupted") == ([(11.0, "attempt.interrupted", 0, 0, "stopped")] if stopped else [])
    assert ((11.0, "resource.released", 0, -1, "") in recorded(run, "resource.released")) is stopped


def test_a_queued_task_is_not_queued_twice() -> None:
    """Both agents are busy with the first two; the third waits."""
    burst = {"tasks.arrivals": {"burst": {"size": 3, "at": "10s"}}, "tasks.count": None}
    queued, run = asked(lambda system: system.tasks.enqueue("task.2", "retry"), **burst)
    assert queued is True
    assert [row[0] for row in recorded(run, "queue.entered") if row[2] == 2] == [10.0]
    assert asked(lambda system: system.tasks.enqueue("task.9", "retry"))[0] is False


def test_an_escalated_task_holds_nothing_and_is_not_queued() -> None:
    """Its attempt stops, its units are free, and it is over."""

    async def give_up(system: System) -> Any:
        await system.store.escalate("task.0", "tried enough")
        await system.tasks.give_up("task.0", "tried enough")
        return await system.resources.held("task.0"), await system.tasks.tasks_on("agent.0")

    (held, _), run = asked(give_up, **POOLS)
    assert held == {}
    assert recorded(run, "attempt.", "task.failed") == [
        (10.0, "attempt.started", 0, 0, ""),
        (11.0, "task.failed", 0, -1, "tried enough"),
        (11.0, "attempt.interrupted", 0, 0, "stopped"),
    ]


@pytest.mark.parametrize(
    ("fault", "reachable", "responding"),
    [
        ("", True, True),
        ("faults: [{agent_hang: {targets: agent.0, at: 10500ms}}]\n", True, False),
        ("faults: [{agent_crash: {targets: agent.0, at: 10500ms}}]\n", True, False),
        ("faults: [{partition: {between: [agent.0, core], at: 10500ms}}]\n", False, False),
        ("faults: [{partition: {between: [agent.1, core], at: 10500ms}}]\n", True, True),
    ],
)
def test_agent_health_is_the_result_of_a_probe(fault: str, reachable: bool, responding: bool) -> None:
    """A lost probe gives no information about the agent."""
    health, _ = asked(lambda system: system.agents.health("agent.0"), more=fault)
    assert health == AgentHealth("agent.0", reachable, responding)


def test_an_unreachable_agent_cannot_be_restarted() -> None:
    """It continues unaffected."""
    cut = "faults: [{partition: {between: [agent.0, core], at: 10500ms}}]\n"
    restarted, run = asked(lambda system: system.agents.restart("agent.0"), more=cut)
    assert restarted is False
    assert recorded(run, "agent.stopped", "agent.restarted") == []


def test_a_restart_stops_the_agent_and_takes_its_time() -> None:
    """Stopped at 11 s, up at 16 s."""
    restarted, run = asked(lambda system: system.agents.restart("agent.0"), **{"agents.restart_time": "5s"})
    assert restarted is True
    assert recorded(run, "agent.stopped", "attempt.interrupted", "agent.restarted")[:3] == [
        (11.0, "agent.stopped", -1, 0, ""),
        (11.0, "attempt.interrupted", 0, 0, "agent_restart"),
        (16.0, "agent.restarted", -1, 0, ""),
    ]


def test_pool_health_and_metrics_cover_the_requested_pools() -> None:
    """All of them when none is named."""
    gpu, cpu = ResourceHealth("gpu", 4, 4, 2), ResourceHealth("cpu", 8, 8, 8)
    assert asked(lambda system: system.resources.health(()), **POOLS)[0] == [gpu, cpu]
    assert asked(lambda system: system.resources.health(("cpu",)), **POOLS)[0] == [cpu]
    assert asked(lambda system: system.resources.metrics((), 60.0), **POOLS)[0] == {"gpu": 1.0, "cpu": 1.0}
    assert asked(lambda system: system.resources.metrics(("cpu",), 60.0), **POOLS)[0] == {"cpu": 1.0}


def test_nothing_is_allocated_for_a_finished_task() -> None:
    """No recovery would release it."""
    assert asked(lambda system: system.resources.allocate("task.0", {"gpu": 2}), at=20, **POOLS)[0] is None
    assert asked(lambda system: system.resources.allocate("task.0", {"gpu": 2}), **POOLS)[0] == {"gpu": 2}
    assert asked(lambda system: system.resources.allocate("task.0", {"gpu": 3}), **POOLS)[0] is None


def test_an_unused_allocation_is_released() -> None:
    """The task is done without it."""
    _, run = asked(lambda system: system.resources.allocate("task.0", {"gpu": 2}), **POOLS)
    assert [(time, event) for time, event, *_ in recorded(run, "resource.")] == [
        (10.0, "resource.allocated"),
        (11.0, "resource.allocated"),
        (13.0, "resource.released"),
        (13.0, "resource.released"),
    ]


def test_queue_health_covers_the_requested_queues() -> None:
    """There is one, and its name is queue."""
    cut = "faults: [{partition: {between: [agents, queue], at: 9s}}]\n"
    burst = {"tasks.arrivals": {"interval": {"every": "3600ms"}}, "tasks.count": 3}
    health = asked(lambda system: system.queues.health(()), at=12, more=cut, **burst)[0]
    assert health == [QueueHealth("queue", True, 1, 1, disconnected=("agents",), undelivered_by={"agents": 1})]
    assert asked(lambda system: system.queues.health(("queue",)), at=12, more=cut, **burst)[0] == health
    assert asked(lambda system: system.queues.health(("other",)))[0] == []
    assert asked(lambda system: system.queues.replay(("other",), 0.0), at=12, more=cut, **burst)[0] == 0


def test_connections_are_probed_pairwise() -> None:
    """Of three endpoints there are three pairs, of which one is cut."""
    cut = "faults: [{partition: {between: [agent.1, queue], at: 10500ms}}]\n"
    found, _ = asked(lambda system: system.network.status(("agent.0", "agent.1", "queue")), more=cut)
    assert found == [
        LinkHealth(("agent.0", "agent.1"), connected=True),
        LinkHealth(("agent.0", "queue"), connected=True),
        LinkHealth(("agent.1", "queue"), connected=False),
    ]


def test_a_reset_takes_as_long_as_the_longest_partition() -> None:
    """Two of all agents that overlap, and one of an agent, which does not delay the reset of the others."""

    async def reset(system: System, of: str) -> float:
        await system.network.reset((of, "queue"))
        return asyncio.get_running_loop().time()

    cuts = (
        "faults: [{partition: {between: [agents, queue], at: 5s, for: 10s}},"
        " {partition: {between: [agents, queue], at: 6s, for: 20s}},"
        " {partition: {between: [agent.1, queue], at: 7s, for: 25s}}]\n"
    )
    assert asked(lambda system: reset(system, "agents"), at=8, more=cuts)[0] == 26.0
    assert asked(lambda system: reset(system, "agent.1"), at=8, more=cuts)[0] == 32.0


def test_logs_are_searched_by_path_pattern_and_age() -> None:
    """A failed task leaves a line."""
    failing = {"tasks.failure_probability": 1.0}

    def search(path: str, pattern: str, timeframe: float) -> Any:
        return asked(lambda system: system.logs.search(path, pattern, timeframe), at=20, **failing)[0]

    assert search("/var/log/tasks/", "ERROR.*task.0", 60) == ["ERROR execution_error task.0"]
    assert search("/var/log/agents/", "ERROR.*task.0", 60) == []
    assert search("/var/log/tasks/", "ERROR.*task.1", 60) == []
    assert search("/var/log/tasks/", "ERROR.*task.0", 5) == []

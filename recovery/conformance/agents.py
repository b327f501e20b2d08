"""Checks of an `AgentPort`: health probes and restarts."""

from __future__ import annotations

import asyncio

from recovery.conformance.check import Check, Checks, Rig, expect
from recovery.model import Failure, FailureKind, TaskStatus
from recovery.ports import System
from recovery.supervision.supervisor import Supervisor

_check = Checks("AgentPort")


async def _state(system: System, agent: str) -> tuple[bool, bool]:
    health = await system.agents.health(agent)
    return health.reachable, health.responding


@_check
async def _up(rig: Rig) -> None:
    """An agent that is up responds."""
    for agent in rig.agents:
        expect(f"whether {agent} is reachable and responds", await _state(rig.system, agent), (True, True))


@_check
async def _down(rig: Rig) -> None:
    """An agent that is down does not respond, and the others do."""
    lost, *others = rig.agents
    await rig.lose(lost)
    expect(f"whether {lost} responds", (await _state(rig.system, lost))[1], False)
    for agent in others:
        expect(f"whether {agent} responds", (await _state(rig.system, agent))[1], True)


@_check
async def _restarted(rig: Rig) -> None:
    """An agent is up when its restart returns, and may be restarted again."""
    lost = rig.agents[0]
    await rig.lose(lost)
    for _ in range(2):
        expect("restart", await rig.system.agents.restart(lost), True)
        expect(f"whether {lost} responds", (await _state(rig.system, lost))[1], True)


@_check
async def _recovered(rig: Rig) -> None:
    """The core recovers an agent that is down: the agent is up again, and its task is queued."""
    lost = rig.agents[0]
    await rig.submit("task.1", {})
    late = await rig.begin("task.1", lost)
    await rig.lose(lost)
    supervisor = Supervisor({}, rig.system)
    await supervisor.start()
    try:
        supervisor.report(Failure(FailureKind.AGENT, lost, asyncio.get_running_loop().time()))
        await supervisor.settled()
    finally:
        await supervisor.stop()
    expect("the number of escalations", len(supervisor.escalations), 0)
    expect(f"whether {lost} responds", (await _state(rig.system, lost))[1], True)
    expect("the status of its task", await rig.system.store.status("task.1"), TaskStatus.QUEUED)
    epoch = await rig.begin("task.1", rig.agents[-1])
    expect("a commit of the lost attempt", await rig.system.store.commit("task.1", late), False)
    expect("a commit of the next one", await rig.system.store.commit("task.1", epoch), True)


OF_AGENTS: tuple[Check, ...] = tuple(_check.all)

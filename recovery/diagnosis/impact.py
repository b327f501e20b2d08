"""The impact of a failure: what it affects directly and downstream, as far as the ports report it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from recovery.model import Failure, FailureKind, Impact
from recovery.ports import System, TopologyPort


async def impact_of(failure: Failure, system: System) -> Impact:
    """The impact of a failure.

    Of a task: the task, its agent and its pools; downstream the tasks that wait for units that it holds and, if one of
    its pools has units out of service, all tasks that hold or await units of that pool. Of an agent: the agent and its
    tasks; downstream the pools of which they hold units, and the tasks that wait for those. Of a connection: its agents
    and its queues; downstream the tasks on these agents, and those that wait in a queue that is blocked for
    it.
    """
    if failure.kind is FailureKind.AGENT:
        return await _of_agent(failure.subject, system)
    if failure.kind is FailureKind.COMMUNICATION:
        return await _of_link(failure, system)
    return await _of_task(failure, system)


async def _of_task(failure: Failure, system: System) -> Impact:
    task_id, agent_id = failure.subject, failure.info.get("agent_id")
    named = tuple(failure.info.get("resource_ids", ()))
    tasks: list[str] = []
    topology = system.topology
    if topology is not None:
        held = await system.resources.held(task_id)
        for pool in await system.resources.health(named) if named else ():
            if not pool.healthy:
                tasks += await topology.holders(pool.name)
            if not pool.healthy or held.get(pool.name, 0):
                tasks += await topology.waiters(pool.name)
    return Impact(
        tasks=(task_id,),
        agents=() if agent_id is None else (agent_id,),
        resources=named,
        downstream=_downstream(tasks=_others(tasks, (task_id,))),
    )


async def _of_agent(agent_id: str, system: System) -> Impact:
    tasks = tuple(await system.tasks.tasks_on(agent_id))
    if not tasks:
        return Impact(agents=(agent_id,))
    pools: list[str] = []
    for task_id in tasks:
        pools += [pool for pool, units in (await system.resources.held(task_id)).items() if units]
    pools = list(dict.fromkeys(pools))
    waiting = await _each(pools, system.topology, lambda topology, pool: topology.waiters(pool))
    return Impact(
        tasks=tasks,
        agents=(agent_id,),
        downstream=_downstream(tasks=_others(waiting, tasks), resources=tuple(pools)),
    )


async def _of_link(failure: Failure, system: System) -> Impact:
    queue_ids, endpoints = tuple(failure.info.get("queue_ids", ())), tuple(failure.info.get("endpoints", ()))
    agents = await _each(endpoints, system.topology, lambda topology, end: topology.agents_of(end))
    tasks: list[str] = []
    for agent_id in agents:
        tasks += await system.tasks.tasks_on(agent_id)
    blocked = [
        queue.queue_id for queue in await system.queues.health(queue_ids) if queue.of_endpoints(endpoints).blocked
    ]
    tasks += await _each(blocked, system.topology, lambda topology, queue: topology.waiting(queue))
    return Impact(agents=tuple(agents), queues=queue_ids, downstream=_downstream(tasks=_others(tasks, ())))


async def _each(
    names: Iterable[str],
    topology: TopologyPort | None,
    ask: Callable[[TopologyPort, str], Awaitable[Sequence[str]]],
) -> list[str]:
    """The results for all names, without duplicates, in order; nothing without a topology."""
    found: list[str] = []
    for name in names if topology is not None else ():
        assert topology is not None
        found += await ask(topology, name)
    return list(dict.fromkeys(found))


def _others(tasks: Iterable[str], direct: Sequence[str]) -> tuple[str, ...]:
    return tuple(task_id for task_id in dict.fromkeys(tasks) if task_id not in direct)


def _downstream(tasks: tuple[str, ...] = (), resources: tuple[str, ...] = ()) -> Impact | None:
    return Impact(tasks=tasks, resources=resources) if tasks or resources else None

"""What a `ResourcePort` promises, and the ports beside it: all or nothing, given back once, and no unit twice."""

from __future__ import annotations

from recovery.conformance.check import Check, Checks, Rig, expect

_check = Checks("ResourcePort")
_beside = Checks("QueuePort, NetworkPort, LogPort")


@_check
async def _free(rig: Rig) -> None:
    """Pools that are whole are healthy, all of their units are free, and those that are not asked for are left out."""
    found = {pool.name: (pool.units, pool.free, pool.healthy) for pool in await rig.system.resources.health(())}
    expect("the pools", found, {name: (units, units, True) for name, units in rig.pools.items()})
    for name in rig.pools:
        asked = await rig.system.resources.health((name,))
        expect(f"what is asked of {name}", [pool.name for pool in asked], [name])
    expect("what a task needs that nobody knows", dict(await rig.system.resources.requirements("task.9")), {})


@_check
async def _held(rig: Rig) -> None:
    """A task holds what it needs while it runs; what is released is free again, and is given back once."""
    resources = rig.system.resources
    await rig.submit("task.1", rig.pools)
    expect("what it needs", dict(await resources.requirements("task.1")), dict(rig.pools))
    await rig.begin("task.1", rig.agents[0])
    expect("what it holds", dict(await resources.held("task.1")), dict(rig.pools))
    expect("what is free", [pool.free for pool in await resources.health(())], [0] * len(rig.pools))
    expect("what is released", dict(await resources.release("task.1")), dict(rig.pools))
    expect("what is released the second time", dict(await resources.release("task.1")), {})
    expect("what is free then", [pool.free for pool in await resources.health(())], list(rig.pools.values()))


@_check
async def _allocated(rig: Rig) -> None:
    """All that is asked for is allocated, or nothing is."""
    resources = rig.system.resources
    for task in ("task.1", "task.2"):
        await rig.submit(task, {})
    too_many = {name: units + 1 for name, units in rig.pools.items()}
    if rig.pools:
        expect("an allocation of more than there is", await resources.allocate("task.1", too_many), None)
        expect("what is held then", dict(await resources.held("task.1")), {})
    expect("an allocation", dict(await resources.allocate("task.1", rig.pools) or {}), dict(rig.pools))
    expect("what is held", dict(await resources.held("task.1")), dict(rig.pools))
    if rig.pools:
        one = dict.fromkeys(rig.pools, 1)
        expect("an allocation of what is held by another", await resources.allocate("task.2", one), None)
    await resources.release("task.1")


@_beside
async def _queues(rig: Rig) -> None:
    """Queues that work are not blocked, and replaying what was delivered sends nothing."""
    queues = await rig.system.queues.health(())
    expect("what is blocked", [queue.queue_id for queue in queues if queue.blocked], [])
    expect("what is replayed", await rig.system.queues.replay([queue.queue_id for queue in queues], 0.0), 0)


@_beside
async def _network(rig: Rig) -> None:
    """Endpoints that can reach each other are connected, and stay so when they are reconnected."""
    endpoints = ("core", rig.agents[0])
    expect("a reset", await rig.system.network.reset(endpoints), True)
    links = await rig.system.network.status(endpoints)
    expect("what is not connected", [link.between for link in links if not link.connected], [])


@_beside
async def _logs(rig: Rig) -> None:
    """Where nothing was written nothing is found."""
    found = await rig.system.logs.search("/var/log/tasks/", r"ERROR.*task\.9\.of\.nobody", 60.0)
    expect("what is found", list(found), [])


OF_RESOURCES: tuple[Check, ...] = (*_check.all, *_beside.all)

"""Checks of a `ResourcePort`, and of the ports for queues, networks and logs."""

from __future__ import annotations

from recovery.conformance.check import Check, Checks, Rig, expect

_check = Checks("ResourcePort")
_beside = Checks("QueuePort, NetworkPort, LogPort")


@_check
async def _free(rig: Rig) -> None:
    """Pools in service are healthy, all of their units are free, and a probe returns only the requested pools."""
    found = {pool.name: (pool.units, pool.free, pool.healthy) for pool in await rig.system.resources.health(())}
    expect("the pools", found, {name: (units, units, True) for name, units in rig.pools.items()})
    for name in rig.pools:
        asked = await rig.system.resources.health((name,))
        expect(f"the pools of a probe of {name}", [pool.name for pool in asked], [name])
    expect("the needs of an unknown task", dict(await rig.system.resources.requirements("task.9")), {})


@_check
async def _held(rig: Rig) -> None:
    """A task holds what it needs while it runs; released units are free again, and are released once."""
    resources = rig.system.resources
    await rig.submit("task.1", rig.pools)
    expect("its needs", dict(await resources.requirements("task.1")), dict(rig.pools))
    await rig.begin("task.1", rig.agents[0])
    expect("its allocation", dict(await resources.held("task.1")), dict(rig.pools))
    expect("the free units", [pool.free for pool in await resources.health(())], [0] * len(rig.pools))
    expect("the released units", dict(await resources.release("task.1")), dict(rig.pools))
    expect("the units of a second release", dict(await resources.release("task.1")), {})
    expect(
        "the free units after the release", [pool.free for pool in await resources.health(())], list(rig.pools.values())
    )


@_check
async def _allocated(rig: Rig) -> None:
    """An allocation is complete, or nothing is allocated."""
    resources = rig.system.resources
    for task in ("task.1", "task.2"):
        await rig.submit(task, {})
    too_many = {name: units + 1 for name, units in rig.pools.items()}
    if rig.pools:
        expect("an allocation of too many units", await resources.allocate("task.1", too_many), None)
        expect("the held units after it", dict(await resources.held("task.1")), {})
    expect("an allocation", dict(await resources.allocate("task.1", rig.pools) or {}), dict(rig.pools))
    expect("the held units", dict(await resources.held("task.1")), dict(rig.pools))
    if rig.pools:
        one = dict.fromkeys(rig.pools, 1)
        expect("an allocation of units that another task holds", await resources.allocate("task.2", one), None)
    await resources.release("task.1")


@_beside
async def _queues(rig: Rig) -> None:
    """Healthy queues are not blocked, and a replay sends no delivered message."""
    queues = await rig.system.queues.health(())
    expect("the blocked queues", [queue.queue_id for queue in queues if queue.blocked], [])
    expect(
        "the number of replayed messages", await rig.system.queues.replay([queue.queue_id for queue in queues], 0.0), 0
    )


@_beside
async def _network(rig: Rig) -> None:
    """Endpoints that reach each other are connected, also after a reset."""
    endpoints = ("core", rig.agents[0])
    expect("a reset", await rig.system.network.reset(endpoints), True)
    links = await rig.system.network.status(endpoints)
    expect("the broken connections", [link.between for link in links if not link.connected], [])


@_beside
async def _logs(rig: Rig) -> None:
    """A search without matching lines finds nothing."""
    found = await rig.system.logs.search("/var/log/tasks/", r"ERROR.*task\.9\.of\.nobody", 60.0)
    expect("the lines", list(found), [])


OF_RESOURCES: tuple[Check, ...] = (*_check.all, *_beside.all)

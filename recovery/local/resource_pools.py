"""Resource pools in the store: units in service, and allocations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from recovery.model import ResourceHealth
from recovery.stores.tables import ALLOCATIONS, POOLS

_TASK = ALLOCATIONS.c.task_id == bindparam("task")
_HELD = select(ALLOCATIONS.c.pool, ALLOCATIONS.c.units).where(_TASK)
_ALLOCATED = select(ALLOCATIONS.c.pool, func.sum(ALLOCATIONS.c.units)).group_by(ALLOCATIONS.c.pool)
_POOLS = select(POOLS).order_by(POOLS.c.name)
_IN_SERVICE = update(POOLS).where(POOLS.c.name == bindparam("pool"))


def set_pool(connection: Connection, name: str, units: int) -> None:
    """Create a pool, or set its units, all in service."""
    values = {"units": units, "available": units}
    if connection.execute(_IN_SERVICE.values(**values), {"pool": name}).rowcount == 0:
        connection.execute(insert(POOLS).values(name=name, **values))


def put_in_service(connection: Connection, name: str, units: int) -> None:
    """Set the units of a pool that are in service. Allocations remain. Raises KeyError, ValueError."""
    found = next((pool for pool in health(connection) if pool.name == name), None)
    if found is None:
        raise KeyError(name)
    if not 0 <= units <= found.units:
        raise ValueError(f"{name}: has {found.units} units; valid: 0 to {found.units} in service")
    connection.execute(_IN_SERVICE.values(available=units), {"pool": name})


def health(connection: Connection, names: Sequence[str] = (), *, lock: bool = False) -> list[ResourceHealth]:
    """These pools, or all. With `lock`, no other transaction allocates until this one ends."""
    pools = connection.execute(_POOLS.with_for_update() if lock else _POOLS).all()
    allocated = {name: int(units) for name, units in connection.execute(_ALLOCATED)}
    return [
        ResourceHealth(name, units, available, max(0, available - allocated.get(name, 0)))
        for name, units, available in pools
        if not names or name in names
    ]


def held(connection: Connection, task_id: str) -> dict[str, int]:
    """The units by pool that a task holds."""
    rows = connection.execute(_HELD, {"task": task_id}).all()
    return {row.pool: row.units for row in rows}


def release(connection: Connection, task_id: str) -> dict[str, int]:
    """Release all resources of a task, and return them."""
    released = held(connection, task_id)
    if released:
        connection.execute(delete(ALLOCATIONS).where(_TASK), {"task": task_id})
    return released


def allocate(connection: Connection, task_id: str, needs: Mapping[str, int]) -> bool:
    """Replace the allocation of a task. False: the units are not free, and nothing has changed."""
    wanted = {pool: units for pool, units in needs.items() if units}
    mine = held(connection, task_id)
    if wanted == mine:
        return True
    free = {pool.name: pool.free for pool in health(connection, lock=True)}
    if any(free.get(pool, 0) + mine.get(pool, 0) < units for pool, units in wanted.items()):
        return False
    release(connection, task_id)
    if wanted:
        rows = [{"task_id": task_id, "pool": pool, "units": units} for pool, units in wanted.items()]
        connection.execute(insert(ALLOCATIONS), rows)
    return True

"""Leases in a database, and the check that refuses writes without the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import Connection, insert, select, update

from recovery.leadership import Deposed, Lease
from recovery.stores.database import Writable
from recovery.stores.tables import LEASES


class SqlLeases:
    """Implements `recovery.leadership.Leases`."""

    def __init__(self, database: Writable) -> None:
        self._database = database

    async def look(self, name: str) -> Lease | None:
        """The present lease; None if there has been none."""
        return await asyncio.to_thread(self._database.read, lambda connection: _found(connection, name))

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Replace the lease if it is still `seen`."""

        def work(connection: Connection) -> bool:
            if _found(connection, to.name, lock=True) != seen:
                return False
            values = {"holder": to.holder, "epoch": to.epoch, "renewals": to.renewals}
            if seen is None:
                connection.execute(insert(LEASES).values(name=to.name, **values))
            else:
                connection.execute(update(LEASES).where(LEASES.c.name == to.name).values(**values))
            return True

        return await asyncio.to_thread(self._database.write, work)


def only_with(lease: Lease) -> Callable[[Connection], None]:
    """A check for `Database.guarded` that raises `Deposed` if the lease has another epoch."""

    def check(connection: Connection) -> None:
        found = _found(connection, lease.name, lock=True)
        if found is None or found.epoch != lease.epoch:
            holder = "no core" if found is None else found.holder or "no core"
            raise Deposed(f"{lease.holder} has lost the lease {lease.name!r}, which {holder} holds")

    return check


def _found(connection: Connection, name: str, *, lock: bool = False) -> Lease | None:
    asked = select(LEASES.c.name, LEASES.c.holder, LEASES.c.epoch, LEASES.c.renewals).where(LEASES.c.name == name)
    row = connection.execute(asked.with_for_update() if lock else asked).one_or_none()
    return None if row is None else Lease(*row)

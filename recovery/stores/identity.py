"""The identity of a store: a random number that it has from its creation. A copy of its file has the same one."""

from __future__ import annotations

from sqlalchemy import Connection, select

from recovery.stores.errors import StoreError
from recovery.stores.tables import IDENTITY, META


def store_identity(connection: Connection) -> str:
    """The identity of a store. Raises StoreError if it was removed."""
    found = connection.execute(select(META.c.value).where(META.c.name == IDENTITY)).scalar_one_or_none()
    if not found:
        raise StoreError("the identity of the store is missing: it is damaged; valid: a copy from before")
    return str(found)

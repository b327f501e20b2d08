"""The configuration of a local system in its store, for manual recovery."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select, update

from recovery.local.config import LocalConfig
from recovery.stores.database import Writable
from recovery.stores.errors import StoreError
from recovery.stores.tables import META

_NAME = "local"


def keep_config(connection: Connection, config: LocalConfig) -> None:
    """Store the configuration, and replace an earlier one."""
    text = config.model_dump_json()
    if connection.execute(update(META).where(META.c.name == _NAME).values(value=text)).rowcount == 0:
        connection.execute(insert(META).values(name=_NAME, value=text))


_SYSTEMS = "systems"


def systems(connection: Connection) -> int:
    """The number of systems that were started on this store."""
    asked = select(META.c.value).where(META.c.name == _SYSTEMS).with_for_update()
    found = connection.execute(asked).scalar_one_or_none()
    return 0 if found is None else int(found)


def count_system(connection: Connection) -> None:
    """Increase the number of systems."""
    count = systems(connection) + 1
    if count == 1:
        connection.execute(insert(META).values(name=_SYSTEMS, value="1"))
    else:
        connection.execute(update(META).where(META.c.name == _SYSTEMS).values(value=str(count)))


def config_of(database: Writable) -> LocalConfig:
    """The stored configuration; the defaults if there has been no system. Raises StoreError."""
    asked = select(META.c.value).where(META.c.name == _NAME)
    text = database.read(lambda connection: connection.execute(asked).scalar_one_or_none())
    try:
        return LocalConfig() if text is None else LocalConfig.model_validate_json(text)
    except ValidationError:
        raise StoreError(f"{database.place}: the configuration of its system is damaged") from None

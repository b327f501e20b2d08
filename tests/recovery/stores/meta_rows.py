"""Rows of a store's META table, the simplest ones to write."""

from sqlalchemy import insert, select

from recovery.stores.tables import META


def adds(name):
    return lambda connection: connection.execute(insert(META).values(name=name, value="x")) and name


def names(database):
    return database.read(
        lambda connection: list(
            connection.execute(select(META.c.name).where(META.c.name != "store").order_by(META.c.name)).scalars()
        )
    )

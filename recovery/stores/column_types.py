"""Checks that the values of a SQLite store have the types of their columns, which SQLite does not enforce.

The audit trail, the journal and the escalations report damaged rows themselves, by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from sqlalchemy import Column, ColumnElement, Connection, Float, Integer, LargeBinary, Table, false, func, or_, select
from sqlalchemy.dialects import sqlite

from recovery.model import TaskStatus
from recovery.stores.tables import AUDIT, ESCALATIONS, JOURNAL, META, METADATA, TASKS

_REPORTED = (META, AUDIT, JOURNAL, ESCALATIONS)


def wrong_values(connection: Connection) -> str | None:
    """The first table and column with a value of a wrong type; None: there is none, or the database enforces them."""
    if connection.dialect.name != "sqlite":
        return None
    for table in METADATA.sorted_tables:
        if table in _REPORTED or not connection.dialect.has_table(connection, table.name):
            continue
        row = connection.exec_driver_sql(_query(table)).one_or_none()
        if row is not None:
            return (
                f"{table.name}.{next(column.name for column, wrong in zip(table.columns, row, strict=True) if wrong)}"
            )
    return None


@cache
def _query(table: Table) -> str:
    """Selects a row with a wrong value: of each column, whether it is wrong. Compiled once, not with each store."""
    conditions = [is_wrong for _, is_wrong in _wrong(table)]
    statement = select(*conditions).where(or_(*conditions)).limit(1)
    return str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))


def _wrong(table: Table) -> Iterator[tuple[Column[object], ColumnElement[bool]]]:
    """Each column, and the condition that a row has no valid value of it."""
    for column in table.columns:
        yield column, func.typeof(column).not_in(_types(column)) | _unknown(column)


def _unknown(column: Column[object]) -> ColumnElement[bool]:
    return column.not_in([status.value for status in TaskStatus]) if column is TASKS.c.status else false()


def _types(column: Column[object]) -> list[str]:
    """SQLite's names of the types that a column may have."""
    if isinstance(column.type, Integer):
        allowed = ["integer"]
    elif isinstance(column.type, Float):
        allowed = ["real", "integer"]
    else:
        allowed = ["blob" if isinstance(column.type, LargeBinary) else "text"]
    return [*allowed, "null"] if column.nullable else allowed

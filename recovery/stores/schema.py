"""The tables of a store, and which version of them this program writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

VERSION = 1
METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # the only type that SQLite numbers rows with by itself

META = Table("meta", METADATA, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))
TASKS = Table(
    "tasks",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("halted", _NUMBER),  # when it was, in an order of its own; null: it is not
    Column("sequence", Integer, nullable=False, default=0),  # of its last checkpoint
    Column("restore", Integer),  # sequence of the checkpoint that the next attempt starts from
    Index("tasks_halted", "halted"),
)
RETRIES = Table(
    "retries",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
)
CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("progress", Float(53), nullable=False),
    Column("checksum", BigInteger, nullable=False),
    Column("state", Text),  # JSON; null: none
)
JOURNAL = Table(
    "journal",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("incident", LargeBinary, nullable=False),  # JSON
)
ESCALATIONS = Table(
    "escalations",
    METADATA,
    Column("place", _NUMBER, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False, unique=True),
    Column("escalation", LargeBinary, nullable=False),  # JSON
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", Float(53), nullable=False),
    Column("event", String(64), nullable=False),
    Column("incident", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("value", Float(53)),
    Column("text", Text, nullable=False),
    Column("sha256", String(64), nullable=False),  # of the line before, and of this one
)
LEASES = Table(
    "leases",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("holder", Text, nullable=False),  # empty: it was given up
    Column("epoch", Integer, nullable=False),
    Column("renewals", Integer, nullable=False),
)

MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {}
"""What makes a store of this version one of the next."""


class NewerSchema(Exception):
    """A store was made by a later version of this program."""


def prepare(connection: Connection) -> None:
    """Make the tables, or bring them to this version. Raises NewerSchema."""
    if not inspect(connection).has_table(META.name):
        METADATA.create_all(connection)
        connection.execute(insert(META).values(name="version", value=str(VERSION)))
        return
    found = int(connection.execute(select(META.c.value).where(META.c.name == "version")).scalar_one())
    if found > VERSION:
        raise NewerSchema(f"has version {found} of the tables, and this program knows those up to {VERSION}")
    for version in range(found, VERSION):
        MIGRATIONS[version](connection)
    connection.execute(update(META).where(META.c.name == "version").values(value=str(VERSION)))

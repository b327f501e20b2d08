"""The tables of a store, their version, and the migrations from earlier versions."""

from __future__ import annotations

import json
import re
import secrets  # noqa: TID251 - the identities of two stores differ
from collections.abc import Callable, Mapping
from dataclasses import fields

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

from recovery.errors import RecoveryBenchError
from recovery.model import IncidentFacts

VERSION = 5
METADATA = MetaData()
IDENTITY = "store"
"""The name under which the identity of a store is stored."""
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite generates numbers for this type only

META = Table("meta", METADATA, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))
TASKS = Table(
    "tasks",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("fence", Integer, nullable=False, default=0),
    Column("halted", _NUMBER),  # the order in which tasks were halted; null: not halted
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
POLICIES = Table(
    "policies",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),  # JSON
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
    Column("holder", Text, nullable=False),  # empty: released
    Column("epoch", Integer, nullable=False),
    Column("renewals", Integer, nullable=False),
)

WORK = Table(
    "work",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("payload", Text, nullable=False),  # JSON
    Column("needs", Text, nullable=False),  # JSON: units by pool
    Column("place", _NUMBER),  # in the queue; null: not queued
    Column("agent", Text),  # that executes it
    Column("error_code", Text),  # of its last attempt
    Index("work_place", "place"),
    Index("work_agent", "agent"),
)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("effect", Text, nullable=False),  # JSON
)
AGENTS = Table(
    "agents",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("incarnation", Integer, nullable=False),  # higher for each process with this name
    Column("pid", Integer, nullable=False),
    Column("beats", Integer, nullable=False),
    Column("progress", Text, nullable=False),  # JSON: progress by task
)
POOLS = Table(
    "pools",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("units", Integer, nullable=False),
    Column("available", Integer, nullable=False),  # in service
)
ALLOCATIONS = Table(
    "allocations",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("pool", Text, primary_key=True),
    Column("units", Integer, nullable=False),
)
LOGS = Table(
    "logs",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),  # s since the epoch
    Column("path", Text, nullable=False),
    Column("line", Text, nullable=False),
)


def _local(connection: Connection) -> None:
    """Version 2 has the tables of a local system: work, effects, agents, pools and logs."""
    METADATA.create_all(connection, [WORK, EFFECTS, AGENTS, POOLS, ALLOCATIONS, LOGS])


def _facts(connection: Connection) -> None:
    """Version 3 has typed facts of a recovery; version 2 stored them in a mapping, `context`, with other values."""
    for number, text in connection.execute(select(JOURNAL)).all():
        try:
            incident = json.loads(text)
        except ValueError:  # a damaged row remains as it is, and is reported when it is read
            continue
        if not isinstance(incident, dict) or not isinstance(incident.get("context", {}), dict):
            continue
        context = incident.pop("context", {})
        context |= {name: list(context.get(name, ())) for name in ("reassigned", "given_up")}
        context["agent_responded"] = context.pop("left_in_peace", False)
        incident["facts"] = {name: context[name] for name in _FACTS if name in context}
        changed = update(JOURNAL).where(JOURNAL.c.number == number)
        connection.execute(changed.values(incident=json.dumps(incident).encode()))


def _identity(connection: Connection) -> None:
    """Version 4 has an identity: tokens of operators and plans are for one store."""
    if connection.execute(select(META.c.name).where(META.c.name == IDENTITY)).scalar_one_or_none() is None:
        connection.execute(insert(META).values(name=IDENTITY, value=secrets.token_hex(16)))


def _policies(connection: Connection) -> None:
    """Version 5 has the states of policies. Those of an earlier version were in memory only."""
    METADATA.create_all(connection, [POLICIES])


_FACTS = tuple(field.name for field in fields(IncidentFacts))
MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {1: _local, 2: _facts, 3: _identity, 4: _policies}
"""By version, the function that makes a store of it one of the next."""


class WrongSchema(RecoveryBenchError):
    """The store has a later version of the tables, or none that can be read."""


def prepare(connection: Connection) -> bool:
    """Create the tables, or migrate them to this version; whether they are new. Raises WrongSchema."""
    if not inspect(connection).has_table(META.name):
        METADATA.create_all(connection)
        connection.execute(insert(META).values(name="version", value=str(VERSION)))
        _identity(connection)
        return True
    text = connection.execute(select(META.c.value).where(META.c.name == "version")).scalar_one_or_none()
    if re.fullmatch(r"[1-9]\d{0,8}", str(text)) is None:
        raise WrongSchema(f"is damaged: the version of its tables is {str(text)[:20]!r}; valid: a copy from before")
    found = int(str(text))
    if found > VERSION:
        raise WrongSchema(
            f"has version {found} of the tables, and this program supports those up to {VERSION}; valid: a later "
            "version of this program"
        )
    for version in range(found, VERSION):
        MIGRATIONS[version](connection)
    if found < VERSION:
        connection.execute(update(META).where(META.c.name == "version").values(value=str(VERSION)))
    return False

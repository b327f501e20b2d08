"""The registry of agents in the store: names, incarnations and heartbeats.

Each process with a name has a higher incarnation than the last. A process that was replaced notices that with its next
heartbeat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from recovery.stores.stored_json import read_json
from recovery.stores.tables import AGENTS

NO_PROCESS = 0
"""The process id of a name without a process."""
_NAMED = AGENTS.c.name == bindparam("agent")
_INCARNATION = select(AGENTS.c.incarnation).where(_NAMED)
_MINE = _INCARNATION.with_for_update(read=True)
_BEAT = (
    update(AGENTS)
    .where(_NAMED, AGENTS.c.incarnation == bindparam("mine"))
    .values(beats=AGENTS.c.beats + 1, progress=bindparam("done"))
)


@dataclass(frozen=True, slots=True)
class Beats:
    """The record of an agent: `beats` is the number of heartbeats, `progress` the progress of each of its tasks."""

    name: str
    incarnation: int
    pid: int
    beats: int
    progress: Mapping[str, float]


def arrive(connection: Connection, name: str, pid: int) -> int:
    """Register a process under a name, with a first heartbeat; returns its incarnation."""
    found = connection.execute(select(AGENTS.c.incarnation).where(_NAMED).with_for_update(), {"agent": name})
    before = found.scalar_one_or_none()
    incarnation = 1 if before is None else before + 1
    values = {"incarnation": incarnation, "pid": pid, "beats": 1, "progress": "{}"}
    if before is None:
        connection.execute(insert(AGENTS).values(name=name, **values))
    else:
        connection.execute(update(AGENTS).where(_NAMED).values(**values), {"agent": name})
    return incarnation


def enter(connection: Connection, name: str, incarnation: int, pid: int) -> None:
    """Register a process with an incarnation that another database may have assigned, with a first heartbeat.

    Nothing is changed if it is registered already, or a newer one is.
    """
    found = connection.execute(_INCARNATION.with_for_update(), {"agent": name}).scalar_one_or_none()
    values = {"incarnation": incarnation, "pid": pid, "beats": 1, "progress": "{}"}
    if found is None:
        connection.execute(insert(AGENTS).values(name=name, **values))
    elif found < incarnation:
        connection.execute(update(AGENTS).where(_NAMED).values(**values), {"agent": name})


def beat(connection: Connection, name: str, incarnation: int, progress: Mapping[str, float]) -> bool:
    """Record a heartbeat. False: a newer incarnation has the name."""
    values = {"agent": name, "mine": incarnation, "done": json.dumps(progress)}
    return connection.execute(_BEAT, values).rowcount == 1


def is_mine(connection: Connection, name: str, incarnation: int) -> bool:
    """Whether this incarnation still has the name. It keeps it until the transaction ends."""
    return connection.execute(_MINE, {"agent": name}).scalar_one_or_none() == incarnation


def has_name(connection: Connection, name: str, incarnation: int) -> bool:
    """Whether this incarnation still has the name, without a lock."""
    return connection.execute(_INCARNATION, {"agent": name}).scalar_one_or_none() == incarnation


def known(connection: Connection) -> list[Beats]:
    """All agents, ordered by name."""
    rows = connection.execute(select(AGENTS).where(AGENTS.c.pid != NO_PROCESS).order_by(AGENTS.c.name))
    return [Beats(row.name, row.incarnation, row.pid, row.beats, read_json(row.progress)) for row in rows]


def forget_all(connection: Connection) -> None:
    """Remove all agents with their incarnations, where another database assigns these."""
    connection.execute(delete(AGENTS))


def dismiss_all(connection: Connection) -> None:
    """Remove all agents. A process that still runs notices that like one that was replaced."""
    connection.execute(update(AGENTS).values(incarnation=AGENTS.c.incarnation + 1, pid=NO_PROCESS))

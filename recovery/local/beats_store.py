"""The database of the heartbeats by which other programs find that a system runs on a store.

They must not wait for writes of tasks, nor for a process that is stopped during one.
"""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url

from recovery.local import agent_registry
from recovery.local.agent_registry import Beats
from recovery.stores.database import Database, Writable

SUFFIX = "-beats"
"""The end of the name of the file that has the heartbeats of a SQLite store."""


def opened_beats(url: str | URL, *, check: bool = False) -> Database:
    """The database of the heartbeats of a store.

    SQLite has one lock for all writes to a file, so that heartbeats have a file beside that of the store. In PostgreSQL
    they are in the store. Their commits do not wait for the disk, because a lost heartbeat does no harm. Raises
    StoreError.
    """
    made = make_url(url)
    if are_apart(made):
        made = made.set(database=f"{made.database}{SUFFIX}")
    return Database(made, synchronous=False, check=check)


def are_apart(url: str | URL) -> bool:
    """Whether the heartbeats of a store are in another database."""
    return make_url(url).get_backend_name() == "sqlite"


def known_agents(store: Writable, beats: Writable) -> list[Beats]:
    """All agents, ordered by name, with their latest heartbeats."""
    agents = store.read(agent_registry.known)
    if beats is store:
        return agents
    latest = {(each.name, each.incarnation): each for each in beats.read(agent_registry.known)}
    return [latest.get((agent.name, agent.incarnation), agent) for agent in agents]

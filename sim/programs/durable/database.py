"""An SQLite database in a temporary file."""

from __future__ import annotations

import random  # noqa: TID251 - generators with a seed
import shutil
import sqlite3
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from weakref import finalize

from sim.programs.durable.loss import Survives


class Database:
    """An SQLite database, which exists for as long as the `Durable` that it is part of.

    On the simulated loop `asyncio.to_thread` calls inline: `await asyncio.to_thread(connection.execute, …)`. A power
    cut closes the connections of the program, and so rolls back what they have not committed. What is committed is
    durable.
    """

    def __init__(self, name: str) -> None:
        folder = tempfile.mkdtemp(prefix="recovery-bench-")
        finalize(self, partial(shutil.rmtree, folder, ignore_errors=True))
        self.path = Path(folder) / name

    def connect(self, **options: Any) -> sqlite3.Connection:
        """A new connection, with the options of `sqlite3.connect`."""
        connection: sqlite3.Connection = sqlite3.connect(
            self.path, **{"check_same_thread": False, "timeout": 0.0, **options}
        )
        connection.execute("PRAGMA synchronous = OFF")  # the machine that runs the simulation keeps its power
        return connection

    def rows(self, statement: str, *parameters: Any) -> list[Any]:
        """The rows of a query on a connection of its own, without an await: for a check."""
        connection = self.connect()
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def unsynced(self) -> frozenset[Survives]:
        """None: SQLite syncs what it commits."""
        return frozenset()

    def cut_power(self, survives: Survives, source: random.Random) -> None:
        """Nothing: the connections of the program are closed already."""

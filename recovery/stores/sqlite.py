"""SQLite as the database of a store: its engine, its lock for writes, and when a commit is on the disk."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url

from recovery.errors import without_passwords
from recovery.input_file import InputFileError, check_regular
from recovery.stores.errors import StoreError

LOCK_SECONDS = 30.0
"""The seconds for which a write waits for the lock of another program."""
LOOK_SECONDS = 0.001
"""The seconds after which it tries to get the lock again. SQLite itself waits for up to 0.1 s, and not in turn."""
_on_disk = getattr(os, "fdatasync", os.fsync)


def sqlite_engine(url: URL, synchronous: str) -> tuple[str, Engine]:
    """The name of the database in messages, and its engine, with this `pragma synchronous`. Raises StoreError."""
    if not url.database or url.database == ":memory:":
        raise StoreError(f"{without_passwords(str(url))}: has no file; valid: sqlite:///FILE")
    try:
        check_regular(Path(url.database))
    except InputFileError as error:
        if not error.is_missing:
            raise StoreError(f"{url.database}: {error}; valid: sqlite:///FILE") from None
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # `begun` begins transactions, not the driver
        for pragma in ("journal_mode=wal", f"synchronous={synchronous}"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that writes after it has read fails if another one has written in between.
        if connection.get_execution_options().get("reads", False):
            connection.exec_driver_sql("begin")
        else:
            _begin_writing(connection)

    return Path(url.database).name, engine


def _begin_writing(connection: Connection) -> None:
    """Wait for the lock of the file, and begin a transaction that writes."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("pragma busy_timeout=0")
    try:
        until = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < until:
            try:
                driver.execute("begin immediate")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    break
                time.sleep(LOOK_SECONDS)
            else:
                return
        connection.exec_driver_sql("begin immediate")  # raises the error as one of the database
    finally:
        driver.execute(f"pragma busy_timeout={LOCK_SECONDS * 1000:.0f}")


def is_write_locked(url: str) -> bool:
    """Whether a transaction that writes is open on a SQLite store. False for PostgreSQL, which locks rows only."""
    made = make_url(url)
    if made.get_backend_name() != "sqlite" or made.database is None:
        return False
    with closing(sqlite3.connect(made.database, timeout=0.1, isolation_level=None)) as connection:
        try:
            connection.execute("begin immediate")
            connection.execute("rollback")
        except sqlite3.OperationalError:
            return True
    return False


class LateSync:
    """Brings the commits of a SQLite file to the disk after they have released the lock of the file.

    A commit with `pragma synchronous=normal` appends to the file of the write-ahead log, and does not wait for the
    disk. A sync of that file covers all commits so far, also those of other processes, and the syncs of several
    processes share the work of the disk. After a power cut, SQLite keeps the commits up to the first one that is not
    on the disk whole. A write that has been synced therefore loses nothing that it depends on.

    The file remains the same one while a connection of this process is open.
    """

    def __init__(self, place: str, connection: Connection) -> None:
        self._place = place
        driver: Any = connection.connection.dbapi_connection
        _, _, file = driver.execute("pragma database_list").fetchone()  # where a symbolic link leads
        self._descriptor = os.open(f"{file}-wal", os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        self._failed = False

    def sync(self) -> None:
        """Wait until all commits so far are on the disk. Raises StoreError.

        After an error, the system regards what it could not write as written. No later call can confirm it.
        """
        try:
            if not self._failed:
                _on_disk(self._descriptor)
                return
        except OSError:
            self._failed = True
        raise StoreError(
            f"{self._place}: the disk has refused a write: which of the last ones are on it is unknown; valid: after a "
            "restart, on a disk without errors"
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

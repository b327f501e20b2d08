"""An SQL database with group commit: concurrent writes share a transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from recovery.errors import without_passwords
from recovery.stores.column_types import wrong_values
from recovery.stores.errors import StoreError, store_error
from recovery.stores.sqlite import LateSync, sqlite_engine
from recovery.stores.tables import META, WrongSchema, prepare

Result = TypeVar("Result")
MOST_AT_ONCE = 5_000
"""The maximum number of writes in a commit, because the number of values of a statement is limited."""


All = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Writes several items of a kind; returns the result or the exception of each."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A submitted item, which is written together with others of its kind."""

    write_all: All
    thing: Any
    future: Future[Any]


def _do(connection: Connection, write_all: All, things: Sequence[Any]) -> Sequence[Any]:
    """Write items. Errors of the database are raised; others are the result of all items."""
    try:
        return write_all(connection, things)
    except SQLAlchemyError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised to the caller, including `Deposed`
        return [error] * len(things)


def _alone(connection: Connection, works: Sequence[Callable[[Connection], Any]]) -> Sequence[Any]:
    """Run independent functions, one after the other."""
    done: list[Any] = []
    for work in works:
        try:
            done.append(work(connection))
        except SQLAlchemyError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised to the caller, including `Deposed`
            done.append(error)
    return done


class Writable(Protocol):
    """A `Database`, or a guarded one, whose writes may be refused."""

    @property
    def place(self) -> str:
        """The name of the database in messages."""

    def read(self, question: Callable[[Connection], Result]) -> Result:
        """Run a query on committed data."""

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        """Submit a write."""

    def submit_one(self, write_all: All, thing: object) -> Future[Any]:
        """Submit an item that is written together with others of its kind."""

    def write_one(self, write_all: All, thing: object) -> Any:
        """Write, and block until the write is durable."""

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Write, and block until the write is durable."""


class Database:
    """An open database: `sqlite:///FILE`, or `postgresql://…`.

    A write is a function of a connection. It is executed together with all other waiting writes, by the first thread
    that blocks on one, or by the writer's thread if none does. It must raise errors before it changes anything. With
    `synchronous` False, commits do not wait for the disk, and a power cut may lose the last ones: for tests,
    simulations and heartbeats. With `late_sync`, the lock of a SQLite file is released before the commit is on the
    disk, so that processes that write in turn do not wait for the disk in turn. A write returns when it is on the disk
    in any case; until then, others may read it, and a power cut may lose it. `sync` waits for that. With `check`
    False, a file is not checked for damage, for instance because another process has done so; with `create` False, the
    store has to exist. Raises StoreError.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        synchronous: bool = True,
        late_sync: bool = False,
        check: bool = True,
        create: bool = True,
    ) -> None:
        self.url = url
        self.place, self._engine = _engine(url, ("normal" if late_sync else "full") if synchronous else "off")
        if not create:
            _check_there(self.place, self._engine)
        self._reads: dict[str, Any] = {"reads": True}
        if self._engine.dialect.name == "postgresql":  # a snapshot for all statements, as in SQLite
            self._reads["isolation_level"] = "REPEATABLE READ"
        self._waiting: deque[_Submitted] = deque()
        self._lock = threading.Lock()
        self._written = threading.Condition(self._lock)  # notified after each commit
        self._left_over = threading.Condition(self._lock)  # notified when items are submitted without a blocked caller
        self._writing = False  # whether a thread writes
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name=f"writes to {self.place}", daemon=True)
        try:
            with self._engine.begin() as connection:
                if check:
                    _check(connection)
                is_new = prepare(connection)
                if check and not is_new:
                    _check_values(connection)
        except WrongSchema as wrong:
            self._engine.dispose()
            raise StoreError(f"{self.place}: {wrong}") from None
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise store_error(self.place, error) from None
        self._connection = self._engine.connect()  # for the writing thread only
        is_late = late_sync and synchronous and self._engine.dialect.name == "sqlite"
        self._late_sync = LateSync(self.place, self._connection) if is_late else None
        self._writer.start()

    def read(self, question: Callable[[Connection], Result]) -> Result:
        """Run a query on committed data, again if the connection was lost. Raises StoreError."""
        try:
            try:
                return self._ask(question)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._ask(question)
        except SQLAlchemyError as error:
            raise store_error(self.place, error) from error

    def _ask(self, question: Callable[[Connection], Result]) -> Result:
        with self._engine.connect().execution_options(**self._reads) as connection:
            return question(connection)

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        """Submit a write. The future has its result, or its error or that of the database."""
        return self.submit_one(_alone, work)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Write, and block until the write is durable."""
        written: Result = self.write_one(_alone, work)
        return written

    def submit_one(self, write_all: All, thing: object) -> Future[Any]:
        """Submit an item. Waiting items with the same `write_all` are written by one call."""
        future = self._accept(write_all, thing)
        with self._lock:
            self._left_over.notify()
        return future

    def write_one(self, write_all: All, thing: object) -> Any:
        """Write, and block until the write is durable."""
        future = self._accept(write_all, thing)
        while not future.done():
            with self._lock:
                while self._writing and not future.done():
                    self._written.wait()
                if future.done():
                    break
                batch = self._take()
            self._write_together(batch)
        return future.result()

    def sync(self) -> None:
        """Wait until the disk has everything that was read so far. Raises StoreError."""
        if self._late_sync is not None:
            self._late_sync.sync()

    def guarded(self, check: Callable[[Connection], None]) -> Writable:
        """This database with writes that are refused if `check` raises in their transaction."""
        return _Guarded(self, check)

    def close(self) -> None:
        """Write all waiting items, and close the database."""
        with self._lock:
            self._closed = True
            self._left_over.notify()
        self._writer.join()
        if self._late_sync is not None:
            self._late_sync.close()
        self._connection.close()
        self._engine.dispose()

    # ------------------------------------------------------------------------------------------------ writing
    def _write_all(self) -> None:
        """The writer's thread: writes items without a blocked caller."""
        while True:
            with self._lock:
                while self._writing or not self._waiting:
                    if self._closed and not self._writing:
                        return
                    self._left_over.wait()
                batch = self._take()
            self._write_together(batch)

    def _accept(self, write_all: All, thing: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # it cannot be cancelled
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.place}: is closed")
            self._waiting.append(_Submitted(write_all, thing, future))
        return future

    def _take(self) -> list[_Submitted]:
        """Take the waiting items for one commit. No other thread writes until they are written."""
        self._writing = True
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]

    def _write_together(self, batch: list[_Submitted]) -> None:
        """Write the taken items, and let other threads write."""
        try:
            if not self._commit(batch):
                for submitted in batch:  # one of them has failed: write each in its own commit
                    self._commit([submitted], last=True)
        finally:
            with self._lock:
                self._writing = False
                self._written.notify_all()
                if self._waiting or self._closed:
                    self._left_over.notify()

    def _commit(self, batch: list[_Submitted], *, last: bool = False) -> bool:
        """Write all items with one commit. False: nothing was written, and no future is set; never if `last`."""
        try:
            done = self._transaction(batch)
        except BaseException as error:  # noqa: BLE001 - every future gets a result
            if not last and len(batch) > 1 and not isinstance(error, StoreError):
                return False
            raised = store_error(self.place, error) if isinstance(error, SQLAlchemyError) else error
            done = [raised] * len(batch)
        for submitted, result in zip(batch, done, strict=True):
            if isinstance(result, BaseException):
                submitted.future.set_exception(result)
            else:
                submitted.future.set_result(result)
        return True

    def _transaction(self, batch: list[_Submitted]) -> list[Any]:
        """The result of each item, in one transaction: again if the connection was lost before the commit.

        Raises StoreError if it was lost during the commit: then the items may have been written, and they must not be
        written twice.
        """
        try:
            return self._write_once(batch)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._write_once(batch)

    def _begun(self) -> RootTransaction:
        """A new transaction. Raises StoreError for all items, for instance if the store is locked."""
        try:
            return self._connection.begin()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise store_error(self.place, error) from error

    def _write_once(self, batch: list[_Submitted]) -> list[Any]:
        done: list[Any] = []
        transaction = self._begun()
        try:
            for write_all, same in groupby(batch, key=lambda submitted: submitted.write_all):
                done += _do(self._connection, write_all, [submitted.thing for submitted in same])
        except BaseException:
            with suppress(DBAPIError):  # of a lost connection
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            with suppress(DBAPIError):
                transaction.rollback()
            if error.connection_invalidated:
                raise StoreError(
                    f"{self.place}: the connection was lost during a commit: whether it was written is unknown"
                ) from error
            raise
        self.sync()
        return done


@dataclass(frozen=True)
class _Guarded:
    database: Database
    check: Callable[[Connection], None]
    checked: dict[All, All] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return self.database.place

    def read(self, question: Callable[[Connection], Result]) -> Result:
        return self.database.read(question)

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        return self.submit_one(_alone, work)

    def submit_one(self, write_all: All, thing: object) -> Future[Any]:
        return self.database.submit_one(self._checked(write_all), thing)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        written: Result = self.write_one(_alone, work)
        return written

    def write_one(self, write_all: All, thing: object) -> Any:
        return self.database.write_one(self._checked(write_all), thing)

    def _checked(self, write_all: All) -> All:
        """The guarded function, the same object each time, so that its items share a call."""

        def checked(connection: Connection, things: Sequence[Any]) -> Sequence[Any]:
            self.check(connection)
            return write_all(connection, things)

        return self.checked.setdefault(write_all, checked)


def _check_there(place: str, engine: Engine) -> None:
    """Raise StoreError if there is no store. The file is not changed."""
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    try:
        there = inspect(engine).has_table(META.name) if file is None else _has_table(Path(file), META.name)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise store_error(place, error) from None
    finally:
        engine.dispose()
    if not there:
        raise StoreError(f"{place}: there is no store; valid: the URL of one that a local system has made")


def _has_table(file: Path, name: str) -> bool:
    if not file.exists():
        return False
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("select 1 from sqlite_master where name = ?", (name,)).fetchall())


def _check(connection: Connection) -> None:
    """Raise SQLAlchemyError if the file is damaged."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("pragma quick_check(1)").scalar_one()
        if found != "ok":
            raise SQLAlchemyError(f"malformed: {found}")


def _check_values(connection: Connection) -> None:
    """Raise WrongSchema if a value is of a wrong type, after the tables are those of this version."""
    if (wrong := wrong_values(connection)) is not None:
        raise WrongSchema(f"is damaged: {wrong} has a value that is not valid; valid: a copy from before")


def _engine(url: str | URL, synchronous: str) -> tuple[str, Engine]:
    """The name of the database in messages, and its engine. Raises StoreError for an invalid URL."""
    try:
        made = make_url(url)
        if made.get_backend_name() == "sqlite":
            return sqlite_engine(made, synchronous)
        if made.get_backend_name() == "postgresql":
            return _postgresql(made)
    except (ArgumentError, NoSuchModuleError, ValueError):  # ValueError: a port that is not a number
        pass
    raise StoreError(
        f"{without_passwords(str(url))}: is not the URL of a store; valid: sqlite:///FILE or postgresql://…"
    )


def _postgresql(url: URL) -> tuple[str, Engine]:
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise StoreError("postgresql: needs a driver; valid: after pip install 'recovery-bench[postgresql]'") from None
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    return url.render_as_string(hide_password=True), engine

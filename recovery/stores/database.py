"""One SQL database: reads at once, and writes that share a commit with whoever writes at the same time."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from recovery.stores.errors import StoreError, store_error
from recovery.stores.tables import META, NewerSchema, prepare

Result = TypeVar("Result")
MOST_AT_ONCE = 5_000
"""Writes that share a commit: a statement does not take any number of values."""
LOCK_SECONDS = 30.0
"""How long a write waits for another program's."""


All = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Writes several things of a kind; what it returns for each is its result, or the exception that it has raised."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A thing that is to be written, together with those of its kind."""

    write_all: All
    thing: Any
    future: Future[Any]


def _do(connection: Connection, write_all: All, things: Sequence[Any]) -> Sequence[Any]:
    """Raises what the database raises; anything else is the result of all of them."""
    try:
        return write_all(connection, things)
    except SQLAlchemyError:
        raise
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked, be it `Deposed`
        return [error] * len(things)


def _alone(connection: Connection, works: Sequence[Callable[[Connection], Any]]) -> Sequence[Any]:
    """Works that have nothing to do with each other."""
    done: list[Any] = []
    for work in works:
        try:
            done.append(work(connection))
        except SQLAlchemyError:
            raise
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked, be it `Deposed`
            done.append(error)
    return done


class Writable(Protocol):
    """What stores are made of: a `Database`, or one that some may not write to any more."""

    @property
    def place(self) -> str:
        """What to call it."""

    def read(self, question: Callable[[Connection], Result]) -> Result:
        """What is committed says."""

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        """Have something written."""

    def submit_one(self, write_all: All, thing: object) -> Future[Any]:
        """Have a thing written together with those of its kind that wait beside it."""

    def write_one(self, write_all: All, thing: object) -> Any:
        """The same, and wait until it is durable."""

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """The same, and wait until it is durable."""


class Database:
    """A database that is open: `sqlite:///FILE`, or `postgresql://…`.

    A write is a function of a connection. It is done by whoever waits for one and comes first, or by a thread of its
    own when nobody does, together with all that wait, and has a result when it is durable. It raises before it changes
    anything, or not at all. With `synchronous` False, commits do not wait for the disk, and a power cut may take what
    was written last: for tests, simulations and heartbeats. With `check` False, a file is not looked through for
    damage, as somebody else just has; with `create` False, there has to be a store. Raises StoreError.
    """

    def __init__(self, url: str | URL, *, synchronous: bool = True, check: bool = True, create: bool = True) -> None:
        self.url = url
        self.place, self._engine = _engine(url, synchronous)
        if not create:
            _check_there(self.place, self._engine)
        self._reads: dict[str, Any] = {"reads": True}
        if self._engine.dialect.name == "postgresql":  # of one moment, as in SQLite, however many statements it is
            self._reads["isolation_level"] = "REPEATABLE READ"
        self._waiting: deque[_Submitted] = deque()
        self._lock = threading.Lock()
        self._written = threading.Condition(self._lock)  # whoever has waited for a commit looks again
        self._left_over = threading.Condition(self._lock)  # something waits that nobody may be waiting for
        self._writing = False  # somebody does
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name=f"writes to {self.place}", daemon=True)
        try:
            with self._engine.begin() as connection:
                if check:
                    _check(connection)
                prepare(connection)
        except NewerSchema as newer:
            self._engine.dispose()
            raise StoreError(f"{self.place}: {newer}; valid: a later version of this program") from None
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise store_error(self.place, error) from None
        self._connection = self._engine.connect()  # which nobody uses but who writes
        self._writer.start()

    def read(self, question: Callable[[Connection], Result]) -> Result:
        """What is committed says. Raises StoreError."""
        try:
            with self._engine.connect().execution_options(**self._reads) as connection:
                return question(connection)
        except SQLAlchemyError as error:
            raise store_error(self.place, error) from error

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        """Have something written. The future has the work's result, or what it or the database has raised."""
        return self.submit_one(_alone, work)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """The same, and wait until it is durable."""
        written: Result = self.write_one(_alone, work)
        return written

    def submit_one(self, write_all: All, thing: object) -> Future[Any]:
        """Have a thing written by a function that writes all of its kind that wait one after the other."""
        future = self._accept(write_all, thing)
        with self._lock:
            self._left_over.notify()
        return future

    def write_one(self, write_all: All, thing: object) -> Any:
        """The same, and wait until it is durable."""
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

    def guarded(self, check: Callable[[Connection], None]) -> Writable:
        """The same database for somebody whose writes are refused when `check` raises, in the very transaction."""
        return _Guarded(self, check)

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        with self._lock:
            self._closed = True
            self._left_over.notify()
        self._writer.join()
        self._connection.close()
        self._engine.dispose()

    # ------------------------------------------------------------------------------------------------ writing
    def _write_all(self) -> None:
        """The writer's thread: it writes what nobody waits for here."""
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
        future.set_running_or_notify_cancel()  # who does not wait any more does not take it back
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.place}: is closed")
            self._waiting.append(_Submitted(write_all, thing, future))
        return future

    def _take(self) -> list[_Submitted]:
        """All that wait, or as many as share a commit; nobody else writes until they are written."""
        self._writing = True
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]

    def _write_together(self, batch: list[_Submitted]) -> None:
        """Write what was taken, and let others write."""
        try:
            if not self._commit(batch):
                for submitted in batch:  # somebody's has spoiled the commit of all: to each his own
                    self._commit([submitted], last=True)
        finally:
            with self._lock:
                self._writing = False
                self._written.notify_all()
                if self._waiting or self._closed:
                    self._left_over.notify()

    def _commit(self, batch: list[_Submitted], *, last: bool = False) -> bool:
        """Write all of them with one commit. False: nothing is written and nobody was told, which `last` rules out."""
        done: list[Any] = []
        try:
            with self._connection.begin():
                for write_all, same in groupby(batch, key=lambda submitted: submitted.write_all):
                    done += _do(self._connection, write_all, [submitted.thing for submitted in same])
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody waits for ever
            if not last and len(batch) > 1:
                return False
            told = store_error(self.place, error) if isinstance(error, SQLAlchemyError) else error
            done = [told] * len(batch)
        for submitted, result in zip(batch, done, strict=True):
            if isinstance(result, BaseException):
                submitted.future.set_exception(result)
            else:
                submitted.future.set_result(result)
        return True


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
        """The same function each time, so that what it writes is of one kind."""

        def checked(connection: Connection, things: Sequence[Any]) -> Sequence[Any]:
            self.check(connection)
            return write_all(connection, things)

        return self.checked.setdefault(write_all, checked)


def _check_there(place: str, engine: Engine) -> None:
    """Raise StoreError when nobody has made a store there. A file that is none stays as it is."""
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
    """A file that somebody has cut off or changed is not gone on with. Raises SQLAlchemyError."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("pragma quick_check(1)").scalar_one()
        if found != "ok":
            raise SQLAlchemyError(f"malformed: {found}")


def _engine(url: str | URL, synchronous: bool) -> tuple[str, Engine]:
    """What to call the database, and SQLAlchemy's engine for it. Raises StoreError for what is none."""
    try:
        made = make_url(url)
        if made.get_backend_name() == "sqlite":
            return _sqlite(made, synchronous)
        if made.get_backend_name() == "postgresql":
            return _postgresql(made)
    except (ArgumentError, NoSuchModuleError):
        raise StoreError(f"{url}: is no URL of a store; valid: sqlite:///FILE or postgresql://…") from None
    raise StoreError(f"{url}: is no URL of a store; valid: sqlite:///FILE or postgresql://…")


def _sqlite(url: URL, synchronous: bool) -> tuple[str, Engine]:
    if not url.database or url.database == ":memory:":
        raise StoreError(f"{url}: names no file; valid: sqlite:///FILE")
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where `begun` says, and not where the driver thinks
        for pragma in ("journal_mode=wal", f"synchronous={'full' if synchronous else 'off'}"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads first and writes later fails when somebody has written in between.
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("begin" if reads else "begin immediate")

    return Path(url.database).name, engine


def _postgresql(url: URL) -> tuple[str, Engine]:
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise StoreError("postgresql: needs a driver; valid: with pip install 'recovery-bench[postgresql]'") from None
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    return url.render_as_string(hide_password=True), engine

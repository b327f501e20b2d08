"""One SQL database: reads at once, and writes that share a commit with whoever writes at the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from recovery.stores.errors import StoreError, store_error
from recovery.stores.schema import NewerSchema, prepare

Result = TypeVar("Result")
LOCK_SECONDS = 30.0
"""How long a write waits for another program's."""


@dataclass(frozen=True)
class _Submitted:
    work: Callable[[Connection], Any]
    future: Future[Any]

    def do(self, connection: Connection) -> Callable[[], None]:
        """Do it, and return what tells of it once it is committed. Raises what the database raises."""
        try:
            result = self.work(connection)
        except SQLAlchemyError:
            raise
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked, be it `Deposed`
            raised = error
            return lambda: self.future.set_exception(raised)
        return lambda: self.future.set_result(result)


class Writable(Protocol):
    """What stores are made of: a `Database`, or one that some may not write to any more."""

    @property
    def place(self) -> str:
        """What to call it."""

    def read(self, question: Callable[[Connection], Result]) -> Result:
        """What is committed says."""

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        """Have something written."""

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """The same, and wait until it is durable."""


class Database:
    """A database that is open: `sqlite:///FILE`, or `postgresql://…`.

    A write is a function of a connection. It is done in a thread of its own, together with those that wait as well, and
    has a result when it is durable. It raises before it changes anything, or not at all. With `synchronous` False,
    commits do not wait for the disk, and a power cut may take what was written last: for tests and simulations.
    """

    def __init__(self, url: str | URL, *, synchronous: bool = True) -> None:
        self.url = url
        self.place, self._engine = _engine(url, synchronous)
        self._waiting: deque[_Submitted] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name=f"writes to {self.place}", daemon=True)
        try:
            with self._engine.begin() as connection:
                _check(connection)
                prepare(connection)
        except NewerSchema as newer:
            self._engine.dispose()
            raise StoreError(f"{self.place}: {newer}; valid: a later version of this program") from None
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise store_error(self.place, error) from None
        self._writer.start()

    def read(self, question: Callable[[Connection], Result]) -> Result:
        """What is committed says. Raises StoreError."""
        try:
            with self._engine.connect().execution_options(reads=True) as connection:
                return question(connection)
        except SQLAlchemyError as error:
            raise store_error(self.place, error) from error

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        """Have something written. The future has the work's result, or what it or the database has raised."""
        future: Future[Result] = Future()
        with self._changed:
            if self._closed:
                raise StoreError(f"{self.place}: is closed")
            self._waiting.append(_Submitted(work, future))
            self._changed.notify()
        return future

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """The same, and wait until it is durable."""
        return self.submit(work).result()

    def guarded(self, check: Callable[[Connection], None]) -> Writable:
        """The same database for somebody whose writes are refused when `check` raises, in the very transaction."""
        return _Guarded(self, check)

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._writer.join()
        self._engine.dispose()

    # ------------------------------------------------------------------------------------ the writer's thread
    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                batch = list(self._waiting)
                self._waiting.clear()
            if not self._commit(batch):
                for submitted in batch:  # somebody's has spoiled the commit of all: to each his own
                    self._commit([submitted], last=True)

    def _commit(self, batch: list[_Submitted], *, last: bool = False) -> bool:
        """Write all of them with one commit. False: nothing is written and nobody was told, which `last` rules out."""
        try:
            with self._engine.begin() as connection:
                tell = [submitted.do(connection) for submitted in batch]
        except SQLAlchemyError as error:
            if not last and len(batch) > 1:
                return False
            tell = [_raising(submitted.future, store_error(self.place, error)) for submitted in batch]
        for each in tell:
            each()
        return True


@dataclass(frozen=True)
class _Guarded:
    database: Database
    check: Callable[[Connection], None]

    @property
    def place(self) -> str:
        return self.database.place

    def read(self, question: Callable[[Connection], Result]) -> Result:
        return self.database.read(question)

    def submit(self, work: Callable[[Connection], Result]) -> Future[Result]:
        def checked(connection: Connection) -> Result:
            self.check(connection)
            return work(connection)

        return self.database.submit(checked)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        return self.submit(work).result()


def _check(connection: Connection) -> None:
    """A file that somebody has cut off or changed is not gone on with. Raises SQLAlchemyError."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("pragma quick_check(1)").scalar_one()
        if found != "ok":
            raise SQLAlchemyError(f"malformed: {found}")


def _raising(future: Future[Any], error: StoreError) -> Callable[[], None]:
    return lambda: future.set_exception(error)


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

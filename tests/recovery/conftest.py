"""Empty stores of every kind, for the tests of stores."""

import os
import tempfile
from pathlib import Path

import psycopg
import pytest

from recovery.journal import MemoryJournal
from recovery.stores.database import Database
from recovery.stores.memory import MemoryTaskStore
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore
from recovery.stores.tables import METADATA
from tests.recovery.stores import postgresql


@pytest.fixture(scope="session")
def server():
    """The URL of a PostgreSQL server."""
    if postgresql.program("initdb") is None:
        missing = "there is no PostgreSQL on this machine: Debian's package is called postgresql"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    with tempfile.TemporaryDirectory() as folder, postgresql.server(Path(folder)) as url:
        yield url


SHAPE = """
select string_agg(concat_ws(' ', relname, attname, atttypid, attnotnull), ', ' order by relname, attnum)
from pg_attribute join pg_class on attrelid = pg_class.oid where relnamespace = 'public'::regnamespace and attnum > 0
"""
NEW = {}
"""By URL of a server, the shape of the tables of a new store, and the rows of `meta`."""


def emptied(url):
    """The URL of a PostgreSQL server with a new store. Rows are deleted if tables are as new: that is several times
    faster than new tables."""
    with psycopg.connect(url) as connection:
        shape, rows = NEW.get(url, (None, []))
        if shape is not None and connection.execute(SHAPE).fetchone() == shape:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(f"delete from {table.name}")
            connection.execute("select setval(oid, 1, false) from pg_class where relkind = 'S' and relname !~ '^pg_'")
            connection.cursor().executemany("insert into meta values (%s, %s)", rows)
            return url
        connection.execute("drop schema public cascade; create schema public")
    Database(url).close()
    with psycopg.connect(url) as connection:
        NEW[url] = connection.execute(SHAPE).fetchone(), connection.execute("select * from meta").fetchall()
    return url


@pytest.fixture
def opened():
    """Opens databases, and closes them after the test."""
    found = []

    def open_one(url, *, synchronous=False):
        found.append(Database(url, synchronous=synchronous))
        return found[-1]

    yield open_one
    for database in found:
        database.close()


def database_of(kind, request):
    """An empty database of this kind, None for memory."""
    if kind == "memory":
        return None
    folder = request.getfixturevalue("tmp_path")
    url = f"sqlite:///{folder}/store.db" if kind == "sqlite" else emptied(request.getfixturevalue("server"))
    return request.getfixturevalue("opened")(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """A database of each kind."""
    return database_of(request.param, request)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def tasks(request):
    """A task store of each kind."""
    database = database_of(request.param, request)
    return MemoryTaskStore() if database is None else SqlTaskStore(database)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request):
    """A journal of each kind."""
    database = database_of(request.param, request)
    return MemoryJournal() if database is None else SqlJournal(database, blocking=True)

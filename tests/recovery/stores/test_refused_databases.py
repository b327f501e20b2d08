"""Databases that are refused, damaged, read-only, full or of an earlier version: a message, and nothing is lost."""

import os
import sqlite3
import tempfile
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from recovery.stores import sqlite as module
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.identity import store_identity
from recovery.stores.sql_tasks import SqlTaskStore, registered
from recovery.stores.stored_json import read_json
from recovery.stores.tables import (
    AGENTS,
    ALLOCATIONS,
    EFFECTS,
    JOURNAL,
    LOGS,
    META,
    METADATA,
    MIGRATIONS,
    POOLS,
    TASKS,
    VERSION,
    WORK,
)
from tests.recovery.stores.meta_rows import adds, names


# --------------------------------------------------------------------------------------------- error messages
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("store.db", "store.db: is not the URL of a store; valid: sqlite:///FILE or postgresql://…"),
        ("mysql://x/y", "mysql://x/y: is not the URL of a store; valid: sqlite:///FILE or postgresql://…"),
        ("nothing://x/y", "nothing://x/y: is not the URL of a store; valid: sqlite:///FILE or postgresql://…"),
        ("sqlite://", "sqlite://: has no file; valid: sqlite:///FILE"),
        (
            "sqlite:////nowhere/at/all.db",
            "all.db: cannot be opened; valid: a file in a folder that exists and may be written to",
        ),
        (
            "postgresql://me:secret@/x?host=/nowhere",
            "postgresql://me:***@/x?host=%2Fnowhere: does not answer; valid: the URL of a server that runs",
        ),
        (
            "postgresql://me:secret@127.0.0.1:9/x",
            "postgresql://me:***@127.0.0.1:9/x: does not answer; valid: the URL of a server that runs",
        ),
    ],
)
def test_an_invalid_url_is_reported_without_its_password(url, message):
    with pytest.raises(StoreError) as error:
        Database(url)
    assert str(error.value) == message


def test_a_file_that_is_not_a_database_is_left_unchanged(tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"# a text, and no database\n" * 100)
    with pytest.raises(StoreError, match=r"store\.db: is not a database, or damaged"):
        Database(f"sqlite:///{path}")
    assert path.read_bytes() == b"# a text, and no database\n" * 100


def test_a_store_of_a_later_version_is_rejected_and_unchanged(database):
    newer = update(META).where(META.c.name == "version").values(value=str(VERSION + 1))
    database.write(lambda connection: connection.execute(newer))
    with pytest.raises(
        StoreError, match=rf"has version {VERSION + 1} of the tables, .* up to {VERSION}; valid: a later"
    ):
        Database(database.url)
    read = select(META.c.value).where(META.c.name == "version")
    assert database.read(lambda connection: connection.execute(read).scalar_one()) == str(VERSION + 1)


@pytest.mark.parametrize("version", ["", "x", "-1", "0", "1.5", "9" * 5000])
def test_a_store_whose_version_is_damaged_is_rejected(database, version):
    damaged = update(META).where(META.c.name == "version").values(value=version)
    database.write(lambda connection: connection.execute(damaged))
    with pytest.raises(StoreError, match=rf"is damaged: the version of its tables is '{version[:20]}'; valid: a copy"):
        Database(database.url)


def test_a_locked_file_times_out_with_an_error(tmp_path, monkeypatch, opened):
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    database = opened(f"sqlite:///{tmp_path}/store.db")
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreError, match=r"store\.db: is locked by another program"):
        database.write(adds("a"))
    assert names(database) == ["version"]
    other.execute("rollback")
    other.close()
    assert database.write(adds("a")) == "a"


def test_a_full_disk_is_reported_and_leaves_no_partial_write(tmp_path, opened):
    database = opened(f"sqlite:///{tmp_path}/store.db")

    def limit(pages):
        database.write(lambda connection: connection.exec_driver_sql(f"pragma max_page_count={pages}"))

    def fills(connection):
        connection.execute(insert(TASKS).values(task_id="task.1", status="queued"))
        connection.execute(insert(JOURNAL).values(number=1, incident=b"x" * 200_000))

    limit(20)
    with pytest.raises(StoreError, match=r"store\.db: cannot be written: the disk is full"):
        database.write(fills)
    assert database.read(lambda connection: connection.execute(select(TASKS)).all()) == []
    limit(10_000)
    database.write(fills)
    assert len(database.read(lambda connection: connection.execute(select(TASKS)).all())) == 1


# ------------------------------------------------------------------------------------------- without the right to write
NOBODY = 65534


def as_unprivileged_user(work):
    """What a function returns in a process that may write nothing of ours."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # from Python 3.12 on: this process has threads, which the other one does without
        pid = os.fork()
    if pid == 0:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            message = str(work())
        except BaseException as error:  # noqa: BLE001 - every error is reported
            message = f"{type(error).__name__}: {error}"
        os.write(writing, message.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - it has no path
        message = pipe.read().decode()
    os.waitpid(pid, 0)
    return message


@pytest.fixture
def readable(opened):
    """A store that everyone may read and no one may write to, in a folder with the same permissions."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = folder / "store.db"
        database = Database(f"sqlite:///{path}")
        SqlTaskStore(database).register("task.1")
        database.close()
        path.chmod(0o444)
        folder.chmod(0o555)
        yield path
        folder.chmod(0o755)


def test_a_read_only_file_is_left_unchanged(readable):
    before = readable.read_bytes()

    def write():
        SqlTaskStore(Database(f"sqlite:///{readable}")).register("task.2")

    assert as_unprivileged_user(write) == (
        "StoreError: store.db: cannot be written to; valid: a file and a folder that may be written to"
    )
    assert readable.read_bytes() == before
    assert [path.name for path in readable.parent.iterdir()] == ["store.db"]


# ---------------------------------------------------------------------------------------------------- earlier versions
LATER_TABLES = (WORK, EFFECTS, AGENTS, POOLS, ALLOCATIONS, LOGS)


def test_a_store_of_the_first_version_is_migrated_without_loss(database, opened):
    tasks = SqlTaskStore(database)
    tasks.register("task.1")
    saved = tasks.save_checkpoint("task.1", tasks.begin("task.1", "agent.0"), 0.5, {"rows": 3})
    database.write(lambda connection: METADATA.drop_all(connection, LATER_TABLES))
    database.write(lambda connection: connection.execute(delete(META).where(META.c.name == "store")))
    first = update(META).where(META.c.name == "version").values(value="1")
    database.write(lambda connection: connection.execute(first))
    later = opened(database.url)
    assert SqlTaskStore(later).checkpoints("task.1") == (saved,)
    assert later.read(lambda connection: connection.execute(select(WORK)).all()) == []
    assert later.read(store_identity) == opened(database.url).read(store_identity)
    read = select(META.c.value).where(META.c.name == "version")
    assert later.read(lambda connection: connection.execute(read).scalar_one()) == str(VERSION)


def test_a_failed_migration_leaves_the_store_unchanged(database, monkeypatch):
    first = update(META).where(META.c.name == "version").values(value="1")
    database.write(lambda connection: connection.execute(first))

    def fails(connection):
        connection.execute(insert(META).values(name="half", value="done"))
        raise SQLAlchemyError("the disk is full")

    monkeypatch.setitem(MIGRATIONS, 1, fails)
    with pytest.raises(StoreError, match="the disk is full"):
        Database(database.url)
    rows = dict(database.read(lambda connection: connection.execute(select(META.c.name, META.c.value)).all()))
    assert rows.keys() == {"store", "version"}
    assert rows["version"] == "1"


def test_a_required_store_is_not_created(database, tmp_path):
    assert Database(database.url, create=False).close() is None
    with pytest.raises(StoreError, match=r"other\.db: there is no store; valid: the URL of one"):
        Database(f"sqlite:///{tmp_path}/other.db", create=False)
    assert not (tmp_path / "other.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match=r"empty\.db: there is no store"):
        Database(f"sqlite:///{tmp_path}/empty.db", create=False)
    assert (tmp_path / "empty.db").read_bytes() == b""


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("update tasks set fence = x'fffe'", "tasks.fence"),
        ("update tasks set status = 'gone'", "tasks.status"),
        ("update work set error_code = x'ff'", "work.error_code"),
        ("update agents set beats = 'many'", "agents.beats"),
        ("update logs set at = 'today'", "logs.at"),
    ],
)
def test_a_value_of_a_wrong_type_is_damage(tmp_path, damage, where):
    url = f"sqlite:///{tmp_path}/store.db"
    database = Database(url)
    database.write(lambda connection: registered(connection, "task.1"))
    for row in (
        "work (task_id, payload, needs) values ('task.1', '1', '{}')",
        "agents (name, incarnation, pid, beats, progress) values ('agent.1', 1, 1, 1, '{}')",
        "logs (at, path, line) values (1.0, 'a', 'b')",
    ):
        database.write(lambda connection, row=row: connection.exec_driver_sql(f"insert into {row}"))
    database.close()
    Database(url).close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        connection.execute(damage)
    with pytest.raises(
        StoreError, match=f"is damaged: {where} has a value that is not valid; valid: a copy from before"
    ):
        Database(url)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "", "'"])
def test_a_text_that_is_not_json_is_damage(text):
    with pytest.raises(StoreError, match=r"the store is damaged: .* is not JSON; valid: a copy from before"):
        read_json(text)

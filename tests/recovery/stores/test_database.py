"""A database with one writing thread: shared commits, isolation and errors."""

import os
import sqlite3
import tempfile
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, event, insert, select, text, update
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
from tests.recovery.conftest import emptied


@pytest.fixture
def commits():
    """How many transactions were committed so far."""
    seen = []

    def committed(connection):
        seen.append(connection)

    event.listen(Engine, "commit", committed)
    yield lambda: len(seen)
    event.remove(Engine, "commit", committed)


def adds(name):
    return lambda connection: connection.execute(insert(META).values(name=name, value="x")) and name


def names(database):
    return database.read(
        lambda connection: list(
            connection.execute(select(META.c.name).where(META.c.name != "store").order_by(META.c.name)).scalars()
        )
    )


def all_at_once(database, *works):
    """Submit works that wait until the writer's thread has time for all of them; what each has or raises."""
    begun, go_on = threading.Event(), threading.Event()
    first = database.submit(lambda connection: begun.set() or go_on.wait(60))
    assert begun.wait(60)
    futures = [database.submit(work) for work in works]
    go_on.set()
    assert first.result() is True
    return [future.exception() or future.result() for future in futures]


def test_concurrent_writers_share_a_commit(database, commits):
    before = commits()
    assert all_at_once(database, *(adds(f"m{number:02}") for number in range(30))) == [f"m{n:02}" for n in range(30)]
    assert commits() - before == 2
    assert len(names(database)) == 31


def test_concurrent_threads_share_a_commit(database, commits):
    """The first one writes; of those that arrive in the meantime, one writes for all."""
    begun, go_on = threading.Event(), threading.Event()
    before = commits()
    with ThreadPoolExecutor(31) as threads:
        first = threads.submit(database.write, lambda connection: begun.set() or go_on.wait(60))
        assert begun.wait(60)
        others = [threads.submit(database.write, adds(f"m{number:02}")) for number in range(30)]
        wait(others, 0.1)
        go_on.set()
        assert first.result() is True
        assert [other.result() for other in others] == [f"m{number:02}" for number in range(30)]
    assert 2 <= commits() - before <= 4


def test_close_waits_for_pending_writes(tmp_path, opened):
    database = Database(f"sqlite:///{tmp_path}/store.db")
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection):
        begun.set()
        go_on.wait(60)
        return adds("a")(connection)

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(database.write, slow)
        assert begun.wait(60)
        closing = threads.submit(database.close)
        wait([closing], 0.1)
        assert not closing.done()
        go_on.set()
        assert writing.result() == "a"
        closing.result()
    assert names(opened(f"sqlite:///{tmp_path}/store.db")) == ["a", "version"]


def test_a_read_of_several_statements_is_consistent(database):
    count = text("SELECT count(*) FROM meta")

    def asked(connection):
        before = connection.execute(count).scalar_one()
        database.write(lambda writing: writing.execute(insert(META).values(name="meanwhile", value="1")))
        return before, connection.execute(count).scalar_one()

    before, after = database.read(asked)
    assert before == after
    assert database.read(lambda connection: connection.execute(count).scalar_one()) == before + 1


def test_an_error_in_one_transaction_does_not_affect_others(database, commits):
    def fails(connection):
        raise KeyError("task.9")

    before = commits()
    one, failed, other = all_at_once(database, adds("a"), fails, adds("b"))
    assert (one, str(failed), other) == ("a", "'task.9'", "b")
    assert commits() - before == 2
    assert names(database) == ["a", "b", "version"]


def test_a_database_error_in_one_transaction_does_not_affect_others(database):
    database.write(adds("there"))
    one, refused, other = all_at_once(database, adds("a"), adds("there"), adds("b"))
    assert (one, type(refused), other) == ("a", StoreError, "b")
    assert names(database) == ["a", "b", "there", "version"]


def test_submitted_writes_are_committed_before_close(opened, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/store.db")
    futures = [database.submit(adds(f"m{number}")) for number in range(20)]
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(StoreError, match=r"store\.db: is closed"):
        database.submit(adds("late"))


def test_another_program_reads_committed_data(opened, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    opened(url).write(adds("a"))
    assert names(opened(url)) == ["a", "version"]


def test_two_programs_write_alternately(database, request, opened):
    """Read, add one, write: none of the additions is lost."""
    other = opened(database.url)
    database.write(lambda connection: connection.execute(insert(META).values(name="sum", value="0")))

    def one_more(connection):
        asked = select(META.c.value).where(META.c.name == "sum").with_for_update()
        value = int(connection.execute(asked).scalar_one()) + 1
        connection.execute(update(META).where(META.c.name == "sum").values(value=str(value)))

    futures = [each.submit(one_more) for _ in range(50) for each in (database, other)]
    assert [future.result() for future in futures] == [None] * 100
    assert database.read(lambda c: c.execute(select(META.c.value).where(META.c.name == "sum")).scalar_one()) == "100"


# ----------------------------------------------------------------------------------------------- lost connections
def process_of(connection):
    """The process of the server that serves a connection."""
    return connection.exec_driver_sql("select pg_backend_pid()").scalar_one()


def lost(opened, url, connection):
    """The server ends a connection, as a restarted one does."""
    end_process(opened, url, process_of(connection))


def end_process(opened, url, pid):
    ended = opened(url).write(lambda other: other.exec_driver_sql(f"select pg_terminate_backend({pid}, 9000)"))
    assert ended is not None


@pytest.fixture
def on_server(server, opened):
    """A database on a PostgreSQL server."""
    return opened(emptied(server))


def test_a_write_is_repeated_after_its_connection_was_lost(on_server, opened):
    end_process(opened, on_server.url, on_server.write(process_of))
    assert on_server.write(adds("a")) == "a"
    end_process(opened, on_server.url, on_server.write(process_of))
    assert all_at_once(on_server, adds("b"), adds("c")) == ["b", "c"]
    assert names(on_server) == ["a", "b", "c", "version"]


def test_a_connection_that_is_lost_within_a_transaction_is_replaced_once(on_server, opened):
    tries = []

    def loses(times):
        def work(connection):
            tries.append(connection)
            if len(tries) <= times:
                lost(opened, on_server.url, connection)
            return adds(f"after {times}")(connection)

        return work

    assert on_server.write(loses(1)) == "after 1"
    assert len(tries) == 2
    tries.clear()
    with pytest.raises(StoreError):
        on_server.write(loses(2))
    assert len(tries) == 2
    assert on_server.write(adds("a")) == "a"


def test_a_read_is_repeated_after_its_connection_was_lost(on_server, opened):
    tries = []

    def asked(connection):
        tries.append(connection)
        if len(tries) == 1:
            lost(opened, on_server.url, connection)
        return connection.execute(select(META.c.value).where(META.c.name == "version")).scalar_one()

    assert on_server.read(asked) == str(VERSION)
    assert len(tries) == 2


def test_a_commit_whose_answer_is_lost_is_not_repeated(on_server, opened):
    """It may have been written."""
    tries, commits = [], []

    def work(connection):
        tries.append(connection)
        return adds("a")(connection)

    def ends(connection):
        commits.append(connection)
        if len(commits) == 1:
            lost(opened, on_server.url, connection)

    event.listen(on_server._engine, "commit", ends)
    with pytest.raises(StoreError, match="the connection was lost during a commit: whether it was written is unknown"):
        on_server.write(work)
    assert len(tries) == 1
    assert on_server.write(adds("b")) == "b"


def test_writes_that_share_a_commit_wait_for_a_lock_once(tmp_path, monkeypatch, opened):
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    database = opened(f"sqlite:///{tmp_path}/store.db")
    waits, begun, go_on, begin = [], threading.Event(), threading.Event(), module._begin_writing

    def begins(connection):
        waits.append(connection)
        begun.set()
        assert go_on.wait(60)
        begin(connection)

    monkeypatch.setattr(module, "_begin_writing", begins)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        first = database.submit(adds("first"))
        assert begun.wait(60)
        futures = [database.submit(adds(f"m{number}")) for number in range(5)]
        go_on.set()
        assert {type(future.exception()) for future in (first, *futures)} == {StoreError}
    assert len(waits) == 2


# ------------------------------------------------------------------------------------------------- late syncs
@pytest.fixture
def late(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "store.db")
    database = Database(f"sqlite:///{tmp_path}/link.db", late_sync=True)
    yield database
    database.close()


def test_a_write_with_a_late_sync_returns_when_the_log_is_on_the_disk_and_others_write_meanwhile(
    late, tmp_path, monkeypatch
):
    synced, on_disk, go_on = [], threading.Event(), threading.Event()

    def syncs(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        on_disk.set()
        assert go_on.wait(60)

    monkeypatch.setattr(module, "_on_disk", syncs)
    write = late.submit(adds("first"))
    assert on_disk.wait(60)
    with closing(sqlite3.connect(tmp_path / "store.db", timeout=0, isolation_level=None)) as other:
        other.execute("begin immediate")
        other.execute("rollback")
    assert ("first" in names(late), write.done()) == (True, False)
    go_on.set()
    assert write.result(60) == "first"
    late.sync()
    assert synced == [(tmp_path / "store.db-wal").stat().st_ino] * 2


def test_after_a_sync_that_failed_no_write_is_confirmed(late, monkeypatch):
    def fails(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "_on_disk", fails)
    with pytest.raises(StoreError, match="which of the last ones are on it is unknown"):
        late.write(adds("first"))
    monkeypatch.undo()
    for again in (lambda: late.write(adds("second")), late.sync):
        with pytest.raises(StoreError, match="which of the last ones are on it is unknown"):
            again()


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

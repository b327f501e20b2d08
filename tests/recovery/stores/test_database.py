"""A database with one writing thread: shared commits, isolation, lost connections and late syncs."""

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import pytest
from sqlalchemy import Engine, event, insert, select, text, update

from recovery.stores import sqlite as module
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.tables import (
    META,
    VERSION,
)
from tests.recovery.conftest import emptied
from tests.recovery.stores.meta_rows import adds, names


@pytest.fixture
def commits():
    """How many transactions were committed so far."""
    seen = []

    def committed(connection):
        seen.append(connection)

    event.listen(Engine, "commit", committed)
    yield lambda: len(seen)
    event.remove(Engine, "commit", committed)


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

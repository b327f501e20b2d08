"""Acknowledged writes survive a kill during a write, and no write is partial."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random  # noqa: TID251 - with a seed
import signal
from pathlib import Path

import pytest

from recovery.audit import MemoryAudit
from recovery.journal import MemoryJournal
from recovery.model import Incident, Phase, TaskStatus
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.memory import MemoryTaskStore
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore
from tests.recovery.small_system import failure_of


class Stores:
    """A task store, a journal and a trail, in memory or in a database."""

    def __init__(self, database: Database | None = None) -> None:
        self.database = database
        if database is None:
            self.tasks, self.journal, self.audit = MemoryTaskStore(), MemoryJournal(), MemoryAudit(lambda: 0.0)
        else:
            self.tasks = SqlTaskStore(database)
            self.journal = SqlJournal(database, blocking=True)
            self.audit = SqlAudit(database, lambda: 0.0)

    def do(self, number: int) -> None:
        """The write of this number: of each kind, in turn, on one task after the other. Durable when it returns."""
        turn, kind = divmod(number, 12)
        task, incident = f"task.{turn}", Incident(turn, failure_of(f"task.{turn}"), float(turn))
        tasks, journal = self.tasks, self.journal
        (
            lambda: tasks.register(task),
            lambda: tasks.begin(task, "agent.0"),
            lambda: tasks.save_checkpoint(task, 1, 0.1),
            lambda: tasks.save_checkpoint(task, 1, 0.2),
            lambda: tasks.fail(task, 1, TaskStatus.FAILED, "E1"),
            lambda: journal.keep(incident),
            lambda: tasks.count_retry(task, "task_failure", 1),
            lambda: tasks.set_restore_point(task, tasks.checkpoints(task)[-1]),
            lambda: tasks.fence(task),
            lambda: self.audit.record("recovery.verified", turn, task),
            lambda: tasks.requeue(task) if turn % 3 else tasks.escalate(task, "enough"),
            lambda: (
                journal.forget(turn) if turn % 2 else setattr(incident, "phase", Phase.FAILED) or journal.keep(incident)
            ),
        )[kind]()
        if self.database is not None:
            asyncio.run(journal.durable())
            self.audit.flush()

    def state(self, turns: int) -> tuple[object, ...]:
        """All that there is to be known."""
        known = [task for task in (f"task.{turn}" for turn in range(turns)) if self.tasks.status(task) is not None]
        asked = ("status", "epoch", "checkpoints", "restore_point", "last_checkpoint")
        of_tasks = {task: [getattr(self.tasks, name)(task) for name in asked] for task in known}
        fenced = {task: [self.tasks.is_current(task, 1), self.tasks.retries(task, "task_failure")] for task in known}
        trail = list(self.audit.entries if self.database is None else self.audit.entries())
        return of_tasks, fenced, list(self.tasks.halted()), self.journal.unfinished(), self.journal.numbers(), trail


STOPS = ("before the write", "before the acknowledgement")
"""Where a program can stop and say so; otherwise it is killed at a random moment."""


def write_on(path: str, acknowledged: int, last: int, stop: str | None) -> None:
    """Write until killed, and acknowledge each write through a pipe. At the last write, stop and say so."""
    stores = Stores(Database(f"sqlite:///{path}"))
    for number in range(10_000):
        for place in STOPS:
            if number == last and stop == place:
                os.write(acknowledged, b"stopped")
                signal.pause()
            if place == "before the write":
                stores.do(number)
        os.write(acknowledged, b".")


def killed_after(path: Path, acknowledgements: int, pause: float, stop: str | None) -> int:
    """The number of writes acknowledged by a program that is killed after so many: so many seconds later, or where it
    stops.
    """
    read, write = os.pipe()
    context = multiprocessing.get_context("fork")
    program = context.Process(target=write_on, args=(str(path), write, acknowledgements, stop))
    program.start()
    os.close(write)
    said = b""
    while said.count(b".") < acknowledgements or (stop is not None and not said.endswith(b"stopped")):
        said += os.read(read, 1000)
    program.join(0 if stop else pause)
    os.kill(program.pid, signal.SIGKILL)
    program.join()
    while more := os.read(read, 1000):
        said += more
    os.close(read)
    return said.count(b".")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    "kills", [5, pytest.param(50, marks=pytest.mark.long), pytest.param(200, marks=pytest.mark.slow)]
)
def test_no_acknowledged_write_is_lost_or_partial(tmp_path, kills):
    """Killed at random moments, before a write, or between a write and its acknowledgement, the program leaves what
    memory has after as many writes, or after one more.
    """
    chance = random.Random(20261125)
    for kill in range(kills):
        path, stop = tmp_path / f"{kill}.db", [None, None, None, *STOPS][kill % 5]
        seen = killed_after(path, chance.randint(1, 40), chance.uniform(0, 0.003), stop)
        turns = seen // 12 + 2
        remembered = Stores()
        for number in range(seen):
            remembered.do(number)
        database = Database(f"sqlite:///{path}")
        found, trail = Stores(database).state(turns), SqlAudit(database, lambda: 0.0)
        assert trail.first_wrong() is None
        database.close()
        without = remembered.state(turns)
        remembered.do(seen)
        allowed = {None: [without, remembered.state(turns)], STOPS[0]: [without], STOPS[1]: [remembered.state(turns)]}
        assert found in allowed[stop]


@pytest.mark.long
def test_a_truncated_file_is_rejected_or_complete(tmp_path):
    """At every 512 bytes: nothing that was written is missing without a word."""
    path, cut = tmp_path / "whole.db", tmp_path / "cut.db"
    database = Database(f"sqlite:///{path}")
    stores = Stores(database)
    for number in range(60):
        stores.do(number)
    state = stores.state(6)
    database.close()
    whole = path.read_bytes()
    refused, reasons = 0, set()
    for length in range(0, len(whole) + 1, 512):
        cut.write_bytes(whole[:length])
        try:
            opened = Database(f"sqlite:///{cut}")
        except StoreError as error:
            reasons.add(str(error))
            refused += 1
            continue
        found = Stores(opened).state(6)
        opened.close()
        assert found == (state if length else Stores().state(6)), length
    page = 4096  # the last one may be empty, and nothing is missing without it
    assert refused >= (len(whole) - page) // 512 - 1  # the file of no bytes is a new store
    assert all("damaged" in each for each in reasons)

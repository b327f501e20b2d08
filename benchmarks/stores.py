"""The stores of the recovery core on a real disk, against bare sqlite3 doing the same commits in the same run.

    python benchmarks/stores.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from figures import ROUNDS, Row, main
from sqlalchemy import Engine, event, insert

from recovery import Supervisor, System
from recovery.model import Failure, FailureKind, Incident, Phase, TaskStatus
from recovery.stores import threaded
from recovery.stores.database import Database
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore
from recovery.stores.tables import TASKS

WRITERS = 32


def elapsed(work: Callable[[], object]) -> float:
    """Seconds of the wall clock: what counts here is the disk."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def checkpoints(folder: Path, writers: int, each: int) -> tuple[float, list[int]]:
    """Durable checkpoints a second by so many writers at a time, and how many each commit had, on average."""
    database = Database(f"sqlite:///{folder}/store.db")
    store = SqlTaskStore(database)
    for number in range(writers):
        store.register(f"task.{number}")
        store.begin(f"task.{number}", "agent.0")
    commits: list[object] = []
    noted = commits.append  # which has another identity each time that it is asked for
    event.listen(Engine, "commit", noted)

    def write(number: int) -> None:
        for step in range(each):
            store.save_checkpoint(f"task.{number}", 1, float(step))

    with ThreadPoolExecutor(writers) as threads:
        seconds = elapsed(lambda: list(threads.map(write, range(writers))))
    event.remove(Engine, "commit", noted)
    database.close()
    size, more = divmod(writers * each, len(commits))
    return writers * each / seconds, [size + 1] * more + [size] * (len(commits) - more)


def bare(folder: Path, commits: Sequence[int]) -> float:
    """Rows a second of bare sqlite3 that does the same: in each commit it reads the tasks, adds rows, counts them."""
    database = Database(f"sqlite:///{folder}/bare.db")
    store = SqlTaskStore(database)
    for number in range(WRITERS):
        store.register(f"task.{number}")
        store.begin(f"task.{number}", "agent.0")
    database.close()
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("pragma synchronous=full")

    def write() -> None:
        row = 0
        for count in commits:
            added = [(f"task.{(row + n) % WRITERS}", row + n, 1, 0.5, row + n, None) for n in range(count)]
            tasks = [task for task, *_ in added]
            marks = ", ".join("?" * count)
            connection.execute("begin immediate")
            asked = f"select status, epoch, fence, sequence, task_id from tasks where task_id in ({marks})"  # noqa: S608
            connection.execute(asked, tasks).fetchall()
            connection.executemany("insert into checkpoints values (?, ?, ?, ?, ?, ?)", added)
            connection.executemany("update tasks set sequence = ? where task_id = ?", [(r[1], r[0]) for r in added])
            connection.execute("commit")
            row += count

    seconds = elapsed(write)
    connection.close()
    return sum(commits) / seconds


class Nothing:
    """A port of a system in which nothing is asked for."""

    async def inspect(self, task_id: str) -> None:
        """Nobody knows the task."""


def resumed(folder: Path, count: int) -> float:
    """Seconds in which a core that is started has taken up so many recoveries, for tasks that have failed."""
    database = Database(f"sqlite:///{folder}/resumed.db")
    failed = [
        {"task_id": f"task.{n}", "status": TaskStatus.FAILED.value, "epoch": 1, "fence": 0, "halted": n}
        for n in range(count)
    ]
    database.write(lambda connection: connection.execute(insert(TASKS), failed))
    journal = SqlJournal(database, blocking=True)
    for number in range(count):
        failure = Failure(FailureKind.TASK, f"task.{number}", 0.0, {"error_code": "E1"})
        journal.keep(Incident(number, failure, 0.0, tries=1, phase=Phase.GRANTED, due=1e9, retry=1))
    asyncio.run(journal.durable())

    async def start() -> float:
        ports = dict.fromkeys(("tasks", "agents", "resources", "queues", "network", "logs"), cast("Any", Nothing()))
        store, audit = threaded(SqlTaskStore(database)), SqlAudit(database, time.monotonic)
        core = Supervisor({}, System(store=store, audit=audit, journal=SqlJournal(database), **ports))
        began = time.perf_counter()
        await core.start()
        seconds = time.perf_counter() - began
        if core.recoveries_open != count:
            raise RuntimeError(f"{core.recoveries_open} of {count} recoveries were taken up")
        await core.stop()
        return seconds

    seconds = asyncio.run(start())
    database.close()
    return seconds


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    rates: dict[int, list[float]] = {1: [], WRITERS: []}
    ratios: dict[int, list[float]] = {1: [], WRITERS: []}
    for _ in range(ROUNDS):
        for writers in (1, WRITERS):
            with tempfile.TemporaryDirectory() as folder:
                rate, commits = checkpoints(Path(folder), writers, (200 if quick else 2_000) // writers + 20)
                rates[writers].append(rate)
                ratios[writers].append(rate / bare(Path(folder), commits))
    with tempfile.TemporaryDirectory() as folder:
        seconds = resumed(Path(folder), 1_000 if quick else 10_000)
    return [
        Row(f"durable checkpoints a second, {WRITERS} writers", statistics.median(rates[WRITERS]), 1_000, 5_000),
        Row("one writer / bare sqlite3, the same commits", statistics.median(ratios[1]), 0.5, 0.6),
        Row(f"{WRITERS} writers / bare sqlite3, the same commits", statistics.median(ratios[WRITERS]), 0.1, 0.5),
        Row("10,000 unfinished recoveries taken up, seconds", seconds, 5, 2, False),
    ]


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))

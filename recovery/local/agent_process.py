"""An agent: a process that takes tasks from the queue, sends heartbeats, and commits effects."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from recovery.checkpoints import as_json
from recovery.local import agent_registry, log_store, task_queue
from recovery.local.attempt import Attempt, Fenced, Handler
from recovery.model import TaskStatus
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.sql_tasks import SqlTaskStore

LONGEST_CODE = 200


class Agent:
    """An agent in a process of its own. It ends on request, and when another process has its name."""

    def __init__(self, url: str | URL, name: str, handler: Handler, interval: float, poll: float) -> None:
        self.name = name
        self._database = Database(url, check=False)
        self._beats = Database(url, check=False, synchronous=False)  # a lost heartbeat does no harm
        self._tasks = SqlTaskStore(self._database)
        self._handler = handler
        self._interval = interval
        self._poll = poll
        self._attempt: Attempt | None = None
        self._over = threading.Event()
        self._replaced = threading.Event()
        self._incarnation = self._beats.write(lambda connection: agent_registry.arrive(connection, name, os.getpid()))

    def run(self) -> None:
        """Execute tasks until the agent ends; a started task is finished first."""
        signal.signal(signal.SIGTERM, lambda *_: self._over.set())
        threading.Thread(target=self._beat, name="heartbeats", daemon=True).start()
        while not self._over.is_set():
            try:
                taken = self._database.write(
                    lambda connection: task_queue.take(connection, self.name, self._incarnation)
                )
                if taken is not None:
                    self._execute(taken)
                    continue
            except StoreError as error:  # the core recovers the task, if there is one
                self._log(str(error))
            self._over.wait(self._poll)
        self._database.close()

    def _beat(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + self._interval, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            attempt = self._attempt
            progress = {} if attempt is None else {attempt.task_id: attempt.progress}
            try:
                if not self._say_that_it_lives(progress):
                    self._replaced.set()
                    self._over.set()
                    return
            except StoreError:
                continue

    def _say_that_it_lives(self, progress: Mapping[str, float]) -> bool:
        return self._beats.write(
            lambda connection: agent_registry.beat(connection, self.name, self._incarnation, progress)
        )

    def _execute(self, taken: task_queue.Taken) -> None:
        task_id, epoch = taken.task_id, taken.epoch
        try:
            self._attempt = Attempt(self._tasks, task_id, epoch, taken.payload)
            effect = as_json(f"{task_id}: the effect", self._handler(self._attempt))
        except Fenced as fenced:
            self._log(f"{log_store.REFUSED} {fenced}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a handler may raise anything
            code = str(getattr(error, "error_code", type(error).__name__))[:LONGEST_CODE]
            self._log("".join(traceback.format_exception_only(error)).strip())
            self._settle(
                lambda connection: task_queue.fail(connection, task_id, epoch, self.name, TaskStatus.FAILED, code)
            )
        else:
            if (
                self._settle(lambda connection: task_queue.commit(connection, task_id, epoch, self.name, effect))
                is False
            ):
                self._log(f"{log_store.REFUSED} {task_id}: effect of epoch {epoch}, which is fenced")
        finally:
            self._attempt = None

    def _settle(self, work: Callable[[Connection], bool]) -> bool | None:
        """Write the end of an attempt, and retry until the store can.

        None: another process has the name, and the core recovers the task.
        """
        while True:
            try:
                return self._database.write(work)
            except StoreError:
                if self._replaced.wait(self._poll):
                    return None

    def _log(self, line: str) -> None:
        path = f"{log_store.AGENT_LOGS}{self.name}"
        self._database.submit(lambda connection: log_store.write(connection, path, f"ERROR {self.name}: {line}"))

"""An agent: a process that takes tasks from the queue, sends heartbeats, and commits effects.

The core reads the heartbeats in memory. Those in the store are for other programs, which check that the system runs.
"""

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
from recovery.local.agent_registry import Beats
from recovery.local.attempt import Attempt, Fenced, Handler
from recovery.local.beat_memory import BeatSlot
from recovery.local.beats_store import opened_beats
from recovery.model import TaskStatus
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.sql_tasks import SqlTaskStore

LONGEST_CODE = 200
UNANSWERED = "store_unanswered"
"""The error code of a task that was taken by a transaction whose answer was lost."""


class Agent:
    """An agent in a process of its own. It ends on request, and when another process has its name."""

    def __init__(
        self,
        url: str | URL,
        name: str,
        handler: Handler,
        interval: float,
        poll: float,
        slot: BeatSlot | None = None,
    ) -> None:
        self.name = name
        self._slot = slot
        self._database = Database(url, late_sync=True, check=False)
        self._url = url
        self._beats: Database | None = None
        self._tasks = SqlTaskStore(self._database)
        self._handler = handler
        self._interval = interval
        self._poll = poll
        self._attempt: Attempt | None = None
        self._may_have_more = False  # tasks that it has taken without an answer of the store
        self._over = threading.Event()
        self._replaced = threading.Event()
        self._pid = pid = os.getpid()
        self._sent = 0
        self._is_entered = False
        self._incarnation = self._database.write(lambda connection: agent_registry.arrive(connection, name, pid))
        self._beat()

    def run(self) -> None:
        """Execute tasks until the agent ends; a started task is finished first."""
        signal.signal(signal.SIGTERM, lambda *_: self._over.set())
        for work, called in ((self._beat, "heartbeats"), (self._beat_in_store, "presence")):
            threading.Thread(target=self._repeat, args=(work,), name=called, daemon=True).start()
        taken: task_queue.Taken | None = None
        while taken is not None or not self._over.is_set():
            try:
                taken = self._look() if taken is None else self._execute(taken)
            except StoreError as error:
                self._may_have_more = True
                self._log(str(error))
            if taken is None:
                self._over.wait(self._poll)
        self._database.close()

    def close(self) -> None:
        """Close the databases of an agent that does not run."""
        for each in (self._database, self._beats):
            if each is not None:
                each.close()

    def _look(self) -> task_queue.Taken | None:
        """Take a task, if any waits. Whether one does is read without the lock of the store, which others need."""
        if not self._may_have_more and not self._database.read(task_queue.is_waiting):
            return None
        taken = self._database.write(self._take)
        self._may_have_more = False
        return taken

    def _take(self, connection: Connection) -> task_queue.Taken | None:
        """Take the next task, unless the agent ends.

        After an error of the store, a task may have been taken without an answer. The core recovers it.
        """
        if self._over.is_set():
            return None
        if self._may_have_more:
            task_queue.abandon_all(connection, self.name, self._incarnation, UNANSWERED)
        return task_queue.take(connection, self.name, self._incarnation)

    def _repeat(self, work: Callable[[], bool]) -> None:
        """Repeat something every heartbeat interval, until it returns False: another process has the name."""
        due = time.monotonic()
        while not self._replaced.is_set():
            due = max(due + self._interval, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not work():
                    self._replaced.set()
                    self._over.set()
            except StoreError:
                continue

    def _progress(self) -> Mapping[str, float]:
        attempt = self._attempt
        return {} if attempt is None else {attempt.task_id: attempt.progress}

    def _beat(self) -> bool:
        """Send a heartbeat to the core. False: another process has the name."""
        self._sent += 1
        return self._slot is None or self._slot.beat(
            Beats(self.name, self._incarnation, self._pid, self._sent, self._progress())
        )

    def _beat_in_store(self) -> bool:
        """Send a heartbeat to other programs, which may take a while. False: another process has the name."""
        mine, progress = (self.name, self._incarnation), self._progress()
        if self._beats is None:  # not before: a process that is stopped while it writes there locks it
            self._beats = opened_beats(self._url)
        if not self._is_entered:
            self._beats.write(lambda connection: agent_registry.enter(connection, *mine, self._pid))
            self._is_entered = True
        return self._beats.write(lambda connection: agent_registry.beat(connection, *mine, progress)) and (
            self._database.read(lambda connection: agent_registry.has_name(connection, *mine))
        )

    def _execute(self, taken: task_queue.Taken) -> task_queue.Taken | None:
        """Execute a task. Its end and the start of the next one are one transaction; returns the next one."""
        task_id, epoch = taken.task_id, taken.epoch
        try:
            self._attempt = Attempt(self._tasks, task_id, epoch, taken.payload, taken.start)
            effect = as_json(f"{task_id}: the effect", self._handler(self._attempt))
        except Fenced as fenced:
            self._log(f"{log_store.REFUSED} {fenced}")
            return None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a handler may raise anything
            code = str(getattr(error, "error_code", type(error).__name__))[:LONGEST_CODE]
            self._log("".join(traceback.format_exception_only(error)).strip())
            return self._settle(
                lambda connection: task_queue.fail(connection, task_id, epoch, self.name, TaskStatus.FAILED, code)
            )[1]
        finally:
            self._attempt = None
        is_committed, following = self._settle(lambda connection: self._commit(connection, task_id, epoch, effect))
        if is_committed is False:
            self._log(f"{log_store.REFUSED} {task_id}: effect of epoch {epoch}, which is fenced")
        return following

    def _commit(self, connection: Connection, task_id: str, epoch: int, effect: str) -> bool:
        """Commit an effect. After an error of the store, it may be committed already."""
        return task_queue.commit(connection, task_id, epoch, self.name, effect) or (
            self._may_have_more and task_queue.has_effect(connection, task_id, epoch, self.name)
        )

    def _settle(self, work: Callable[[Connection], bool]) -> tuple[bool | None, task_queue.Taken | None]:
        """Write the end of an attempt, and retry until the store can. Returns its result, and the next task.

        The result is None if another process has the name, and the core recovers the task.
        """
        while True:
            try:
                settled = self._database.write(lambda connection: (work(connection), self._take(connection)))
            except StoreError:
                self._may_have_more = True
                if self._replaced.wait(self._poll):
                    return None, None
            else:
                self._may_have_more = False
                return settled

    def _log(self, line: str) -> None:
        path = f"{log_store.AGENT_LOGS}{self.name}"
        self._database.submit(lambda connection: log_store.write(connection, path, f"ERROR {self.name}: {line}"))

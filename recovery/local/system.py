"""A local system: a store, agents that work on its tasks, and cores that recover what fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from signal import Signals
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection

from recovery.local import agent_registry, log_store, resource_pools, task_queue
from recovery.local.attempt import Handler
from recovery.local.beats_store import are_apart, known_agents, opened_beats
from recovery.local.config import LocalConfig
from recovery.local.fork_server_client import ForkServerProcess
from recovery.local.stored_config import count_system, keep_config, systems
from recovery.model import FINISHED, TaskStatus
from recovery.stores.database import Database
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_tasks import SqlTaskStore

Result = TypeVar("Result")
RESTARTED = "system_restarted"
"""The error code of tasks that ran when an earlier system ended."""
LOOK_SECONDS = 0.02
LOOKS_PER_CHECK = 50
"""How often the queue is read while it is full, per check that there are agents."""
START_SECONDS = 30.0


class LocalSystem:
    """Agents and cores as processes of this machine, with a store. They run within a `with` block.

    `url` is that of a store (`recovery.stores.database`). `handler` executes a task: a function of a module or of the
    running program, or its name as `module:function`. `config` is a `LocalConfig` or a mapping for one. A program with
    its own handler needs `if __name__ == "__main__":`, because agents import it.

    Requires fork: Linux and macOS. Raises ValueError if the handler cannot be imported, StoreError if the store cannot
    be opened, RuntimeError if another system uses it.
    """

    def __init__(self, url: str, handler: Handler | str, config: LocalConfig | Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.config = LocalConfig.model_validate(config or {})
        self.database = Database(url, late_sync=True)
        self._beats = opened_beats(url, check=True) if are_apart(url) else self.database
        self._handler = handler
        self._fork_server: ForkServerProcess | None = None

    def __enter__(self) -> LocalSystem:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(self.config.grace if kind is None else 0.0)

    def _start(self) -> None:
        before = self._check_no_other_system()
        self._fork_server = ForkServerProcess(self.url, self._handler, self.config)
        is_alone = self._seen() == before
        if not is_alone or not self.database.write(lambda connection: _begin_anew(connection, before, self.config)):
            raise RuntimeError(self._other)
        if self._beats is not self.database:
            self._beats.write(agent_registry.forget_all)
        for number in range(self.config.agents):
            self._fork_server.ask("agent", name=f"agent.{number}")
        for number in range(self.config.cores):
            self._fork_server.ask("core", name=f"core.{number}")
        until = time.monotonic() + START_SECONDS
        while len(self.database.read(agent_registry.known)) < self.config.agents:
            if time.monotonic() >= until:
                raise RuntimeError(f"the agents have not started within {START_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)

    def _check_no_other_system(self) -> Seen:
        """The state of an earlier system. Raises RuntimeError if it still runs, by its heartbeats."""
        before = self._seen()
        if before[1]:
            detection = self.config.recovery.detection
            until = time.monotonic() + max(1.0, detection.heartbeat_interval * detection.missed_heartbeats)
            while time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
                if self._seen() != before:
                    raise RuntimeError(self._other)
        return before

    def _seen(self) -> Seen:
        return self.database.read(systems), known_agents(self.database, self._beats)

    @property
    def _other(self) -> str:
        return f"{self.database.place}: another system runs on it; valid: when that has ended"

    def close(self, grace: float = 0.0) -> None:
        """End all processes, also stopped ones; agents may finish their tasks within `grace` seconds.

        This takes `grace` for cores, `grace` for agents, and at most 2 × 10 s more if the fork server does not answer.
        """
        fork_server, self._fork_server = self._fork_server, None
        if fork_server is not None:
            try:
                fork_server.end(grace)
            finally:
                fork_server.close()
        if self._beats is not self.database:
            self._beats.close()
        self.database.close()

    # ------------------------------------------------------------------------------------------------- tasks
    def set_pool(self, name: str, units: int) -> None:
        """Create a resource pool, or set its units."""
        if type(units) is not int or units < 0:
            raise ValueError(f"{name}: {units} units; valid: 0 or more")
        self.database.write(lambda connection: resource_pools.set_pool(connection, name, units))

    def put_in_service(self, name: str, units: int) -> None:
        """Set the units of a pool that are in service. Raises KeyError, ValueError."""
        self.database.write(lambda connection: resource_pools.put_in_service(connection, name, units))

    def submit(
        self, task_id: str, payload: Any = None, needs: Mapping[str, int] | None = None, *, timeout: float | None = None
    ) -> None:
        """Submit a task with a JSON payload. It is durable when this returns.

        If `max_waiting` tasks wait, it blocks until fewer do. Raises QueueFull after `timeout` seconds, at once if the
        system does not run; ForkServerExited if the agents have ended; ValueError if the name exists, if the payload is
        not JSON or too large, and if no pool has the `needs`.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                self.database.write(
                    lambda connection: task_queue.submit(
                        connection, task_id, payload, needs or {}, self.config.max_waiting
                    )
                )
            except task_queue.QueueFull:
                if self._fork_server is None or (until is not None and time.monotonic() >= until):
                    raise
                self._until_fewer_wait(until)
            else:
                return

    def _until_fewer_wait(self, until: float | None) -> None:
        """Return when the queue is not full, or at the instant `until`. Raises ForkServerExited."""
        looks = 0
        while self.database.read(task_queue.depth) >= self.config.max_waiting:
            if until is not None and time.monotonic() >= until:
                return
            if looks % LOOKS_PER_CHECK == 0:
                self.processes()  # raises an error if nobody can take a task
            looks += 1
            time.sleep(LOOK_SECONDS)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every task is completed or escalated. False: `timeout` seconds have passed."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            began = time.monotonic()
            if all(status in FINISHED for status in self.database.read(task_queue.statuses)):
                self.database.sync()
                return True
            now = time.monotonic()
            if until is not None and now >= until:
                return False
            time.sleep(max(LOOK_SECONDS, now - began))  # to count many tasks takes a while, which agents need more

    def statuses(self) -> dict[TaskStatus, int]:
        """The number of tasks by status. What it counts is on the disk."""
        return self._on_disk(task_queue.statuses)

    def effects(self) -> dict[str, Any]:
        """The effect of each completed task. All of them are on the disk."""
        return self._on_disk(task_queue.effects)

    def _on_disk(self, question: Callable[[Connection], Result]) -> Result:
        """The answer, when the disk has everything that it is about."""
        found = self.database.read(question)
        self.database.sync()
        return found

    # ------------------------------------------------------------------------------------------- what goes on
    @property
    def audit(self) -> SqlAudit:
        """The audit trail of the cores."""
        return SqlAudit(self.database, time.time)

    @property
    def tasks(self) -> SqlTaskStore:
        """The task store."""
        return SqlTaskStore(self.database)

    def logs(self, path: str = "/", pattern: str = "") -> Sequence[str]:
        """The log lines below a path that match a regular expression."""
        return self.database.read(lambda connection: log_store.search(connection, path, pattern))

    def processes(self) -> dict[int, str]:
        """The names of the running processes by process id."""
        return {pid: name for pid, _, name in self._running.ask("processes")}

    def signal(self, pid: int, number: int) -> bool:
        """Send a signal to one of the processes, for fault injection. False: there is no such process.

        Raises ValueError if the number is not a signal.
        """
        sent: bool = self._running.ask("signal", pid=pid, signal=int(Signals(number)))
        return sent

    @property
    def _running(self) -> ForkServerProcess:
        if self._fork_server is None:
            raise RuntimeError("the system does not run; valid: within `with`")
        return self._fork_server


Seen = tuple[int, list[agent_registry.Beats]]
"""The number of systems on a store, and the agents of the last one."""


def _begin_anew(connection: Connection, before: Seen, config: LocalConfig) -> bool:
    """Set the running tasks of an earlier system to failed, for the core, and remove its agents.

    False: another system has started since `before`, and nothing was changed.
    """
    if systems(connection) != before[0]:
        return False
    count_system(connection)
    keep_config(connection, config)
    for task_id in task_queue.had_by(connection):
        task_queue.abandon(connection, task_id, RESTARTED)
    agent_registry.dismiss_all(connection)
    return True

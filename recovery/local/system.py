"""A local system: a store, agents that work on its tasks, and cores that recover what fails."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from signal import Signals
from types import TracebackType
from typing import Any

from sqlalchemy import Connection

from recovery.local import agent_registry, log_store, resource_pools, task_queue
from recovery.local.attempt import Handler
from recovery.local.config import LocalConfig
from recovery.local.fork_server_client import Nursery
from recovery.local.stored_config import count_system, keep_config, systems
from recovery.model import FINISHED, TaskStatus
from recovery.stores.database import Database
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_tasks import SqlTaskStore

RESTARTED = "system_restarted"
"""The error code of tasks that were under way when an earlier system ended."""
LOOK_SECONDS = 0.02
START_SECONDS = 30.0


class LocalSystem:
    """Agents and cores on a store, as processes of this machine; they run within `with`, and not beyond it.

    `url` is that of a store (`recovery.stores.database`), `handler` does the work of a task: a function of a module or
    of the program that runs, or its name as `module:function`. `config` is a `LocalConfig` or a mapping for one. A
    program that uses its own function does all this below `if __name__ == "__main__":`, as agents import it.

    Processes fork: Linux and macOS. Raises ValueError for a handler that cannot be imported, StoreError for a store
    that cannot be opened, RuntimeError when another system runs on it.
    """

    def __init__(self, url: str, handler: Handler | str, config: LocalConfig | Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.config = LocalConfig.model_validate(config or {})
        self.database = Database(url)
        self._handler = handler
        self._nursery: Nursery | None = None

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
        before = self._nobody_else()
        self._nursery = Nursery(self.url, self._handler, self.config)
        if not self.database.write(lambda connection: _begin_anew(connection, before, self.config)):
            raise RuntimeError(self._other)
        for number in range(self.config.agents):
            self._nursery.ask("agent", name=f"agent.{number}")
        for number in range(self.config.cores):
            self._nursery.ask("core", name=f"core.{number}")
        until = time.monotonic() + START_SECONDS
        while len(self.database.read(agent_registry.known)) < self.config.agents:
            if time.monotonic() >= until:
                raise RuntimeError(f"the agents have not started within {START_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)

    def _nobody_else(self) -> Seen:
        """What is there of an earlier system. Raises RuntimeError when it still runs: its agents beat."""
        before = self.database.read(_seen)
        if before[1]:
            detection = self.config.recovery.detection
            until = time.monotonic() + max(1.0, detection.heartbeat_interval * detection.missed_heartbeats)
            while time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
                if self.database.read(_seen) != before:
                    raise RuntimeError(self._other)
        return before

    @property
    def _other(self) -> str:
        return f"{self.database.place}: another system runs on it; valid: when that has ended"

    def close(self, grace: float = 0.0) -> None:
        """End all processes; agents may finish what they do for `grace` seconds."""
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            try:
                nursery.ask("end", grace=grace)
            finally:
                nursery.close()
        self.database.close()

    # ------------------------------------------------------------------------------------------------- tasks
    def set_pool(self, name: str, units: int) -> None:
        """There is a pool of so many units of a resource that tasks may need."""
        if type(units) is not int or units < 0:
            raise ValueError(f"{name}: {units} units; valid: 0 or more")
        self.database.write(lambda connection: resource_pools.set_pool(connection, name, units))

    def put_in_service(self, name: str, units: int) -> None:
        """So many units of a pool are in service from now on. Raises KeyError, ValueError."""
        self.database.write(lambda connection: resource_pools.put_in_service(connection, name, units))

    def submit(self, task_id: str, payload: Any = None, needs: Mapping[str, int] | None = None) -> None:
        """Put a task into the queue; `payload` is JSON. It is durable when this returns.

        Raises ValueError for a task of which there is one already, for what is not JSON or too large, and for `needs`
        that no pool has.
        """
        self.database.write(lambda connection: task_queue.submit(connection, task_id, payload, needs or {}))

    def wait(self, timeout: float | None = None) -> bool:
        """Return when every task is completed or an operator's. False: some are not, after `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while any(status not in FINISHED for status in self.statuses()):
            if until is not None and time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def statuses(self) -> dict[TaskStatus, int]:
        """How many tasks stand where."""
        return self.database.read(task_queue.statuses)

    def effects(self) -> dict[str, Any]:
        """The effect of each task that is completed."""
        return self.database.read(task_queue.effects)

    # ------------------------------------------------------------------------------------------- what goes on
    @property
    def audit(self) -> SqlAudit:
        """What the cores have done."""
        return SqlAudit(self.database, time.time)

    @property
    def tasks(self) -> SqlTaskStore:
        """Where tasks stand, with which checkpoints."""
        return SqlTaskStore(self.database)

    def logs(self, path: str = "/", pattern: str = "") -> Sequence[str]:
        """Lines of the logs below a path that match a regular expression."""
        return self.database.read(lambda connection: log_store.search(connection, path, pattern))

    def processes(self) -> dict[int, str]:
        """The processes that are there, the name of each by its id."""
        return {pid: name for pid, _, name in self._running.ask("processes")}

    def signal(self, pid: int, number: int) -> bool:
        """Send a signal to one of the processes, as somebody might who means it ill. False: it is not there.

        Raises ValueError for a number that is no signal.
        """
        sent: bool = self._running.ask("signal", pid=pid, signal=int(Signals(number)))
        return sent

    @property
    def _running(self) -> Nursery:
        if self._nursery is None:
            raise RuntimeError("the system does not run; valid: within `with`")
        return self._nursery


Seen = tuple[int, list[agent_registry.Beats]]
"""How many systems there have been on a store, and the agents of the last one."""


def _seen(connection: Connection) -> Seen:
    return systems(connection), agent_registry.known(connection)


def _begin_anew(connection: Connection, before: Seen, config: LocalConfig) -> bool:
    """What an earlier system has left under way has failed, which the core sees to; its agents are gone.

    False: nothing was done, for another system has begun since `before`.
    """
    if _seen(connection) != before:
        return False
    count_system(connection)
    keep_config(connection, config)
    for task_id in task_queue.had_by(connection):
        task_queue.abandon(connection, task_id, RESTARTED)
    agent_registry.dismiss_all(connection)
    return True

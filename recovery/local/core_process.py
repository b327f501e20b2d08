"""A core in a process of its own: it waits for the lease, and recovers while it leads."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.engine import URL

from recovery.config import DetectionConfig
from recovery.detection.failure_detector import regular_heartbeat_timeout
from recovery.detection.orphaned_tasks import orphaned_tasks
from recovery.leadership import Candidate, Lease
from recovery.local.beats_store import are_apart, opened_beats
from recovery.local.completions import Completions
from recovery.local.config import LocalConfig
from recovery.local.ports import LocalAgents, StartAgent, local_ports
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.sql_leases import SqlLeases, only_with
from recovery.supervision.supervisor import Supervisor

LEADER = "leader"
"""The name of the lease."""


@dataclass(frozen=True, slots=True)
class CoreName:
    """The name of a core and its process id, which identify the holder of the lease."""

    name: str
    pid: int

    def __str__(self) -> str:
        """The holder in the store: `core.0 (4711)`."""
        return f"{self.name} ({self.pid})"

    @classmethod
    def from_holder(cls, holder: str) -> CoreName:
        """The core that is this holder. Raises ValueError for any other text."""
        name, _, pid = holder.removesuffix(")").rpartition(" (")
        return cls(name, int(pid))


class Observation:
    """Up to which instant (s of the loop's clock) the core has read the heartbeats of agents.

    A core that was stopped or slow has read none for a while. It must not blame the agents for that.
    """

    def __init__(self, detection: DetectionConfig) -> None:
        self.until = asyncio.get_running_loop().time()
        self._timeout = regular_heartbeat_timeout(detection)
        self._was_late = False

    def continues(self, began: float) -> bool:
        """Record that heartbeats were read from this instant on. True: those of before are late.

        Agents get their whole timeout again then. They do not get it twice in a row: where each look is late, an agent
        that has failed is detected all the same.
        """
        is_late, self.until = began - self.until > self._timeout, began
        excuses, self._was_late = is_late and not self._was_late, is_late
        return excuses


class Core:
    """A core. Its writes are refused if another one leads."""

    def __init__(self, url: str | URL, name: str, config: LocalConfig, start: StartAgent) -> None:
        self._database = Database(url, check=False)
        self._beats = opened_beats(url) if are_apart(url) else None
        self._name = name
        self._config = config
        self._start = start

    async def run(self) -> None:
        """Lead while it holds the lease, until cancelled."""
        leases = SqlLeases(self._database)
        try:
            await Candidate(leases, LEADER, self._name, self._config.lease, self._lead).run()
        finally:
            if self._beats is not None:
                self._beats.close()
            self._database.close()

    async def _lead(self, lease: Lease) -> None:
        mine = self._database.guarded(only_with(lease))
        system, agents = local_ports(mine, self._start, self._config, self._beats)
        look = Observation(self._config.recovery.detection)
        supervisor = Supervisor(self._config.recovery, system, observed=lambda: look.until)
        watched: set[str] = set()
        completions = Completions(mine, supervisor)
        await supervisor.start()
        try:
            while True:
                with suppress(StoreError):  # for instance locked: repeated at the next poll
                    await completions.look()
                    await self._look(supervisor, agents, watched, look)
                await asyncio.sleep(self._config.poll)
        finally:
            await supervisor.stop()

    async def _look(
        self, supervisor: Supervisor, agents: LocalAgents, watched: set[str], observation: Observation
    ) -> None:
        """Pass the heartbeats and failures in the store to the supervisor."""
        began = asyncio.get_running_loop().time()
        beaten = await agents.beaten()
        if observation.continues(began):
            supervisor.heartbeats_not_read()
        for agent in beaten:
            if agent.name in watched:
                supervisor.heartbeat(agent.name, agent.progress)
            else:  # its heartbeat may be an old one
                watched.add(agent.name)
                supervisor.watch(agent.name)
        now = asyncio.get_running_loop().time()
        for failure in await orphaned_tasks(supervisor.system, now, supervisor.is_recovering):
            if not supervisor.is_recovering(failure.subject):  # it may have begun meanwhile
                supervisor.report(failure)


def run(url: str | URL, name: str, config: LocalConfig, start: StartAgent) -> None:
    """Run a core until it is stopped."""

    async def main() -> None:
        this = asyncio.current_task()
        assert this is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        with suppress(asyncio.CancelledError):
            await Core(url, name, config, start).run()

    asyncio.run(main())

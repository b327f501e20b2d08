"""A core in a process of its own: it waits for the lease, and recovers while it leads."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from sqlalchemy.engine import URL

from recovery.config import DetectionConfig
from recovery.detection.failure_detector import regular_heartbeat_timeout
from recovery.detection.orphaned_tasks import orphaned_tasks
from recovery.leadership import Candidate, Lease
from recovery.local.beat_memory import BeatMemory
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

    A core that was stopped or slow has read none for a while, and if the whole machine was slow, agents have sent none.
    Agents are not suspected for that: between two looks, at most one heartbeat interval counts as silence, or `poll` if
    that is longer. An agent that has failed is detected even if each look is late.
    """

    def __init__(self, detection: DetectionConfig, poll: float = 0.0) -> None:
        self.until = asyncio.get_running_loop().time()
        self._timeout = regular_heartbeat_timeout(detection)
        self._regular = max(detection.heartbeat_interval, poll)
        self._was_late = False

    def unread(self, began: float) -> float:
        """Record that heartbeats were read from this instant on; returns the seconds that are not part of a silence.

        After a look that is late by more than the timeout, it is infinite: agents have the whole timeout again. They
        do not have it twice in a row.
        """
        gap, self.until = began - self.until, began
        is_late = gap > self._timeout
        excuses, self._was_late = is_late and not self._was_late, is_late
        return inf if excuses else max(0.0, gap - self._regular)


class Core:
    """A core. Its writes are refused if another one leads."""

    def __init__(self, url: str | URL, name: str, config: LocalConfig, start: StartAgent, beats: BeatMemory) -> None:
        self._database = Database(url, check=False)
        self._beats = beats
        self._name = name
        self._config = config
        self._start = start

    async def run(self) -> None:
        """Lead while it holds the lease, until cancelled."""
        leases = SqlLeases(self._database)
        try:
            await Candidate(leases, LEADER, self._name, self._config.lease, self._lead).run()
        finally:
            self._database.close()

    async def _lead(self, lease: Lease) -> None:
        mine = self._database.guarded(only_with(lease))
        system, agents = local_ports(mine, self._start, self._config, self._beats)
        look = Observation(self._config.recovery.detection, self._config.poll)
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
        unread = observation.unread(began)
        if unread:
            supervisor.heartbeats_not_read(unread)
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


def run(url: str | URL, name: str, config: LocalConfig, start: StartAgent, beats: BeatMemory) -> None:
    """Run a core until it is stopped."""

    async def main() -> None:
        this = asyncio.current_task()
        assert this is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        with suppress(asyncio.CancelledError):
            await Core(url, name, config, start, beats).run()

    asyncio.run(main())

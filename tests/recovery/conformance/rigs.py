"""Rigs: the small system of the tests, and the local ports with agents that only send heartbeats."""

import asyncio
import threading
from dataclasses import replace

from recovery.journal import MemoryJournal
from recovery.local import LocalConfig, agent_registry, resource_pools, task_queue
from recovery.local.ports import local_ports
from recovery.model import TaskStatus
from tests.recovery.small_system import SmallSystem

POOLS = {"gpu": 4, "tpu": 2}
INTERVAL = 0.05


class SmallRig:
    """Over dictionaries and lists."""

    def __init__(self, system=None):
        self.small = SmallSystem() if system is None else system
        self.small.units = dict(POOLS)
        self.small.available = dict(POOLS)
        self.system = replace(self.small.ports, journal=MemoryJournal())
        self.agents = ("agent.0", "agent.1")
        self.pools = POOLS

    async def submit(self, task_id, needs):
        self.small.submit(task_id, **needs)

    async def begin(self, task_id, agent_id):
        return self.small.start(task_id, agent_id)

    async def fail(self, task_id, epoch):
        self.small.fail(task_id)

    async def lose(self, agent_id):
        self.small.up[agent_id] = False

    async def close(self):
        pass


class LocalRig:
    """A rig on a database, with agents that only send heartbeats."""

    def __init__(self, database):
        self.database = database
        config = LocalConfig.model_validate({"recovery": {"detection": {"heartbeat_interval": INTERVAL}}})
        self.system, self.ports = local_ports(database, self._start, config)
        self.agents = ("agent.0", "agent.1")
        self.pools = POOLS
        self._beating = set()
        self._incarnations = {}
        self._pid = 0
        for name, units in POOLS.items():
            self._do(resource_pools.set_pool, name, units)
        for name in self.agents:
            self._arrive(name)
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat)
        self._heart.start()

    def _do(self, function, *args):
        return self.database.write(lambda connection: function(connection, *args))

    def _arrive(self, name):
        self._pid += 1
        self._incarnations[name] = self._do(agent_registry.arrive, name, self._pid)
        self._beating.add(name)
        return self._pid

    async def _start(self, name):
        return self._arrive(name)

    def _beat(self):
        while not self._over.wait(INTERVAL / 2):
            for name in sorted(self._beating):
                self._do(agent_registry.beat, name, self._incarnations[name], {})

    async def submit(self, task_id, needs):
        self._do(task_queue.submit, task_id, None, needs)

    async def begin(self, task_id, agent_id):
        taken = self._do(task_queue.take, agent_id, self._incarnations[agent_id])
        assert taken is not None
        assert taken.task_id == task_id
        return taken.epoch

    async def fail(self, task_id, epoch):
        assert self._do(task_queue.fail, task_id, epoch, "agent.0", TaskStatus.FAILED, "E1")

    async def lose(self, agent_id):
        self._beating.remove(agent_id)
        await asyncio.sleep(INTERVAL)
        await self.ports.beaten()
        await asyncio.sleep(3 * INTERVAL)

    async def close(self):
        self._over.set()
        self._heart.join()

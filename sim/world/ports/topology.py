"""The dependencies in the world, for the recovery core."""

from __future__ import annotations

from collections.abc import Sequence

from sim.world.links import covers
from sim.world.world import World


class WorldTopology:
    """Implements `recovery.ports.TopologyPort`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def agents_of(self, endpoint: str) -> Sequence[str]:
        """The agents that an endpoint or group stands for, in their order."""
        return [agent.name for agent in self._world.agents.all if covers(endpoint, agent.name)]

    async def holders(self, pool: str) -> Sequence[str]:
        """Tasks that hold units of the pool, in order of allocation."""
        pools = self._world.pools
        return [f"task.{number}" for number in pools.holders if pools.held(number).get(pool, 0)]

    async def waiters(self, pool: str) -> Sequence[str]:
        """Tasks that wait for units of the pool, first come first."""
        return [f"task.{number}" for number in self._world.pools.waiters(pool)]

    async def waiting(self, queue_id: str) -> Sequence[str]:
        """Tasks in the queue, in order."""
        return [task.name for task in self._world.queue.waiting] if queue_id == self._world.queue.name else []

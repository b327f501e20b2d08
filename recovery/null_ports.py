"""Ports of what a system does not have: no pools of resources, no network of its own, no logs.

Whoever has agents and tasks, and nothing else that fails, implements the ports of those and takes these for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recovery.model import LinkHealth, QueueHealth, ResourceHealth


class NoResources:
    """A `ResourcePort` of a system whose tasks need nothing but an agent."""

    async def health(self, names: Sequence[str]) -> Sequence[ResourceHealth]:
        """There are no pools."""
        return ()

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """Nothing is needed."""
        return {}

    async def held(self, task_id: str) -> Mapping[str, int]:
        """Nothing is held."""
        return {}

    async def release(self, task_id: str) -> Mapping[str, int]:
        """There is nothing to give back."""
        return {}

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Nothing is had at once; of a pool that does not exist, there is none."""
        return None if any(requirements.values()) else {}

    async def metrics(self, names: Sequence[str], timeframe: float) -> Mapping[str, float]:
        """There are no pools."""
        return {}


class NoQueues:
    """A `QueuePort` of a system whose queue never loses or keeps back anything."""

    async def health(self, queue_ids: Sequence[str]) -> Sequence[QueueHealth]:
        """There is nothing to probe."""
        return ()

    async def replay(self, queue_ids: Sequence[str], since: float) -> int:
        """Nothing is undelivered."""
        return 0


class NoNetwork:
    """A `NetworkPort` of a system whose parts are always connected."""

    async def status(self, endpoints: Sequence[str]) -> Sequence[LinkHealth]:
        """All are connected."""
        pairs = [(one, other) for place, one in enumerate(endpoints) for other in endpoints[place + 1 :]]
        return [LinkHealth(pair, connected=True) for pair in pairs]

    async def reset(self, endpoints: Sequence[str]) -> bool:
        """They are connected."""
        return True


class NoLogs:
    """A `LogPort` of a system that writes none."""

    async def search(self, path: str, pattern: str, timeframe: float) -> Sequence[str]:
        """No line is there."""
        return ()

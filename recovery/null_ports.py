"""Null ports: implementations for systems without resource pools, queues, a network or logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recovery.model import LinkHealth, QueueHealth, ResourceHealth


class NoResources:
    """A `ResourcePort` without pools: tasks need no resources."""

    async def health(self, names: Sequence[str]) -> Sequence[ResourceHealth]:
        """Returns nothing: there are no pools."""
        return ()

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """Returns nothing: tasks need no resources."""
        return {}

    async def held(self, task_id: str) -> Mapping[str, int]:
        """Returns nothing: tasks hold no resources."""
        return {}

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Returns nothing: tasks hold no resources."""
        return {}

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Succeeds without requirements only."""
        return None if any(requirements.values()) else {}

    async def metrics(self, names: Sequence[str], timeframe: float) -> Mapping[str, float]:
        """Returns nothing: there are no pools."""
        return {}


class NoQueues:
    """A `QueuePort` without queues to probe: messages are always delivered."""

    async def health(self, queue_ids: Sequence[str]) -> Sequence[QueueHealth]:
        """Returns nothing."""
        return ()

    async def replay(self, queue_ids: Sequence[str], since: float) -> int:
        """Returns 0: there are no undelivered messages."""
        return 0


class NoNetwork:
    """A `NetworkPort` of endpoints that are always connected."""

    async def status(self, endpoints: Sequence[str]) -> Sequence[LinkHealth]:
        """All endpoints are connected."""
        pairs = [(one, other) for place, one in enumerate(endpoints) for other in endpoints[place + 1 :]]
        return [LinkHealth(pair, connected=True) for pair in pairs]

    async def reset(self, endpoints: Sequence[str]) -> bool:
        """Always True."""
        return True


class NoLogs:
    """A `LogPort` without logs."""

    async def search(self, path: str, pattern: str, timeframe: float) -> Sequence[str]:
        """Returns nothing."""
        return ()

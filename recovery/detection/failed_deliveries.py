"""Failed deliveries: broken connections, by failed sends."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FailedDeliveryDetector:
    """Counts failed sends by connection, until it is restored. `tolerated` of them are not reported."""

    tolerated: int = 0
    _failed: dict[str, int] = field(default_factory=dict)

    def failed(self, link: str) -> bool:
        """Record a failed send. Returns whether there are more than `tolerated`."""
        self._failed[link] = self._failed.get(link, 0) + 1
        return self._failed[link] > self.tolerated

    def restored(self, link: str) -> None:
        """Record that the connection works again."""
        self._failed.pop(link, None)

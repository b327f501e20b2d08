"""Failed deliveries: a connection over which nothing can be sent."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class DeliveryWatch:
    """Counts the sends that found a connection broken, until it is whole again; `tolerated` of them are no alarm."""

    tolerated: int = 0
    _failed: dict[str, int] = field(default_factory=dict)

    def failed(self, link: str) -> bool:
        """A send over this connection failed. Whether that is one too many."""
        self._failed[link] = self._failed.get(link, 0) + 1
        return self._failed[link] > self.tolerated

    def restored(self, link: str) -> None:
        """The connection is whole again."""
        self._failed.pop(link, None)

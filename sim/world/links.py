"""Names of endpoints and their groups, and the links that a partition breaks."""

from __future__ import annotations

from dataclasses import dataclass

import simpy


def covers(group: str, endpoint: str) -> bool:
    """Whether an endpoint is this group or belongs to it."""
    return (
        group == endpoint
        or (group == "agents" and endpoint.startswith("agent."))
        or (group == "core" and endpoint.startswith("core."))
    )


@dataclass(eq=False)
class Link:
    """A connection between two groups of endpoints that a partition has broken."""

    sides: tuple[str, str]
    healed: simpy.Event
    cuts: int = 0

    @property
    def name(self) -> str:
        """The name of the link: `agents|queue`."""
        return "|".join(self.sides)

    def joins(self, one: str, other: str) -> bool:
        """Whether messages between these endpoints use this link."""
        left, right = self.sides
        return (covers(left, one) and covers(right, other)) or (covers(left, other) and covers(right, one))

    def ends(self, other: str) -> list[str]:
        """Its sides without `other`."""
        return [side for side in self.sides if side != other]

    @property
    def reconnects(self) -> bool:
        """Whether it reconnects by itself when the partition ends, as heartbeats and reports to the core do."""
        return any(covers("core", side) for side in self.sides)

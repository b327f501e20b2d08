"""Failed deliveries: broken connections, by failed sends."""

from __future__ import annotations

from dataclasses import dataclass, field

from recovery.policies.policy_states import DeliveryState
from recovery.policy_changes import NO_CHANGES, PolicyChangeLog


@dataclass
class FailedDeliveryDetector:
    """Counts failed sends by connection, until it is restored. `tolerated` of them are not reported.

    The counts of connections that are not reported yet are written to `changes`.
    """

    tolerated: int = 0
    changes: PolicyChangeLog = NO_CHANGES
    _failed: dict[str, int] = field(default_factory=dict)

    def restore(self, state: DeliveryState) -> None:
        """Continue with the count of an earlier detector."""
        self._failed[state.link] = state.failed

    def failed(self, link: str) -> bool:
        """Record a failed send. Returns whether there are more than `tolerated`."""
        failed = self._failed[link] = self._failed.get(link, 0) + 1
        if failed <= self.tolerated:  # beyond that, any further one is reported
            self.changes.change(DeliveryState(link, failed))
            self.changes.write()
        return failed > self.tolerated

    def restored(self, link: str) -> None:
        """Record that the connection works again."""
        failed = self._failed.pop(link, 0)
        if failed and self.tolerated:
            self.changes.delete(DeliveryState(link, failed).name)
            self.changes.write()

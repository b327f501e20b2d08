"""What servers and transports use of the network that they are part of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Carrier(Protocol):
    """A network, seen from its ends and servers."""

    def listen(self, server: Any) -> None:
        """Accept connections. Raises OSError if another server does at this address."""

    def stop_listening(self, server: Any) -> None:
        """Accept no more connections."""

    def ended(self, end: Any) -> None:
        """An end of a connection is closed."""

    def drops(self, end: Any) -> bool:
        """Whether a write is lost for good, and the connection with it."""

    def is_up(self, host: str) -> bool:
        """Whether a host has power."""

    def carry(self, sender: Any, arrive: Callable[[], object]) -> None:
        """Call `arrive` at the other end after the latency, or when the partition ends."""

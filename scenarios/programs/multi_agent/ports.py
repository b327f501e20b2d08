"""What the agents need from outside: a store, a queue, a disk, and services. Objects of `sim.Durable` fit."""

from __future__ import annotations

from typing import Any, Final, Protocol

LIMITS: Final = {"search": (2, 0.1), "find": (4, 1.0), "book": (2, 1.0), "charge": (2, 1.0), "mail": (2, 1.0)}
"""What the services allow, by tool: calls at once, and calls a second."""
CONNECTIONS: Final = {"search": 2, "find": 1, "book": 1, "charge": 1, "mail": 1}
"""Requests that a service answers at the same time."""


class Store(Protocol):
    """A key-value store of which each write is atomic and durable."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""

    async def put(self, key: str, value: Any) -> None:
        """Set the value of a key."""

    async def put_if(self, key: str, value: Any, *, is_now: Any) -> bool:
        """Set the value of a key if it is equal to `is_now`, and return whether it was."""


class Message(Protocol):
    """A delivery of a message."""

    @property
    def body(self) -> Any:
        """Its content."""

    async def ack(self) -> bool:
        """Remove the message from the queue."""


class Queue(Protocol):
    """A queue that delivers each message at least once: again, unless it is acknowledged in time."""

    async def put(self, body: Any) -> int:
        """Add a message."""

    async def get(self) -> Message:
        """Wait for a message."""


class File(Protocol):
    """A file, whose content is durable after `fsync`."""

    async def write(self, data: str) -> None:
        """Replace the content."""

    async def fsync(self) -> None:
        """Make the content durable."""

    async def rename(self, name: str) -> None:
        """Give the file another name, which is durable after `Disk.sync`."""


class Disk(Protocol):
    """A folder of files."""

    def file(self, name: str) -> File:
        """The file of this name."""

    async def sync(self) -> None:
        """Make names durable."""


class Services(Protocol):
    """Services of other companies."""

    async def request(self, tool: str, what: str, *, key: str | None = None) -> Any:
        """Ask a service, and return its answer. Raises Unavailable and NotPossible."""


class Outside(Protocol):
    """All of it."""

    @property
    def store(self) -> Store:
        """Where plans are."""

    @property
    def queue(self) -> Queue:
        """Steps of plans that are to be done."""

    @property
    def disk(self) -> Disk:
        """Where itineraries are."""

    @property
    def services(self) -> Services:
        """Search, bookings, payments and e-mail."""


class Unavailable(Exception):
    """A service is overloaded: the same request may succeed later."""


class NotPossible(Exception):
    """A service refuses a request, and will do so again."""

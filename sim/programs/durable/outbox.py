"""An outbox: messages that are written together with the state, and sent afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sim.programs.durable.store import KeyValueStore

_KIND: Final = "outbox"


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message of an outbox. `key` is the same at each attempt to send it: an idempotency key."""

    key: str
    body: Any


class Outbox:
    """Messages in a `KeyValueStore`, written in one atomic write with the state that they are about.

    A power cut between a message's sending and `sent` leaves it in the outbox, so that it is sent again: at least once.
    The receiver recognizes it by its `key`.
    """

    def __init__(self, store: KeyValueStore, name: str) -> None:
        self._store = store
        self._name = name

    async def write(self, values: Mapping[Any, Any], *bodies: Any) -> None:
        """Write values to the store and messages to the outbox: all of them, or none."""
        count = (_KIND, self._name)
        first = await self._store.get(count, 0) + 1
        messages = {(_KIND, self._name, first + place): body for place, body in enumerate(bodies)}
        await self._store.write({**values, **messages, count: first - 1 + len(bodies)})

    async def pending(self) -> list[OutboxMessage]:
        """The messages that are not sent, the oldest first."""
        items = await self._store.items()
        numbers = sorted(
            key[2] for key in items if isinstance(key, tuple) and key[:2] == (_KIND, self._name) and key[2:]
        )
        return [OutboxMessage(f"{self._name}-{each}", items[_KIND, self._name, each]) for each in numbers]

    async def sent(self, message: OutboxMessage) -> None:
        """Remove a message that was sent."""
        await self._store.delete((_KIND, self._name, int(message.key.rpartition("-")[2])))

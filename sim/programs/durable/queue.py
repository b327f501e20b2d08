"""A queue that delivers each message at least once."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - generators with a seed
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from sim.programs.durable.loss import Survives

Pause = Callable[[], Awaitable[None]]


@dataclass(eq=False, slots=True)
class _Entry:
    id: int
    body: Any
    visible_at: float = 0.0
    deliveries: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery of a message. `delivery` counts the deliveries of the same message from 1."""

    id: int
    body: Any
    delivery: int
    _queue: DurableQueue = field(repr=False)

    async def ack(self) -> bool:
        """Remove the message. False: it was delivered again since, and so remains."""
        return await self._queue._settle(self, None)

    async def nack(self, delay: float = 0.0) -> bool:
        """Return the message to the queue, to be delivered again after so many seconds."""
        return await self._queue._settle(self, delay)


class DurableQueue:
    """A queue on another machine, which delivers each message at least once.

    A message that is not acknowledged within `visibility` seconds of its delivery is delivered again. A power cut of
    the program changes nothing in the queue. Each operation has an await before it takes effect and another one after.
    """

    def __init__(self, pause: Pause, *, visibility: float = 30.0) -> None:
        if not visibility > 0:
            raise ValueError(f"visibility={visibility!r}: must be more than 0 seconds")
        self._pause = pause
        self._visibility = visibility
        self._entries: dict[int, _Entry] = {}
        self._last = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def put(self, body: Any) -> int:
        """Add a message, and return its number."""
        copied = deepcopy(body)
        await self._pause()
        self._last += 1
        number = self._last
        self._entries[number] = _Entry(number, copied)
        self._wake()
        await self._pause()
        return number

    async def get(self) -> Message:
        """The next message. Waits until there is one that is not delivered already."""
        while True:
            message = await self.get_nowait()
            if message is not None:
                return message
            await self._until_visible()

    async def get_nowait(self) -> Message | None:
        """The next message, or None if all are delivered already and may still be acknowledged."""
        await self._pause()
        now = asyncio.get_running_loop().time()
        for entry in self._entries.values():
            if entry.visible_at <= now:
                entry.visible_at = now + self._visibility
                entry.deliveries += 1
                message = Message(entry.id, deepcopy(entry.body), entry.deliveries, self)
                break
        else:
            message = None
        await self._pause()
        return message

    def __len__(self) -> int:
        """The number of messages that are not acknowledged."""
        return len(self._entries)

    async def _settle(self, message: Message, delay: float | None) -> bool:
        await self._pause()
        entry = self._entries.get(message.id)
        current = entry is not None and entry.deliveries == message.delivery
        if entry is not None and current:
            if delay is None:
                del self._entries[message.id]
            else:
                entry.visible_at = asyncio.get_running_loop().time() + delay
            self._wake()
        await self._pause()
        return current

    async def _until_visible(self) -> None:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        self._waiting.append(woken)
        timer = None
        if self._entries:
            timer = loop.call_at(min(each.visible_at for each in self._entries.values()), self._wake)
        try:
            await woken
        finally:
            if timer is not None:
                timer.cancel()
            if woken in self._waiting:
                self._waiting.remove(woken)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def unsynced(self) -> frozenset[Survives]:
        """None: the queue is on another machine."""
        return frozenset()

    def cut_power(self, survives: Survives, source: random.Random) -> None:
        """Forget who waits."""
        self._waiting = []

"""Slots: so many recoveries at once, and every kind of failure gets its turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Waiting = deque[asyncio.Future[None]]


class FairSlots:
    """At most `size` holders at once; None: any number.

    A slot that is given back goes to the kinds that wait for one in turn, and within a kind to whoever came first.
    However many tasks wait to be retried, an agent's recovery gets the next slot that is free after one of theirs.
    """

    def __init__(self, size: int | None) -> None:
        self._free = size
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()  # by kind; who was served last comes last
        self._served: str | None = None

    @asynccontextmanager
    async def one(self, kind: str) -> AsyncIterator[None]:
        """Hold a slot within the block, for a failure of this kind."""
        await self._acquire(kind)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, kind: str) -> None:
        if self._free is None:
            return
        if self._free > 0 and not self._waiting:
            self._free -= 1
            self._served = kind
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, deque()).append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                self._leave(kind, granted)
            else:  # granted at the very instant of the cancellation
                self._release()
            raise

    def _leave(self, kind: str, granted: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(kind, deque())
        if granted in waiting:  # else it was passed over by a release meanwhile
            waiting.remove(granted)
        if not waiting:
            self._waiting.pop(kind, None)

    def _release(self) -> None:
        if self._free is None:
            return
        self._free += 1
        while self._waiting and self._free > 0:
            kind = next((kind for kind in self._waiting if kind != self._served), self._served)
            assert kind is not None
            waiting = self._waiting.pop(kind)
            granted = waiting.popleft()
            if waiting:
                self._waiting[kind] = waiting  # behind the other kinds
            if not granted.done():  # else it was cancelled, and has not been told yet
                self._free -= 1
                self._served = kind
                granted.set_result(None)

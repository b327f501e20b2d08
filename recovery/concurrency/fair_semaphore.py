"""A fair semaphore: limits concurrent recoveries, and alternates between the kinds of failure."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Waiting = deque[asyncio.Future[None]]


class FairSemaphore:
    """At most `size` holders at once (None: any number).

    A released slot goes to the waiting kinds of failure in turn (round robin), and within a kind to the first waiter.
    However many tasks wait to be retried, a waiting recovery of an agent gets a slot after at most one of them.
    """

    def __init__(self, size: int | None) -> None:
        self._free = size
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()  # by kind, the last served kind last
        self._served: str | None = None

    @asynccontextmanager
    async def hold(self, kind: str) -> AsyncIterator[None]:
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
            else:  # granted at the instant of the cancellation
                self._release()
            raise

    def _leave(self, kind: str, granted: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(kind, deque())
        if granted in waiting:  # else a release has skipped it meanwhile
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
            if not granted.done():  # else it is cancelled, and its task has not run yet
                self._free -= 1
                self._served = kind
                granted.set_result(None)

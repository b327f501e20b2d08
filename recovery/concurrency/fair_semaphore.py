"""A fair semaphore: limits concurrent recoveries, and alternates between the kinds of failure."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import AbstractAsyncContextManager
from types import TracebackType

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

    def hold(self, kind: str) -> AbstractAsyncContextManager[None]:
        """Hold a slot within the block, for a failure of this kind."""
        return _Slot(self, kind)

    async def acquire(self, kind: str) -> None:
        """Wait for a slot, for a failure of this kind. Prefer `hold`, which releases it."""
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
                self.release()
            raise

    def _leave(self, kind: str, granted: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(kind, deque())
        if granted in waiting:  # else a release has skipped it meanwhile
            waiting.remove(granted)
        if not waiting:
            self._waiting.pop(kind, None)

    def release(self) -> None:
        """Release a slot."""
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


class _Slot:
    """A slot that is held within a block."""

    def __init__(self, semaphore: FairSemaphore, kind: str) -> None:
        self._semaphore = semaphore
        self._kind = kind

    async def __aenter__(self) -> None:
        await self._semaphore.acquire(self._kind)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._semaphore.release()

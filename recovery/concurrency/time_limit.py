"""Time limits: what takes exactly as long as allowed is in time."""

from __future__ import annotations

import asyncio
from types import TracebackType

ROUNDS = 64
"""The number of passes of the loop at the instant of a deadline, in which what is due at it can end first."""


async def rest_of_instant() -> None:
    """Wait for what else happens at this instant: what is ready, and what that makes ready (`ROUNDS` times)."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


class TimeLimit:
    """As `asyncio.timeout(seconds)` or `timeout_at(at)`, but an end at the instant of the limit is in time.

    A timer of asyncio that is due at the same instant as an awaited end may run first. This one is set again, for the
    same instant, behind everything that is ready, and behind what that makes ready (`ROUNDS` times).
    """

    def __init__(self, seconds: float | None = None, *, at: float | None = None) -> None:
        self._seconds = seconds
        self._at = at
        self._timeout = asyncio.timeout(None)
        self._rounds = ROUNDS
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        at = self._at if self._seconds is None else self._loop.time() + self._seconds
        if at is not None:
            self._timer = self._loop.call_at(at, self._due, at)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

    def _due(self, at: float) -> None:
        if self._rounds == 0:
            self._timeout.reschedule(at)
            return
        self._rounds -= 1
        self._timer = self._loop.call_at(at, self._due, at)

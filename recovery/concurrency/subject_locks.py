"""Exclusion: at most one at a time acts on a subject, whichever recovery it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

Exclusively = Callable[[str], AbstractAsyncContextManager[None]]
"""Returns the lock of a subject."""


@dataclass(slots=True)
class _Use:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Exclusion:
    """A lock for each subject, there as long as somebody holds it or waits for it.

    A recovery that holds one asks for another task's only when that has no open recovery of its own. Whichever opened
    first is so never waited for by one that opened later: nobody waits in a circle.
    """

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    @asynccontextmanager
    async def of(self, subject: str) -> AsyncIterator[None]:
        """Be the only one to act on the subject within the block."""
        use = self._uses.setdefault(subject, _Use())
        use.users += 1
        try:
            async with use.lock:
                yield
        finally:
            use.users -= 1
            if not use.users:
                del self._uses[subject]

"""Per-subject mutual exclusion among recoveries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

LockOf = Callable[[str], AbstractAsyncContextManager[None]]
"""Returns the lock of a subject."""


@dataclass(slots=True)
class _Use:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class SubjectLocks:
    """One lock per subject, which exists while it is held or waited for.

    There is no deadlock: a recovery that holds a lock requests the lock of another task only if that task has no open
    recovery of its own, so that no cycle of waiting recoveries can form.
    """

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    @asynccontextmanager
    async def of(self, subject: str) -> AsyncIterator[None]:
        """Hold the lock of the subject within the block."""
        use = self._uses.setdefault(subject, _Use())
        use.users += 1
        try:
            async with use.lock:
                yield
        finally:
            use.users -= 1
            if not use.users:
                del self._uses[subject]

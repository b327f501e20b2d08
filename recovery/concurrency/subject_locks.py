"""Per-subject mutual exclusion among recoveries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType

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

    def of(self, subject: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock of the subject within the block."""
        return _Held(self._uses, subject)


class _Held:
    """A lock that is held within a block."""

    def __init__(self, uses: dict[str, _Use], subject: str) -> None:
        self._uses = uses
        self._subject = subject

    async def __aenter__(self) -> None:
        use = self._uses.get(self._subject)
        if use is None:
            use = self._uses[self._subject] = _Use()
        use.users += 1
        try:
            await use.lock.acquire()
        except BaseException:
            self._leave(use)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        use = self._uses[self._subject]
        use.lock.release()
        self._leave(use)

    def _leave(self, use: _Use) -> None:
        use.users -= 1
        if not use.users:
            del self._uses[self._subject]

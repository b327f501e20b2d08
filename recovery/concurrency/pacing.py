"""The pace at which recovery puts work back: a mass failure must not come back as a storm.

A token bucket over time, in the form of the generic cell rate algorithm (ITU-T I.371): each task that is put back
takes a token; `burst` of them may go at once, then `rate` a second. Whoever finds no token is told how long to wait and
has its place, first come first served, so that within any t seconds at most burst + rate · t tasks go. Waiting ends by
itself: nobody has to give anything back, and nothing can be waited for in a circle.

Tasks wait before they ask for a recovery slot, so that waiting holds none. Whoever then finds the slots taken, or a
circuit breaker open, comes late, and those who are late would go all at once: a second bucket at the slots lets nobody
pass faster. Who was not held up in between passes it at once: what one bucket has let go conforms to its like.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery.model import Incident
from recovery.policies.load_limit import LoadLimit, TokenBucket

Say = Callable[[Incident, float], None]
"""Hears of an incident that has to wait, and for how many seconds."""
ROUNDING = 1e-6
"""Seconds by which a turn that has come may look late, for the sums of floats that lead to it."""


class Pace:
    """What whoever puts a task back to work has to keep. Without a limit nobody waits."""

    def __init__(self, limit: LoadLimit | None, say: Say) -> None:
        self._turns = None if limit is None else TokenBucket(limit)
        self._passes = None if limit is None else TokenBucket(limit)
        self._say = say

    async def keep(self, incident: Incident) -> None:
        """Wait until one more task may be put back. Who is cancelled while it waits has used its turn up."""
        await self._wait(self._turns, incident)

    async def go(self, incident: Incident) -> None:
        """After `keep`, and with nothing left to wait for: pass, at once unless others were held up as well."""
        await self._wait(self._passes, incident)

    async def _wait(self, bucket: TokenBucket | None, incident: Incident) -> None:
        if bucket is None:
            return
        wait = bucket.take(asyncio.get_running_loop().time())
        if wait > ROUNDING:
            self._say(incident, wait)
            await asyncio.sleep(wait)


NO_LIMIT = Pace(None, lambda incident, seconds: None)
"""Nobody waits."""

"""Pacing: limits the rate at which recovery requeues tasks, so that a mass failure does not cause a load peak.

The limit is a token bucket, in the form of the generic cell rate algorithm (ITU-T I.371). Each requeued task takes a
token: `burst` tasks at once, then `rate` per second. A task without a token waits, first come first served, so that in
any t seconds at most burst + rate · t tasks are requeued. Tokens are not returned, so that there is no deadlock.

Tasks wait before they request a recovery slot, so that a waiting task holds none. If the slots are taken then, or a
circuit breaker is open, the tasks are late, and would be requeued all at once. A second bucket, at the slots, prevents
that. A task that was not late passes it at once, because the output of a bucket conforms to an equal bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery.model import Incident
from recovery.policies.load_limit import LoadLimit, TokenBucket

Say = Callable[[Incident, float], None]
"""Called with an incident that has to wait, and the seconds of its wait."""
ROUNDING = 1e-6
"""Waits of at most so many seconds are rounding errors of sums of floats."""


class Pacer:
    """The load limit of all recoveries. Without a limit there is no wait."""

    def __init__(self, limit: LoadLimit | None, say: Say) -> None:
        self._turns = None if limit is None else TokenBucket(limit)
        self._passes = None if limit is None else TokenBucket(limit)
        self._say = say

    async def wait_for_token(self, incident: Incident) -> None:
        """Wait until one more task may be requeued. A cancelled wait has used its token."""
        await self._wait(self._turns, incident)

    async def wait_to_start(self, incident: Incident) -> None:
        """Wait, after `wait_for_token` and with a slot, until the task may start: only if other tasks are late too."""
        await self._wait(self._passes, incident)

    async def _wait(self, bucket: TokenBucket | None, incident: Incident) -> None:
        if bucket is None:
            return
        wait = bucket.take(asyncio.get_running_loop().time())
        if wait > ROUNDING:
            self._say(incident, wait)
            await asyncio.sleep(wait)


NO_LIMIT = Pacer(None, lambda incident, seconds: None)
"""No limit."""

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
from recovery.policies.policy_states import LoadState

Say = Callable[[Incident, float], None]
"""Called with an incident that has to wait, and the seconds of its wait."""
OnPass = Callable[[LoadState], None]
"""Called with the state of the limit each time that a task starts."""
ROUNDING = 1e-6
"""Waits of at most so many seconds are rounding errors of sums of floats."""


class Pacer:
    """The load limit of all recoveries. Without a limit there is no wait."""

    def __init__(self, limit: LoadLimit | None, say: Say, on_pass: OnPass | None = None) -> None:
        self._turns = None if limit is None else TokenBucket(limit)
        self._passes = None if limit is None else TokenBucket(limit)
        self._say = say
        self._on_pass = on_pass

    def restore(self, state: LoadState, now: float) -> None:
        """Continue after the tasks that an earlier core has started. Those that only waited take tokens again."""
        for bucket in (self._turns, self._passes):
            if bucket is not None:
                bucket.restore(state.next_token, now)

    async def wait_for_token(self, incident: Incident) -> None:
        """Wait until one more task may be requeued. A cancelled wait has used its token."""
        await self._wait(self._turns, incident)

    async def wait_to_start(self, incident: Incident) -> None:
        """Wait, after `wait_for_token` and with a slot, until the task may start: only if other tasks are late too."""
        next_token = await self._wait(self._passes, incident)
        if next_token is not None and self._on_pass is not None:
            self._on_pass(LoadState(next_token))

    async def _wait(self, bucket: TokenBucket | None, incident: Incident) -> float | None:
        """Wait for a token; returns the instant of the one after it."""
        if bucket is None:
            return None
        wait = bucket.take(asyncio.get_running_loop().time())
        next_token = bucket.next_token
        if wait > ROUNDING:
            self._say(incident, wait)
            await asyncio.sleep(wait)
        return next_token


NO_LIMIT = Pacer(None, lambda incident, seconds: None)
"""No limit."""

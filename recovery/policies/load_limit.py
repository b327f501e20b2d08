"""A limit on the rate at which recovery requeues tasks: a token bucket over time.

The bucket has the form of the generic cell rate algorithm (ITU-T I.371).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class LoadLimit(BaseModel):
    """`rate`: tasks per second that recovery may requeue; `burst`: tasks at once after an idle time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    burst: Annotated[int, Field(ge=1)] = 1


class TokenBucket:
    """The bucket. Times are seconds of any monotonic clock."""

    def __init__(self, limit: LoadLimit) -> None:
        self._interval = 1 / limit.rate
        self._burst = limit.burst
        self._ahead = (limit.burst - 1) * self._interval  # by how much a token may be taken before its instant
        self.next_token = float("-inf")  # its instant without bursts

    def restore(self, next_token: float, now: float) -> None:
        """Continue after the tokens that an earlier bucket had given out by now.

        `next_token` was its own. A later instant than any bucket can have by now is one of another clock, and limited.
        """
        self.next_token = min(next_token, now + self._burst * self._interval)

    def take(self, now: float) -> float:
        """Take the next token, and return the seconds until it is available."""
        instant = max(self.next_token, now)
        self.next_token = instant + self._interval
        return max(0.0, instant - self._ahead - now)

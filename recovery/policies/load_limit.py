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
        self._ahead = (limit.burst - 1) * self._interval  # by how much a token may be taken before its instant
        self._next = float("-inf")  # the instant of the next token without bursts

    def take(self, now: float) -> float:
        """Take the next token, and return the seconds until it is available."""
        instant = max(self._next, now)
        self._next = instant + self._interval
        return max(0.0, instant - self._ahead - now)

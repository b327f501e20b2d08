"""A limit on the rate at which recovery puts tasks back to work: a token bucket over time.

The bucket has the form of the generic cell rate algorithm (ITU-T I.371).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class LoadLimit(BaseModel):
    """`rate`: tasks a second that recovery may put back to work; `burst`: how many at once after a quiet time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    burst: Annotated[int, Field(ge=1)] = 1


class TokenBucket:
    """The bucket; times are seconds of any clock that does not go back."""

    def __init__(self, limit: LoadLimit) -> None:
        self._interval = 1 / limit.rate
        self._ahead = (limit.burst - 1) * self._interval  # how much earlier than its turn a token may be taken
        self._next = float("-inf")  # the turn of the next token, if all before it had waited for theirs

    def take(self, now: float) -> float:
        """Take the next token; returns the seconds to wait until it is there."""
        turn = max(self._next, now)
        self._next = turn + self._interval
        return max(0.0, turn - self._ahead - now)

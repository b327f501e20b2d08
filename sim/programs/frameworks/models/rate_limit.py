"""A rate limit of a service: requests and tokens a minute."""

from __future__ import annotations

import math
from typing import Any, Final

from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.models.errors import RateLimited

_MINUTE: Final = 60.0


class RateLimit:
    """Two token buckets, one of requests and one of tokens, each with the capacity of a minute and a constant refill.

    A request is accepted if both have enough, and takes from both. One that is refused takes nothing.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._limits = (
            _limit("requests_per_minute", requests_per_minute),
            _limit("tokens_per_minute", tokens_per_minute),
        )
        self._left = [0.0 if limit is None else limit for limit in self._limits]
        self._at = 0.0

    def take(self, now: float, tokens: int) -> None:
        """Accept a request of so many tokens at this instant. Raises RateLimited, with the time until it would fit."""
        elapsed, self._at = max(0.0, now - self._at), max(now, self._at)
        wait = 0.0
        needs = (1, tokens)
        for place, (limit, needed) in enumerate(zip(self._limits, needs, strict=True)):
            if limit is None:
                continue
            if needed > limit:
                raise RateLimited(f"the request has {needed} tokens; the limit is {limit:g} a minute", None)
            self._left[place] = min(limit, self._left[place] + elapsed * limit / _MINUTE)
            wait = max(wait, (needed - self._left[place]) * _MINUTE / limit)
        if wait > 0:
            seconds = max(1, math.ceil(wait - 1e-9))
            raise RateLimited(f"rate limit reached; retry after {seconds} s", seconds)
        for place, needed in enumerate(needs):
            self._left[place] -= needed


def _limit(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value >= 1 and math.isfinite(value)):
        raise InvalidFault(f"{name}={value!r}: must be 1 or more, or None")
    return float(value)

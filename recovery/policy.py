"""Retry policies: how often, and after which delay.

The delay mathematics are pure functions of their inputs; randomness comes in as `u`, uniform over [0, 1). Retries are
counted from 1: the n-th delay comes before retry n, and no delay follows the last failure.
"""

from __future__ import annotations

import re
from math import inf
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Backoff = Literal["fixed", "linear", "exponential"]
Jitter = Literal["none", "full", "equal", "decorrelated"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_DURATION = re.compile(r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*(ms|s|m|h|d|)\s*")
_VALID = "valid: 250ms, 30s, 5m, 2h, 1d or a number of seconds"


def seconds(value: object) -> object:
    """`"30s"`, `"250ms"`, `"5m"`, `"2h"`, `"1d"` as float seconds; numbers pass. Raises ValueError for another text."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a duration; {_VALID}")
    if isinstance(value, str):
        parts = _DURATION.fullmatch(value)
        if parts is None:
            raise ValueError(f"{value!r} is not a duration; {_VALID}")
        return float(parts[1]) * _UNITS[parts[2]]
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)]


def fixed(retry_delay: float) -> float:
    """The same delay before every retry: d."""
    return retry_delay


def linear(retry_delay: float, retry: int) -> float:
    """n d before retry n."""
    return retry * retry_delay


def exponential(retry_delay: float, multiplier: float, retry: int) -> float:
    """d m^(n-1) before retry n: the first delay is `retry_delay` itself. Beyond the range of floats: infinity."""
    if retry_delay == 0:
        return 0.0
    try:
        return retry_delay * multiplier ** (retry - 1)
    except OverflowError:
        return inf


def full_jitter(delay: float, u: float) -> float:
    """Uniform over [0, d): mean d/2, variance d^2/12 (Brooker, "Exponential Backoff and Jitter", AWS 2015)."""
    return u * delay if u > 0 else 0.0  # an infinite delay has a shortest one, too


def equal_jitter(delay: float, u: float) -> float:
    """Uniform over [d/2, d): mean 3d/4, variance d^2/48 (Brooker 2015)."""
    return delay / 2 + full_jitter(delay / 2, u)


def decorrelated_jitter(base: float, previous: float, cap: float, u: float) -> float:
    """min(cap, uniform over [base, 3 previous)) (Brooker 2015); `previous` is `base` before the first retry."""
    return min(cap, base + u * (3 * previous - base))


class RetryPolicy(BaseModel):
    """How often a failure is retried and how long each retry waits. Durations are seconds, or texts such as `"30s"`.

    `max_retries` r means r + 1 attempts at most; None: any number. `backoff`, `multiplier` and `max_delay` say how
    delays grow from `retry_delay`, `jitter` how they are spread. Decorrelated jitter grows by itself: `backoff` and
    `multiplier` have no part in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_retries: Annotated[int, Field(ge=0)] | None
    retry_delay: Seconds
    backoff: Backoff = "fixed"
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    max_delay: Seconds | None = None
    jitter: Jitter = "none"

    def allows(self, retry: int) -> bool:
        """Whether retry number `retry` (from 1) may still happen."""
        return self.max_retries is None or retry <= self.max_retries

    def delay(self, retry: int, u: float = 0.0, previous: float | None = None) -> float | None:
        """Seconds to wait before retry number `retry`, or None when retries are exhausted.

        `u` is uniform over [0, 1); `previous` is the delay before (decorrelated jitter goes on from it). Raises
        ValueError for a retry below 1.
        """
        return self.unlimited_delay(retry, u, previous) if self.allows(retry) else None

    def unlimited_delay(self, retry: int, u: float = 0.0, previous: float | None = None) -> float:
        """As `delay`, whatever `max_retries` says."""
        if retry < 1:
            raise ValueError(f"retries count from 1, not {retry}")
        cap = inf if self.max_delay is None else self.max_delay
        if self.jitter == "decorrelated":
            return decorrelated_jitter(self.retry_delay, self.retry_delay if previous is None else previous, cap, u)
        delay = min(cap, self._grown(retry))
        if self.jitter == "full":
            return full_jitter(delay, u)
        if self.jitter == "equal":
            return equal_jitter(delay, u)
        return delay

    def _grown(self, retry: int) -> float:
        if self.backoff == "linear":
            return linear(self.retry_delay, retry)
        if self.backoff == "exponential":
            return exponential(self.retry_delay, self.multiplier, retry)
        return fixed(self.retry_delay)

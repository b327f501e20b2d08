"""Retry policies: the number of retries, their delays, their deadline, and limits shared by all retries.

Retries are counted from 1: the n-th delay comes before retry n, and no delay follows the last failure. The formulas are
in `recovery.policies.backoff`.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from recovery.audit import EscalationReason
from recovery.policies.backoff import (
    additive_jitter,
    compounding_jitter,
    decorrelated_jitter,
    equal_jitter,
    exponential,
    fixed,
    full_jitter,
    linear,
    proportional_jitter,
)
from recovery.policies.breaker import BreakerPolicy
from recovery.policies.budget import BudgetPolicy
from recovery.policies.delays import checked_delay
from recovery.policies.durations import PositiveSeconds, Seconds
from recovery.policies.time_limits import in_time

Backoff = Literal["fixed", "linear", "exponential"]
Jitter = Literal["none", "full", "equal", "decorrelated", "proportional", "compounding", "additive"]


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number of retries; valid: a whole number, 0 or more")
    return value


class RetryPolicy(BaseModel):
    """How often a failure is retried, and the delay of each retry. Durations are seconds, or texts such as `"30s"`.

    `max_retries` r means at most r + 1 attempts; None: any number. `backoff`, `multiplier` and `max_delay` define how
    delays grow from `retry_delay`; `jitter` defines how they are randomized, and `spread` is its relative width if it
    is proportional, `jitter_width` its width in seconds if it is additive. Two kinds of jitter depend on the previous
    delay: decorrelated jitter ignores `backoff` and `multiplier`; compounding jitter multiplies the previous delay by
    `multiplier`.

    `deadline` is the total time from the first failure: a retry whose delay would end after it is refused.
    With `honor_retry_after`, a delay is at least as long as the failure asks for: `retry_after` in its `info`, in
    seconds, as a `429` response has in its Retry-After header. `max_delay` does not shorten it, and `deadline` may
    refuse the retry.

    `try_timeout` is the time limit of one try; a try that exceeds it has failed. `budget` limits the retries of all
    tasks together, and `breaker` holds tries back while recoveries fail.

    A policy of one's own is a subclass that overrides `unlimited_delay` (the delays), `allows` (the number of retries)
    or `delay` (both). An exception in one of them, and a delay that is not a finite number of at least 0, is a defect
    of the policy: the incident is escalated with the error, and a simulated run is invalid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_retries: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=0)] | None
    retry_delay: Seconds
    backoff: Backoff = "fixed"
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    max_delay: Seconds | None = None
    jitter: Jitter = "none"
    spread: Annotated[float, Field(ge=0, le=1)] = 0.5
    jitter_width: Seconds = 1.0
    deadline: Seconds | None = None
    try_timeout: PositiveSeconds | None = None
    honor_retry_after: bool = False
    budget: BudgetPolicy | None = None
    breaker: BreakerPolicy | None = None

    @property
    def most_retries(self) -> int | None:
        """The number of retries that `allows` grants at most; None: any number, or unknown.

        It is unknown for a subclass that overrides `allows` or `delay`, unless it overrides this property as well.
        """
        own = type(self)
        is_known = own.allows is RetryPolicy.allows and own.delay is RetryPolicy.delay
        return self.max_retries if is_known else None

    @property
    def remembers(self) -> bool:
        """Whether a retry depends on the previous delay or on the instant of the first failure."""
        return self.jitter in {"decorrelated", "compounding"} or self.deadline is not None

    def allows(self, retry: int) -> bool:
        """Whether `max_retries` allows retry number `retry` (from 1)."""
        return self.max_retries is None or retry <= self.max_retries

    def refusal(self, retry: int, delay: float, elapsed: float) -> EscalationReason | None:
        """Why a retry after `delay` is refused, `elapsed` seconds after the first failure; None: it is allowed."""
        if not self.allows(retry):
            return EscalationReason.RETRIES_EXHAUSTED
        return None if self.in_time(delay, elapsed) else EscalationReason.DEADLINE_PASSED

    def in_time(self, delay: float, elapsed: float) -> bool:
        """Whether a delay that begins `elapsed` seconds after the first failure ends by the deadline."""
        return self.deadline is None or in_time(elapsed + delay, self.deadline)

    def delay(self, retry: int, u: float = 0.0, previous: float | None = None, elapsed: float = 0.0) -> float | None:
        """The delay before retry number `retry` in seconds. None: it exceeds `max_retries` or `deadline`.

        `u` is uniform over [0, 1); `previous` is the previous delay, for decorrelated and compounding jitter;
        `elapsed` seconds have passed since the first failure. Raises ValueError for a retry below 1, and InvalidDelay
        when `unlimited_delay` of a subclass returns something else than a number of at least 0.
        """
        delay = checked_delay(self.unlimited_delay(retry, u, previous), retry, type(self).__name__, finite=False)
        return delay if self.refusal(retry, delay, elapsed) is None else None

    def unlimited_delay(self, retry: int, u: float = 0.0, previous: float | None = None) -> float:
        """As `delay`, without `max_retries` and `deadline`."""
        if retry < 1:
            raise ValueError(f"retries count from 1, not {retry}")
        cap = inf if self.max_delay is None else self.max_delay
        if self.jitter == "decorrelated":
            return decorrelated_jitter(self.retry_delay, self.retry_delay if previous is None else previous, cap, u)
        if self.jitter == "compounding":
            grown = self.retry_delay if previous is None else self.multiplier * previous
            return compounding_jitter(grown, self.spread, cap, u)
        if self.jitter == "additive":
            return additive_jitter(self._grown(retry), self.jitter_width, cap, u)
        delay = min(cap, self._grown(retry))
        if self.jitter == "full":
            return full_jitter(delay, u)
        if self.jitter == "equal":
            return equal_jitter(delay, u)
        if self.jitter == "proportional":
            return min(cap, proportional_jitter(delay, self.spread, u))
        return delay

    def _grown(self, retry: int) -> float:
        if self.backoff == "linear":
            return linear(self.retry_delay, retry)
        if self.backoff == "exponential":
            return exponential(self.retry_delay, self.multiplier, retry)
        return fixed(self.retry_delay)

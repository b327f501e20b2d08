"""A circuit breaker: while recoveries of a kind fail one after the other, further ones are held back.

Closed, tries pass. It opens after so many failed tries in a row, or when such a share of the latest ones has failed.
Open, none passes. After a while it is half open: a few probes pass; when all of them work it closes, when one fails it
opens anew (Nygard, "Release It!", 2007; states and windows as in resilience4j's CircuitBreaker, count-based).
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.policies.durations import PositiveSeconds

WhenOpen = Literal["wait", "refuse"]
"""Tries wait until they may pass, or are refused and the recovery is escalated."""


class BreakerPolicy(BaseModel):
    """When the breaker opens, for how long, and what becomes of tries while it is open.

    It opens after `failures` failed tries in a row (None: however many), or when at least `share` (0 to 1; None: no
    matter) of the last `window` tries failed. It stays open for `open_for` seconds, and closes when `probes` tries have
    worked. `when_open`: tries wait until they may pass, which is not a retry of its own, or are refused at once, and
    the recovery is escalated. One waits by default: a recovery that is held back is not lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    failures: Annotated[int, Field(ge=1)] | None = 5
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    window: Annotated[int, Field(ge=1)] = 20
    open_for: PositiveSeconds = 30.0
    probes: Annotated[int, Field(ge=1)] = 1
    when_open: WhenOpen = "wait"

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.failures is None and self.share is None:
            raise ValueError("this breaker would never open; give failures or share")
        return self


class BreakerState(StrEnum):
    """Whether tries pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """A pure state machine: `now` comes in, in seconds of any clock that does not go back.

    A try that passes gets a ticket from `admit` and gives it back to `settle`. What was admitted before the breaker
    last changed its state has no say any more when it ends.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self.opened_at = 0.0
        self._period = 0  # counts changes of state; a ticket is the period that it was issued in
        self._failures_in_row = 0
        self._window: deque[bool] = deque(maxlen=policy.window)
        self._probes_out = 0
        self._probes_worked = 0

    @property
    def reopens_at(self) -> float:
        """From when on an open breaker lets a probe pass."""
        return self.opened_at + self.policy.open_for

    def would_admit(self, now: float) -> bool:
        """Whether a try may pass now."""
        if self.state is BreakerState.OPEN:
            return now >= self.reopens_at
        return self.state is BreakerState.CLOSED or self._probes_out + self._probes_worked < self.policy.probes

    def admit(self, now: float) -> int | None:
        """Let a try pass: its ticket. None: it may not."""
        if not self.would_admit(now):
            return None
        if self.state is BreakerState.OPEN:
            self._become(BreakerState.HALF_OPEN)
        if self.state is BreakerState.HALF_OPEN:
            self._probes_out += 1
        return self._period

    def settle(self, ticket: int, worked: bool | None, now: float) -> None:
        """A try has ended: it worked, it failed, or (None) it says nothing, such as one that was canceled."""
        if ticket != self._period:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._settle_probe(worked, now)
        elif worked is not None:
            self._failures_in_row = 0 if worked else self._failures_in_row + 1
            self._window.append(worked)
            if self._is_enough():
                self._open(now)

    def _settle_probe(self, worked: bool | None, now: float) -> None:
        self._probes_out -= 1
        if worked is False:
            self._open(now)
        elif worked:
            self._probes_worked += 1
            if self._probes_worked == self.policy.probes:
                self._become(BreakerState.CLOSED)

    def _is_enough(self) -> bool:
        if self.policy.failures is not None and self._failures_in_row >= self.policy.failures:
            return True
        if self.policy.share is None or len(self._window) < self.policy.window:
            return False
        return self._window.count(False) >= self.policy.share * self.policy.window

    def _open(self, now: float) -> None:
        self.opened_at = now
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._period += 1
        self._failures_in_row = self._probes_out = self._probes_worked = 0
        self._window.clear()

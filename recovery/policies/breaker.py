"""A circuit breaker: holds retries back while attempts, or recoveries, of a kind of failure fail.

In the closed state, tries are admitted. The breaker opens after a number of consecutive failures, or when a share of
the last results are failures. In the open state, no try is admitted. After some time it is half open, and admits a few
probes. If all of them work, it closes; if one fails, it opens again (Nygard, "Release It!", 2007; states and windows as
in resilience4j's CircuitBreaker, count-based).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from sys import maxsize
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.policies.durations import PositiveSeconds
from recovery.policies.policy_states import AwaitedVerdict, BreakerRecord
from recovery.policies.time_limits import in_time

WhenOpen = Literal["wait", "refuse"]
"""While the breaker is open, tries wait, or are refused and the recovery is escalated."""


Counts = Literal["tries", "attempts"]
"""What a breaker counts: attempts at tasks and failed tries of their recoveries, or tries of recoveries only."""


class BreakerPolicy(BaseModel):
    """When the breaker opens, for how long, and what happens to tries while it is open.

    It opens after `failures` consecutive failures, or when at least `share` (0 to 1) of the last `window` results are
    failures; None disables either rule. It stays open for `open_for` seconds, and closes when `probes` tries have
    worked. What it delays is the tries of recoveries.

    `counts` determines what a result is. With `attempts`, the breaker counts as one around a call does, the call being
    an attempt at a task: it has failed when a failure of the policy's kind is reported, or when a try of its recovery
    has failed, so that there is no attempt; it has worked when a task is completed. A probe is a retry then, and its
    verdict that of the attempt; without one, it frees its place after `open_for` seconds. With `tries`, only the tries
    of recoveries count, of which most work although the attempt that follows fails. None: `attempts` for the failures
    of tasks; `tries` for those of agents and connections, which have no attempts.

    `when_open`: tries wait until they are admitted, which does not count as a retry, or they are refused, and
    the recovery is escalated. The default is to wait, because a waiting recovery is not lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    failures: Annotated[int, Field(ge=1)] | None = 5
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    window: Annotated[int, Field(ge=1)] = 20
    open_for: PositiveSeconds = 30.0
    probes: Annotated[int, Field(ge=1)] = 1
    counts: Counts | None = None
    when_open: WhenOpen = "wait"

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.failures is None and self.share is None:
            raise ValueError("this breaker would never open; give failures or share")
        return self


class BreakerState(StrEnum):
    """The states of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """A pure state machine. `now` is in seconds of any monotonic clock.

    `admit` returns a ticket, which is passed to `settle` when the try ends. A ticket from before the last change of
    state is ignored.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self.opened_at = 0.0
        self.period = 0  # counts changes of state; a ticket is the period in which it was issued
        self._failures_in_row = 0
        self._window: deque[bool] = deque(maxlen=min(policy.window, maxsize))
        self._probes_out = 0
        self._probes_worked = 0

    def record_of(self, rule: str, awaited: Mapping[str, AwaitedVerdict]) -> BreakerRecord:
        """What a later breaker needs to continue. `rule` is the name of its policy, `awaited` has probes by task."""
        # The window matters to a share only, so that a success changes nothing without one.
        window = "" if self.policy.share is None else "".join("1" if worked else "0" for worked in self._window)
        return BreakerRecord(
            rule,
            self.state.value,
            self.opened_at,
            self.period,
            self._failures_in_row,
            window,
            self._probes_worked,
            awaited,
        )

    def restore(self, record: BreakerRecord, probes_out: int, now: float) -> None:
        """Continue as the breaker of this record, which may have had another policy.

        `probes_out` is the number of admitted probes without a verdict. A breaker that has opened in the future, by
        another clock, has opened now.
        """
        self.state = BreakerState(record.state)
        self.opened_at = min(record.opened_at, now)
        self.period = record.period
        self._failures_in_row = record.failures
        self._window.extend(each == "1" for each in record.window)
        self._probes_worked = min(record.worked, self.policy.probes - 1)
        self._probes_out = probes_out

    @property
    def reopens_at(self) -> float:
        """The instant from which an open breaker admits a probe."""
        return self.opened_at + self.policy.open_for

    def would_admit(self, now: float) -> bool:
        """Whether a try would be admitted now."""
        if self.state is BreakerState.OPEN:
            return in_time(self.reopens_at, now)
        return self.state is BreakerState.CLOSED or self._probes_out + self._probes_worked < self.policy.probes

    def admit(self, now: float) -> int | None:
        """Admit a try, and return its ticket. None: it is not admitted."""
        if not self.would_admit(now):
            return None
        if self.state is BreakerState.OPEN:
            self._become(BreakerState.HALF_OPEN)
        if self.state is BreakerState.HALF_OPEN:
            self._probes_out += 1
        return self.period

    def settle(self, ticket: int, worked: bool | None, now: float) -> None:
        """Record the end of a try; `worked` is None if it has no verdict, for instance after a cancellation."""
        if ticket != self.period:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._settle_probe(worked, now)
        elif worked is not None:
            self._failures_in_row = 0 if worked else self._failures_in_row + 1
            self._window.append(worked)
            if self._is_enough():
                self._open(now)

    def record(self, worked: bool, now: float) -> None:
        """Record the end of what was not admitted: it counts only while the breaker is closed."""
        if self.state is BreakerState.CLOSED:
            self.settle(self.period, worked, now)

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
        self.period += 1
        self._failures_in_row = self._probes_out = self._probes_worked = 0
        self._window.clear()

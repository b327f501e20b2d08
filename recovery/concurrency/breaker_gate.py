"""Async wrapper of a circuit breaker: admits tries, emits state changes, and wakes waiters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf

from recovery.audit import AuditEvent
from recovery.concurrency.time_limit import TimeLimit
from recovery.model import TASK_KINDS, FailureKind
from recovery.policies.breaker import BreakerState, CircuitBreaker
from recovery.policies.policy_states import AwaitedVerdict, BreakerRecord

EVENTS = {
    BreakerState.OPEN: AuditEvent.BREAKER_OPENED,
    BreakerState.HALF_OPEN: AuditEvent.BREAKER_HALF_OPENED,
    BreakerState.CLOSED: AuditEvent.BREAKER_CLOSED,
}
"""The event that records that the breaker has entered a state."""


OnChange = Callable[[BreakerRecord], None]
"""Called with the record of a breaker whenever that has changed."""


class BreakerGate:
    """Admits the tries of one policy, for failures of tasks or of another kind.

    `clock` is the loop's; `say(event, kind, value)` is called on state changes. `rule` is the name of the policy in the
    records of the breaker that `on_change` is called with.
    """

    def __init__(
        self,
        breaker: CircuitBreaker,
        kind: FailureKind,
        clock: Callable[[], float],
        say: Callable[[AuditEvent, str, float | None], None],
        rule: str = "",
        on_change: OnChange | None = None,
    ) -> None:
        counts = breaker.policy.counts or ("attempts" if kind in TASK_KINDS else "tries")
        self.counts_attempts = counts == "attempts"
        """Whether it counts attempts at tasks, and not only tries of recoveries."""
        self._breaker = breaker
        self._kind = kind
        self._clock = clock
        self._say = say
        self._rule = rule
        self._on_change = on_change
        self._recorded: BreakerRecord | None = None
        self._reported = breaker.state
        self._change = asyncio.Event()
        self._awaited: dict[str, AwaitedVerdict] = {}  # probes whose attempts have no verdict yet, by task

    def restore(self, record: BreakerRecord, tickets: Iterable[int]) -> None:
        """Continue as the gate of an earlier core. `tickets` are those of its tries that have not ended."""
        now, self._recorded = self._clock(), record
        if self.counts_attempts:
            patience = self._breaker.policy.open_for
            for task_id, each in record.awaited.items():
                self._await_verdict(task_id, AwaitedVerdict(each.ticket, min(each.until, now + patience)))
        issued = [*tickets, *(each.ticket for each in self._awaited.values())]
        self._breaker.restore(record, issued.count(record.period), now)
        self._reported = self._breaker.state

    @property
    def awaited(self) -> Iterable[str]:
        """The tasks whose next attempt has the verdict of a probe."""
        return tuple(self._awaited)

    def attempted(self, task_id: str, worked: bool) -> None:
        """Record the end of an attempt at a task."""
        awaited = self._awaited.pop(task_id, None)
        if awaited is not None:
            self.settle(awaited.ticket, worked)
            return
        self._breaker.record(worked, self._clock())
        self._tell()

    def tried(self, task_id: str, ticket: int, worked: bool | None) -> None:
        """Record the end of an admitted try. If attempts count, one that worked has the verdict of the next attempt."""
        if not (self.counts_attempts and worked):
            self.settle(ticket, worked)
        elif self._breaker.state is BreakerState.HALF_OPEN:
            self._await_verdict(task_id, AwaitedVerdict(ticket, self._clock() + self._breaker.policy.open_for))
            self._record()

    def _await_verdict(self, task_id: str, awaited: AwaitedVerdict) -> None:
        self._awaited[task_id] = awaited
        asyncio.get_running_loop().call_at(awaited.until, self._without_verdict, task_id, awaited)

    def _without_verdict(self, task_id: str, awaited: AwaitedVerdict) -> None:
        """The attempt of a probe has not ended in time, such as one that was given up: another probe may follow."""
        if self._awaited.get(task_id) is awaited:
            del self._awaited[task_id]
            self.settle(awaited.ticket, None)

    def refuses(self, delay: float = 0.0) -> bool:
        """Whether a try after `delay` seconds would be refused, instead of waiting, in the present state."""
        policy = self._breaker.policy
        return policy.when_open == "refuse" and not self._breaker.would_admit(self._clock() + delay)

    @property
    def shut(self) -> bool:
        """Whether no try is admitted now."""
        return not self._breaker.would_admit(self._clock())

    def admit(self) -> int | None:
        """Admit a try, and return its ticket. None: it is not admitted."""
        ticket = self._breaker.admit(self._clock())
        self._tell()
        return ticket

    def settle(self, ticket: int, worked: bool | None) -> None:
        """Record the end of an admitted try; `worked` is None if it has no verdict."""
        before = self._breaker.would_admit(self._clock())
        self._breaker.settle(ticket, worked, self._clock())
        self._tell()
        if not before:
            self._wake()  # a probe without a verdict frees its place as well

    async def opening(self, latest: float) -> bool:
        """Wait until another try may be admitted. False: not at `latest` or before, in seconds of the clock."""
        is_open = self._breaker.state is BreakerState.OPEN
        earliest = self._breaker.reopens_at if is_open else self._clock()
        if earliest > latest or self._clock() > latest:
            return False
        change = self._change.wait()
        if not is_open:  # a probe that ends exactly at `latest` is in time
            try:
                async with TimeLimit(at=None if latest == inf else latest):
                    await change
            except TimeoutError:
                return False
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout_at(None if earliest == inf else earliest):
                await change
        return True

    def _tell(self) -> None:
        state = self._breaker.state
        if state is not self._reported:
            self._reported = state
            value = self._breaker.policy.open_for if state is BreakerState.OPEN else None
            self._say(EVENTS[state], self._kind, value)
            self._wake()
        self._record()

    def _record(self) -> None:
        if self._on_change is None:
            return
        record = self._breaker.record_of(self._rule, dict(self._awaited))
        if record != self._recorded:
            self._recorded = record
            self._on_change(record)

    def _wake(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

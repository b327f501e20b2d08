"""What stands between a failure and its next try: the policy of its kind or error, and what all retries share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from recovery.concurrency.breaker_gate import Gate
from recovery.config import RecoveryConfig, Rule
from recovery.model import TASK_KINDS, Failure, FailureKind, Incident
from recovery.monitoring.snapshot import RetryLimits
from recovery.policies.breaker import CircuitBreaker
from recovery.policies.budget import RetryBudget
from recovery.policies.retry import BREAKER_OPEN, BUDGET_EMPTY, TOO_LATE, RetryPolicy


@dataclass(slots=True)
class Past:
    """What a retry needs to know of those before it: when the failures began, and the last delay, in seconds."""

    since: float
    delay: float | None = None


class Admission:
    """Budgets and circuit breakers, one of each for every policy that has one, and the past of what is retried.

    `clock` gives seconds of the running loop; `say(event, kind, value)` tells of a breaker that changed its state.
    All of it is in memory: a core that is started again begins with full budgets and closed breakers.
    """

    def __init__(
        self,
        config: RecoveryConfig,
        clock: Callable[[], float],
        say: Callable[[str, str, float | None], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._pasts: dict[tuple[str, FailureKind], Past] = {}
        self._budgets: dict[Rule, RetryBudget] = {}
        self._gates: dict[Rule, Gate] = {}
        for rule, policy in config.policies():
            if policy.budget is not None:
                self._budgets[rule] = RetryBudget(policy.budget)
            if policy.breaker is not None:
                self._gates[rule] = Gate(CircuitBreaker(policy.breaker), rule[0].value, clock, say)

    # ---------------------------------------------------------------------------------- retries
    def grant(self, incident: Incident, policy: RetryPolicy, retry: int, u: float, *, counted: bool) -> float | str:
        """The seconds that retry number `retry` has to wait first. A text: there is no such retry, and why.

        `u` in [0, 1) spreads the delay. `counted`: the policy limits how many retries there are, and not only until
        when. A retry that is refused takes nothing from the budget.
        """
        past = self._past(incident) if policy.remembers else None
        delay = policy.unlimited_delay(retry, u, None if past is None else past.delay)
        elapsed = 0.0 if past is None else self._clock() - past.since
        if counted:
            refusal = policy.refusal(retry, delay, elapsed)
        else:
            refusal = None if policy.in_time(delay, elapsed) else TOO_LATE
        if refusal is not None:
            return refusal
        gate = self.gate(incident.failure)
        if gate is not None and gate.refuses(delay):
            return BREAKER_OPEN
        budget = self._budgets.get(self._config.rule(incident.failure))
        if budget is not None and not budget.spend():
            return BUDGET_EMPTY
        if past is not None:
            past.delay = delay
        return delay

    def latest(self, incident: Incident, policy: RetryPolicy) -> float:
        """Until when a try of the incident may begin, in seconds of the clock; infinity: at any time."""
        return inf if policy.deadline is None else self._past(incident).since + policy.deadline

    def gate(self, failure: Failure) -> Gate | None:
        """The gate that tries at recovering this failure have to pass."""
        return self._gates.get(self._config.rule(failure)) if self._gates else None

    def limits(self, failure: Failure) -> RetryLimits:
        """What limits the retries of a failure beside its policy's count."""
        budget, gate = self._budgets.get(self._config.rule(failure)), self.gate(failure)
        return RetryLimits(None if budget is None else budget.left, None if gate is None else gate.shut)

    def _past(self, incident: Incident) -> Past:
        key = incident.failure.subject, incident.failure.kind
        return self._pasts.setdefault(key, Past(incident.opened_at))

    def ended(self, incident: Incident) -> None:
        """An incident is over. A task that goes on may fail again in the same way: its retries go on as well."""
        failure = incident.failure
        if failure.kind not in TASK_KINDS or incident.outcome is not None:
            self._pasts.pop((failure.subject, failure.kind), None)

    # -------------------------------------------------------------------------------- successes
    def task_succeeded(self, task_id: str) -> None:
        """A task was completed: what a task's retries are paid for with."""
        if self._pasts:
            for kind in TASK_KINDS:
                self._pasts.pop((task_id, kind), None)
        for (kind, _), budget in self._budgets.items():
            if kind in TASK_KINDS:
                budget.succeeded()

    def recovered(self, failure: Failure) -> None:
        """A recovery was verified: a success of an agent's or a connection's; a task's is its completion only."""
        for (kind, _), budget in self._budgets.items():
            if kind is failure.kind and kind not in TASK_KINDS:
                budget.succeeded()

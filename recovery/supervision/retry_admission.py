"""Admission of retries: the policy of the failure, shared retry budgets, and shared circuit breakers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from recovery.audit import AuditEvent, EscalationReason
from recovery.concurrency.breaker_gate import BreakerGate
from recovery.config import RecoveryConfig, Rule
from recovery.model import TASK_KINDS, Failure, FailureKind, Incident
from recovery.monitoring.snapshot import RetryLimits
from recovery.policies.breaker import CircuitBreaker
from recovery.policies.budget import RetryBudget
from recovery.policies.delays import checked_delay
from recovery.policies.retry import RetryPolicy


@dataclass(slots=True)
class RetryHistory:
    """Earlier retries of a subject: the instant of the first failure, and the last delay, both in seconds."""

    since: float
    delay: float | None = None


class RetryAdmission:
    """The retry budgets and circuit breakers, one for each policy that has one, and the histories of retries.

    `clock` returns seconds of the running loop; `say(event, kind, value)` is called when a breaker changes its state.
    Everything is in memory: a restarted core begins with full budgets and closed breakers.
    """

    def __init__(
        self,
        config: RecoveryConfig,
        clock: Callable[[], float],
        say: Callable[[AuditEvent, str, float | None], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._histories: dict[tuple[str, FailureKind], RetryHistory] = {}
        self._budgets: dict[Rule, RetryBudget] = {}
        self._gates: dict[Rule, BreakerGate] = {}
        for rule, policy in config.policies():
            if policy.budget is not None:
                self._budgets[rule] = RetryBudget(policy.budget)
            if policy.breaker is not None:
                self._gates[rule] = BreakerGate(CircuitBreaker(policy.breaker), rule[0], clock, say)

    # ---------------------------------------------------------------------------------- retries
    def grant(
        self, incident: Incident, policy: RetryPolicy, retry: int, u: float, *, counted: bool
    ) -> float | EscalationReason:
        """Returns the delay of retry number `retry` in seconds, or the reason that it is refused.

        `u` in [0, 1) randomizes the delay. `counted`: the policy limits the number of retries, and not only their
        deadline. A refused retry takes nothing from the budget. Raises InvalidDelay for a delay of the policy that is
        not a finite number of at least 0, and what the policy raises.
        """
        history = self._history(incident) if policy.remembers or _limits_delays_itself(policy) else None
        previous = None if history is None else history.delay
        elapsed = 0.0 if history is None else self._clock() - history.since
        if _limits_delays_itself(policy):
            limited = policy.delay(retry, u, previous, elapsed)
            if limited is None:
                return EscalationReason.RETRIES_EXHAUSTED
            delay = self._checked(incident.failure, policy, limited, retry)
        else:
            unlimited = policy.unlimited_delay(retry, u, previous)
            delay = self._checked(incident.failure, policy, unlimited, retry, finite=False)
        if counted:
            refusal = policy.refusal(retry, delay, elapsed)
        else:
            refusal = None if policy.in_time(delay, elapsed) else EscalationReason.DEADLINE_PASSED
        if refusal is not None:
            return refusal
        self._checked(incident.failure, policy, delay, retry)
        gate = self.gate(incident.failure)
        if gate is not None and gate.refuses(delay):
            return EscalationReason.BREAKER_OPEN
        budget = self._budgets.get(self._config.rule(incident.failure))
        if budget is not None and not budget.spend():
            return EscalationReason.BUDGET_EMPTY
        if history is not None:
            history.delay = delay
        return delay

    def _checked(
        self, failure: Failure, policy: RetryPolicy, delay: object, retry: int, *, finite: bool = True
    ) -> float:
        if type(delay) is float and 0 <= delay < inf:  # the usual case needs no text
            return delay
        kind, code = self._config.rule(failure)
        condition = kind.value if code is None else f"{kind.value}.by_error.{code}"
        return checked_delay(
            delay, retry, f"policy {type(policy).__name__} of {condition}, {failure.subject}", finite=finite
        )

    def latest(self, incident: Incident, policy: RetryPolicy) -> float:
        """The latest instant at which a try of the incident may begin, in seconds of the clock; may be infinite."""
        return inf if policy.deadline is None else self._history(incident).since + policy.deadline

    def gate(self, failure: Failure) -> BreakerGate | None:
        """The circuit breaker for tries of this failure, if its policy has one."""
        return self._gates.get(self._config.rule(failure)) if self._gates else None

    def limits(self, failure: Failure) -> RetryLimits:
        """The limits that a failure's retries share with others."""
        budget, gate = self._budgets.get(self._config.rule(failure)), self.gate(failure)
        return RetryLimits(None if budget is None else budget.left, None if gate is None else gate.shut)

    def _history(self, incident: Incident) -> RetryHistory:
        key = incident.failure.subject, incident.failure.kind
        return self._histories.setdefault(key, RetryHistory(incident.opened_at))

    def ended(self, incident: Incident) -> None:
        """An incident has ended. The history of a task that was recovered is kept: it may fail again."""
        failure = incident.failure
        if failure.kind not in TASK_KINDS or incident.outcome is not None:
            self._histories.pop((failure.subject, failure.kind), None)

    # -------------------------------------------------------------------------------- successes
    def task_succeeded(self, task_id: str) -> None:
        """A task was completed, which refills the budgets for tasks."""
        if self._histories:
            for kind in TASK_KINDS:
                self._histories.pop((task_id, kind), None)
        for (kind, _), budget in self._budgets.items():
            if kind in TASK_KINDS:
                budget.succeeded()

        self._count_attempt(self._gates.values(), task_id, worked=True)

    def attempt_failed(self, failure: Failure) -> None:
        """A failure was reported, which opens an incident: an attempt at its task has failed."""
        gate = self.gate(failure)
        if gate is not None:
            self._count_attempt([gate], failure.subject, worked=False)

    def _count_attempt(self, gates: Iterable[BreakerGate], task_id: str, *, worked: bool) -> None:
        for gate in gates:
            if gate.counts_attempts:
                gate.attempted(task_id, worked)

    def recovered(self, failure: Failure) -> None:
        """A recovery was verified. It refills the budgets for agents and connections; tasks have to complete."""
        for (kind, _), budget in self._budgets.items():
            if kind is failure.kind and kind not in TASK_KINDS:
                budget.succeeded()


def _limits_delays_itself(policy: RetryPolicy) -> bool:
    """Whether the policy is a subclass that overrides `delay`, which returns None when there is no further retry."""
    return type(policy).delay is not RetryPolicy.delay

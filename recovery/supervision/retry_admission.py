"""Admission of retries: the policy of the failure, shared retry budgets, and shared circuit breakers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf

from recovery.audit import AuditEvent, EscalationReason
from recovery.concurrency.breaker_gate import BreakerGate
from recovery.config import RecoveryConfig, Rule
from recovery.engine.resumption import BEGUN
from recovery.model import FINISHED, TASK_KINDS, Failure, FailureKind, Incident, Phase
from recovery.monitoring.snapshot import RetryLimits
from recovery.policies.breaker import CircuitBreaker
from recovery.policies.budget import RetryBudget
from recovery.policies.delays import checked_delay
from recovery.policies.policy_states import BreakerRecord, BudgetState, DrawState, PolicyState, RetryState
from recovery.policies.retry import RetryPolicy
from recovery.policy_changes import PolicyChangeLog
from recovery.ports import System


@dataclass(slots=True)
class RetryHistory:
    """Earlier retries of a subject: the instant of the first failure, and the last delay, both in seconds."""

    since: float
    delay: float | None = None


def rule_name(rule: Rule) -> str:
    """The name of a policy in messages and in the journal: `task_failure`, or `task_failure.by_error.E1`.

    The policy of a kind of tasks is `task_failure.of_chat`.
    """
    of_kind = "" if rule.task_kind is None else f".of_{rule.task_kind}"
    by_error = "" if rule.code is None else f".by_error.{rule.code}"
    return f"{rule.kind.value}{of_kind}{by_error}"


class RetryAdmission:
    """The retry budgets and circuit breakers, one for each policy that has one, and the histories of retries.

    `clock` returns seconds of the running loop; `say(event, kind, value)` is called when a breaker changes its state.
    Changed states are added to `changes`, which the caller writes together with the incident that has changed them.
    """

    def __init__(
        self,
        config: RecoveryConfig,
        clock: Callable[[], float],
        say: Callable[[AuditEvent, str, float | None], None],
        changes: PolicyChangeLog,
    ) -> None:
        self._config = config
        self._clock = clock
        self._changes = changes
        self._histories: dict[tuple[str, FailureKind], RetryHistory] = {}
        self._drawn: dict[str, int] = {}  # random numbers for the delays of agents and connections, by subject
        self._budgets: dict[Rule, RetryBudget] = {}
        self._gates: dict[Rule, BreakerGate] = {}
        on_change = changes.change if changes.is_kept else None
        for rule, policy in config.policies():
            if policy.budget is not None:
                self._budgets[rule] = RetryBudget(policy.budget)
            if policy.breaker is not None:
                breaker = CircuitBreaker(policy.breaker)
                self._gates[rule] = BreakerGate(breaker, rule[0], clock, say, rule_name(rule), on_change)

    # ---------------------------------------------------------------------------------- restart
    def restore(self, states: Iterable[PolicyState], unfinished: Sequence[Incident]) -> None:
        """Continue with the states that an earlier core has stored; `unfinished` are its open incidents.

        States of policies that are no longer configured have no effect. An instant in the future is one of another
        clock, and counts as now.
        """
        budgets = {rule_name(rule): budget for rule, budget in self._budgets.items()}
        gates = {rule_name(rule): gate for rule, gate in self._gates.items()}
        for state in states:
            match state:
                case RetryState():
                    history = RetryHistory(min(state.since, self._clock()), state.delay)
                    self._histories[state.subject, state.kind] = history
                case DrawState():
                    self._drawn[state.subject] = state.drawn
                case BudgetState() if state.rule in budgets:
                    budgets[state.rule].restore(state.left)
                case BreakerRecord() if state.rule in gates:
                    gates[state.rule].restore(state, self._tickets(unfinished, gates[state.rule]))
                case _:
                    pass  # the state of another policy, or of a detector

    def _tickets(self, unfinished: Sequence[Incident], gate: BreakerGate) -> list[int]:
        """The tickets of tries whose result the breaker does not have."""
        own = [each for each in unfinished if each.ticket is not None and self.gate(each.failure) is gate]
        return [each.ticket for each in own if each.ticket is not None and _has_ticket(each)]

    def settle_failed(self, unfinished: Sequence[Incident], system: System) -> None:
        """Count the failed tries whose core has ended before their breaker had the result."""
        for incident in unfinished:
            gate = self.gate(incident.failure)
            if incident.ticket is None or incident.phase is not Phase.FAILED:
                continue
            if gate is not None:
                gate.tried(incident.failure.subject, incident.ticket, worked=False)
            incident.ticket = None
            system.keep(incident, self._changes.taken())

    async def forget_finished(self, system: System) -> None:
        """Delete the histories of tasks that were finished while no core ran."""
        for subject, kind in list(self._histories):
            if kind in TASK_KINDS and await system.store.status(subject) in (None, *FINISHED):
                self._forget(subject, kind)
        self._changes.write()

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
        if policy.honor_retry_after:
            asked = incident.failure.info.get("retry_after")
            if asked is not None:
                delay = max(delay, self._checked(incident.failure, policy, asked, retry))
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
        rule = self._config.rule(incident.failure)
        budget = self._budgets.get(rule)
        if budget is not None:
            if not budget.spend():
                return EscalationReason.BUDGET_EMPTY
            self._changes.change(BudgetState(rule_name(rule), budget.left))
        if history is not None:
            history.delay = delay
            kind, subject = incident.failure.kind, incident.failure.subject
            self._changes.change(RetryState(kind, subject, history.since, delay))
        return delay

    def next_draw(self, failure: Failure) -> int:
        """The number of the next random number for an agent or a connection, over all of its incidents, from 1."""
        drawn = self._drawn[failure.subject] = self._drawn.get(failure.subject, 0) + 1
        self._changes.change(DrawState(failure.subject, drawn))
        return drawn

    def _checked(
        self, failure: Failure, policy: RetryPolicy, delay: object, retry: int, *, finite: bool = True
    ) -> float:
        if type(delay) is float and 0 <= delay < inf:  # the usual case needs no text
            return delay
        condition = rule_name(self._config.rule(failure))
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
        failure = incident.failure
        key = failure.subject, failure.kind
        history = self._histories.get(key)
        if history is None:
            history = self._histories[key] = RetryHistory(min(incident.opened_at, failure.at))
        return history

    def reported_late(self, incident: Incident, failure: Failure, system: System) -> None:
        """Count an open incident from an earlier failure of the same kind whose report has arrived after it."""
        if failure.kind is incident.failure.kind and failure.at < min(incident.opened_at, incident.failure.at):
            incident.failure = replace(incident.failure, at=failure.at)
            history = self._histories.get((failure.subject, failure.kind))
            if history is not None:
                history.since = min(history.since, failure.at)
                if history.delay is not None:
                    self._changes.change(RetryState(failure.kind, failure.subject, history.since, history.delay))
            system.keep(incident, self._changes.taken())

    def ended(self, incident: Incident) -> None:
        """An incident has ended. The history of a task that was recovered is kept: it may fail again."""
        failure = incident.failure
        if failure.kind not in TASK_KINDS or incident.outcome is not None:
            self._forget(failure.subject, failure.kind)
            self._changes.write()

    def _forget(self, subject: str, kind: FailureKind) -> None:
        history = self._histories.pop((subject, kind), None)
        if history is not None and history.delay is not None:
            self._changes.delete(RetryState(kind, subject, history.since).name)

    # -------------------------------------------------------------------------------- successes
    @property
    def counts_completions(self) -> bool:
        """Whether a budget, a breaker or the retries of a task depend on the completion of tasks."""
        counts = any(kind in TASK_KINDS for kind, *_ in self._budgets)
        return counts or bool(self._histories) or any(gate.counts_attempts for gate in self._gates.values())

    def remembered_tasks(self) -> list[str]:
        """The tasks with earlier retries, and those whose next result is that of a probe."""
        retried = [subject for subject, kind in self._histories if kind in TASK_KINDS]
        return list(dict.fromkeys([*retried, *(task for gate in self._gates.values() for task in gate.awaited)]))

    def task_succeeded(self, task_id: str) -> None:
        """A task was completed, which refills the budgets for tasks."""
        if not (self._histories or self._budgets or self._gates):
            return
        if self._histories:
            for kind in TASK_KINDS:
                self._forget(task_id, kind)
        for rule, budget in self._budgets.items():
            if rule[0] in TASK_KINDS:
                self._refill(rule, budget)

        self._count_attempt(self._gates.values(), task_id, worked=True)

    def _refill(self, rule: Rule, budget: RetryBudget) -> None:
        before = budget.left
        budget.succeeded()
        if budget.left != before:
            self._changes.change(BudgetState(rule_name(rule), budget.left))

    def attempt_failed(self, failure: Failure) -> None:
        """A failure was reported, which opens an incident: an attempt at its task has failed."""
        gate = self.gate(failure)
        if gate is not None:
            self._count_attempt([gate], failure.subject, worked=False)

    def _count_attempt(self, gates: Iterable[BreakerGate], task_id: str, *, worked: bool) -> None:
        for gate in gates:
            if gate.counts_attempts:
                gate.attempted(task_id, worked)
        self._changes.write()

    def recovered(self, failure: Failure) -> None:
        """A recovery was verified. It refills the budgets for agents and connections; tasks have to complete."""
        for rule, budget in self._budgets.items():
            if rule[0] is failure.kind and rule[0] not in TASK_KINDS:
                self._refill(rule, budget)
        self._changes.write()


def _has_ticket(incident: Incident) -> bool:
    """Whether the ticket of an incident is that of a try that has begun, or has failed without a result for it."""
    return incident.phase in BEGUN or incident.phase is Phase.FAILED


def _limits_delays_itself(policy: RetryPolicy) -> bool:
    """Whether the policy is a subclass that overrides `delay`, which returns None when there is no further retry."""
    return type(policy).delay is not RetryPolicy.delay

"""The retry loop: delays between the tries of a recovery, and their admission."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from recovery.actions.context import RecoveryServices
from recovery.audit import AuditEvent, DismissalReason, EscalationReason
from recovery.concurrency.breaker_gate import BreakerGate
from recovery.concurrency.fair_semaphore import FairSemaphore
from recovery.concurrency.pacing import Pacer
from recovery.concurrency.subject_locks import SubjectLocks
from recovery.concurrency.time_limit import TimeLimit
from recovery.config import RecoveryConfig
from recovery.engine.engine import Outcome, RecoveryEngine
from recovery.engine.resumption import BEGUN
from recovery.model import FINISHED, TASK_KINDS, FailureKind, Incident, Phase
from recovery.policies.delays import checked_draw
from recovery.policies.policy_states import LoadState, PolicyState
from recovery.policies.retry import RetryPolicy
from recovery.policy_changes import PolicyChangeLog
from recovery.ports import System
from recovery.supervision.escalator import Escalator
from recovery.supervision.retry_admission import RetryAdmission

VERDICTS: dict[Outcome | None, bool] = {Outcome.VERIFIED: True, Outcome.FAILED: False, Outcome.STUCK: False}
"""The verdicts of tries for their circuit breaker. Dismissed and unknown failures have none."""
ROUNDING = 1e-6
"""Seconds by which the end of a delay may be behind the deadline, because both are sums of floats."""
Jitter = Callable[[str, int], float]
"""Takes a subject and a number; returns the number in [0, 1) that randomizes the delay of a retry.

The number counts from 1: for a task its retries of failed attempts, for an agent or a connection the delays in all of
its incidents. It counts from -1 downwards for the retries of a task whose resource has failed, so that they have random
numbers of their own.
"""


class RetryLoop:
    """Runs the tries of all incidents, while one supervisor runs on one event loop.

    `is_open` returns whether a subject has an open incident; `clock` returns seconds of the loop. `services` are shared
    by all recoveries. Changed states of policies are written to the journal through `changes`.
    """

    def __init__(
        self,
        config: RecoveryConfig,
        system: System,
        engine: RecoveryEngine,
        escalator: Escalator,
        jitter: Jitter,
        is_open: Callable[[str], bool],
        clock: Callable[[], float],
        changes: PolicyChangeLog,
    ) -> None:
        self._config = config
        self._system = system
        self._engine = engine
        self._escalator = escalator
        self._jitter = jitter
        self._clock = clock
        self._changes = changes
        self.admission = RetryAdmission(config, clock, self._tell, changes)
        self._slots = FairSemaphore(config.parallel)
        self._pacer = Pacer(config.load, self._paced, self._passed if changes.is_kept else None)
        self._locks = SubjectLocks()
        self.services = RecoveryServices(
            policy_of=config.policy,
            is_recovering=is_open,
            pacer=self._pacer,
            lock_of=self._locks.of,
            parallel=config.parallel,
            stale_reads=config.stale_reads,
        )

    def restore(self, states: Iterable[PolicyState], unfinished: Sequence[Incident]) -> None:
        """Continue with the states of policies that an earlier core has stored; `unfinished` are its open incidents."""
        states = list(states)
        self.admission.restore(states, unfinished)
        for state in states:
            if isinstance(state, LoadState):
                self._pacer.restore(state, self._clock())
        self.admission.settle_failed(unfinished, self._system)

    async def wait_for_next_try(self, incident: Incident, policy: RetryPolicy | None) -> bool:
        """Wait for the delay of the next try. False: there is no further try, and the incident is escalated.

        A try that was granted, or had begun, when an earlier core ended is not granted again.
        """
        failure = incident.failure
        if incident.phase in BEGUN:
            return True
        if incident.phase is Phase.GRANTED:
            await self._count(incident)
            await self._wait_until_due(incident)
            return True
        incident.tries += 1
        counts_tasks = failure.kind in TASK_KINDS
        retry = incident.tries
        if counts_tasks:
            retry = await self._system.store.retries(failure.subject, failure.kind) + 1
        is_agent = failure.kind is FailureKind.AGENT  # an agent's condition limits its tasks' retries
        if (is_agent or policy is None) and incident.tries > self._config.unconditional_tries:
            await self._refuse(incident, EscalationReason.RETRIES_EXHAUSTED)
            return False
        if policy is None:
            return True
        try:
            delay = self._asked(incident, policy, retry, counted=not is_agent)
        except Exception as error:
            self._system.defect(f"policy of {failure.kind.value}", error, incident.number, certain=True)
            raise
        if isinstance(delay, EscalationReason):
            await self._refuse(incident, delay)
            return False
        self._say(incident, AuditEvent.RETRY_GRANTED, failure.kind.value, delay)
        incident.phase, incident.due, incident.delay = Phase.GRANTED, self._clock() + delay, delay
        incident.retry = retry if counts_tasks else None
        self._system.keep(incident, self._changes.taken())
        await self._count(incident)
        if delay > 0:
            await asyncio.sleep(delay)
        return True

    def _asked(self, incident: Incident, policy: RetryPolicy, retry: int, *, counted: bool) -> float | EscalationReason:
        """The delay of a retry in seconds, or the reason that it is refused. Raises what policy and jitter raise."""
        if counted and not policy.allows(retry):
            return EscalationReason.RETRIES_EXHAUSTED
        failure = incident.failure
        number = retry if failure.kind in TASK_KINDS else self.admission.next_draw(failure)
        drawn = self._jitter(failure.subject, -number if failure.kind is FailureKind.RESOURCE else number)
        u = checked_draw(drawn, retry, failure.subject)
        return self.admission.grant(incident, policy, retry, u, counted=counted)

    async def _count(self, incident: Incident) -> None:
        """Count the granted retry: exactly once, even if the core ends before or after."""
        if incident.retry is not None:
            await self._system.journal.durable()
            await self._system.store.count_retry(incident.failure.subject, incident.failure.kind, incident.retry)

    async def _wait_until_due(self, incident: Incident) -> None:
        """Wait for the rest of a delay: not longer than all of it, if the clock has been set back."""
        delay = 0.0 if incident.due is None else incident.due - self._clock()
        if incident.delay is not None:
            delay = min(delay, incident.delay)
        if delay > 0:
            await asyncio.sleep(delay)

    async def try_once(self, incident: Incident, policy: RetryPolicy | None) -> Outcome | None:
        """Make one try, in a slot, if its breaker admits it. None: it does not, and the incident is escalated.

        A task waits for the load limit before it takes a slot. The tasks of an agent wait while the agent's recovery
        holds one. A try that had begun when an earlier core ended is already admitted.
        """
        if incident.failure.kind in TASK_KINDS:
            await self._pacer.wait_for_token(incident)
        gate = None if policy is None else self.admission.gate(incident.failure)
        while True:
            async with self._slots.hold(incident.failure.kind):
                refusal = await self._refusal_of_late(incident, policy)
                if refusal is None and (policy is None or gate is None):
                    return await self._timed_try(incident, policy)
                if refusal is None and policy is not None and gate is not None:
                    if incident.phase not in BEGUN or incident.ticket is None:
                        incident.ticket = gate.admit()
                        self._changes.write()  # the breaker may be half open now
                    if incident.ticket is not None:
                        return await self._admitted_try(incident, policy, gate, incident.ticket)
                    refusal = EscalationReason.BREAKER_OPEN if gate.refuses() else None
            if refusal is None and policy is not None and gate is not None:
                latest = self.admission.latest(incident, policy)
                refusal = None if await gate.opening(latest) else EscalationReason.DEADLINE_PASSED
            if refusal is not None:
                await self._refuse(incident, refusal)
                return None

    async def _refusal_of_late(self, incident: Incident, policy: RetryPolicy | None) -> EscalationReason | None:
        """A try that has not begun by the deadline is refused.

        When it was due, no core ran, the core was suspended or without its store, or there was no slot.
        """
        if policy is None or policy.deadline is None or incident.phase in BEGUN:
            return None
        await self._system.journal.durable()  # returns when the core is awake and reaches its store
        is_late = self._clock() > self.admission.latest(incident, policy) + ROUNDING
        return EscalationReason.DEADLINE_PASSED if is_late else None

    async def _admitted_try(self, incident: Incident, policy: RetryPolicy, gate: BreakerGate, ticket: int) -> Outcome:
        """Make one try, and pass its result to the breaker. The result of a cancelled try is that of the next core."""
        outcome = None
        try:
            outcome = await self._timed_try(incident, policy)
        except asyncio.CancelledError:
            gate.settle(ticket, None)
            raise
        except BaseException:
            self._settle(incident, gate, ticket, None)
            raise
        self._settle(incident, gate, ticket, outcome)
        return outcome

    def _settle(self, incident: Incident, gate: BreakerGate, ticket: int, outcome: Outcome | None) -> None:
        """Pass the result of a try to its breaker, and write both together, so that it counts once."""
        gate.tried(incident.failure.subject, ticket, VERDICTS.get(outcome))
        incident.ticket = None
        if incident.phase is Phase.FAILED:
            self._system.keep(incident, self._changes.taken())
        else:  # the incident has ended, or is kept with its escalation
            self._changes.write()

    async def _timed_try(self, incident: Incident, policy: RetryPolicy | None) -> Outcome:
        """Make one try within its time limit. After a timeout, the try and its current step have failed.

        The limit of a try that an earlier core has begun continues.
        """
        timeout = None if policy is None else policy.try_timeout
        async with self._locks.of(incident.failure.subject):
            if incident.failure.kind in TASK_KINDS:
                await self._pacer.wait_to_start(incident)
            if timeout is None:
                return await self._engine.recover(incident, self.services)
            now = self._clock()
            if incident.phase not in BEGUN or incident.try_began is None:
                incident.try_began = now
            until = min(incident.try_began, now) + timeout
            if until >= now:
                try:
                    async with TimeLimit(at=until):
                        return await self._engine.recover(incident, self.services)
                except TimeoutError:
                    pass
            return await self._engine.cut_off(incident, f"timed out after {timeout:g} s", self.services)

    async def _refuse(self, incident: Incident, cause: EscalationReason) -> None:
        """Escalate the incident: there is no further try. Of a task that is finished, it is dismissed.

        A task is finished if an earlier report of the same failure, which a later core has received first, was refused.
        """
        failure = incident.failure
        if failure.kind in TASK_KINDS and await self._system.store.status(failure.subject) in FINISHED:
            self._say(incident, AuditEvent.RECOVERY_DISMISSED, DismissalReason.TASK_FINISHED)
            self._system.journal.forget(incident.number)
            return
        self._say(incident, AuditEvent.RETRY_EXHAUSTED, incident.failure.kind.value)
        await self.escalate(incident, cause)

    async def escalate(self, incident: Incident, cause: EscalationReason | None, reason: str | None = None) -> None:
        """Hand an incident over to an operator. `reason` is the text; left out, it is that of the cause."""
        if reason is None:
            reason = "" if cause is None else cause.value
        await self._escalator.escalate(incident, cause, reason, self.services)

    def _paced(self, incident: Incident, seconds: float) -> None:
        self._say(incident, AuditEvent.RECOVERY_PACED, value=seconds)

    def _passed(self, state: LoadState) -> None:
        """Store the state of the load limit before the task that has passed is queued."""
        self._changes.change(state)
        self._changes.write()

    def _tell(self, event: AuditEvent, subject: str, value: float | None) -> None:
        self._system.audit.record(event, -1, subject, "", value)

    def _say(self, incident: Incident, event: AuditEvent, detail: str = "", value: float | None = None) -> None:
        self._system.audit.record(event, incident.number, incident.failure.subject, detail, value)

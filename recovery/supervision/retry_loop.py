"""The retry loop: delays between the tries of a recovery, and their admission."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery.actions.context import RecoveryServices
from recovery.audit import AuditEvent, EscalationReason
from recovery.concurrency.fair_semaphore import FairSemaphore
from recovery.concurrency.pacing import Pacer
from recovery.concurrency.subject_locks import SubjectLocks
from recovery.concurrency.time_limit import TimeLimit
from recovery.config import RecoveryConfig
from recovery.engine.engine import Outcome, RecoveryEngine
from recovery.engine.resumption import BEGUN
from recovery.model import TASK_KINDS, FailureKind, Incident, Phase
from recovery.policies.delays import checked_draw
from recovery.policies.retry import RetryPolicy
from recovery.ports import System
from recovery.supervision.escalator import Escalator
from recovery.supervision.retry_admission import RetryAdmission

VERDICTS: dict[Outcome | None, bool] = {Outcome.VERIFIED: True, Outcome.FAILED: False, Outcome.STUCK: False}
"""The verdicts of tries for their circuit breaker. Dismissed and unknown failures have none."""
Jitter = Callable[[str, int], float]
"""Takes a subject and the number of its retry; returns the number in [0, 1) that randomizes the delay."""


class RetryLoop:
    """Runs the tries of all incidents, while one supervisor runs on one event loop.

    `is_open` returns whether a subject has an open incident; `clock` returns seconds of the loop. `services` are shared
    by all recoveries.
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
    ) -> None:
        self._config = config
        self._system = system
        self._engine = engine
        self._escalator = escalator
        self._jitter = jitter
        self._clock = clock
        self.admission = RetryAdmission(config, clock, self._tell)
        self._slots = FairSemaphore(config.parallel)
        self._pacer = Pacer(
            config.load, lambda incident, seconds: self._say(incident, AuditEvent.RECOVERY_PACED, value=seconds)
        )
        self._locks = SubjectLocks()
        self.services = RecoveryServices(
            policy_of=config.policy,
            is_recovering=is_open,
            pacer=self._pacer,
            lock_of=self._locks.of,
            parallel=config.parallel,
            stale_reads=config.stale_reads,
        )

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
        incident.phase, incident.due = Phase.GRANTED, self._clock() + delay
        incident.retry = retry if counts_tasks else None
        self._system.keep(incident)
        await self._count(incident)
        if delay > 0:
            await asyncio.sleep(delay)
        return True

    def _asked(self, incident: Incident, policy: RetryPolicy, retry: int, *, counted: bool) -> float | EscalationReason:
        """The delay of a retry in seconds, or the reason that it is refused. Raises what policy and jitter raise."""
        if counted and not policy.allows(retry):
            return EscalationReason.RETRIES_EXHAUSTED
        subject = incident.failure.subject
        u = checked_draw(self._jitter(subject, retry), retry, subject)
        return self.admission.grant(incident, policy, retry, u, counted=counted)

    async def _count(self, incident: Incident) -> None:
        """Count the granted retry: exactly once, even if the core ends before or after."""
        if incident.retry is not None:
            await self._system.journal.durable()
            await self._system.store.count_retry(incident.failure.subject, incident.failure.kind, incident.retry)

    async def _wait_until_due(self, incident: Incident) -> None:
        delay = 0.0 if incident.due is None else incident.due - self._clock()
        if delay > 0:
            await asyncio.sleep(delay)

    async def try_once(self, incident: Incident, policy: RetryPolicy | None) -> Outcome | None:
        """Make one try, in a slot, if its breaker admits it. None: it does not, and the incident is escalated.

        A task waits for the load limit before it takes a slot. The tasks of an agent wait while the agent's recovery
        holds one.
        """
        if incident.failure.kind in TASK_KINDS:
            await self._pacer.wait_for_token(incident)
        gate = None if policy is None else self.admission.gate(incident.failure)
        if policy is None or gate is None:
            async with self._slots.hold(incident.failure.kind):
                return await self._timed_try(incident, policy)
        while True:
            async with self._slots.hold(incident.failure.kind):
                ticket = gate.admit()
                if ticket is not None:
                    outcome = None
                    try:
                        outcome = await self._timed_try(incident, policy)
                    finally:
                        gate.tried(incident.failure.subject, ticket, VERDICTS.get(outcome))
                    return outcome
            refusal = EscalationReason.BREAKER_OPEN if gate.refuses() else None
            if refusal is None and not await gate.opening(self.admission.latest(incident, policy)):
                refusal = EscalationReason.DEADLINE_PASSED
            if refusal is not None:
                await self._refuse(incident, refusal)
                return None

    async def _timed_try(self, incident: Incident, policy: RetryPolicy | None) -> Outcome:
        """Make one try within its time limit. After a timeout, the try and its current step have failed."""
        timeout = None if policy is None else policy.try_timeout
        async with self._locks.of(incident.failure.subject):
            if incident.failure.kind in TASK_KINDS:
                await self._pacer.wait_to_start(incident)
            try:
                async with TimeLimit(timeout):
                    return await self._engine.recover(incident, self.services)
            except TimeoutError:
                return await self._engine.cut_off(incident, f"timed out after {timeout:g} s", self.services)

    async def _refuse(self, incident: Incident, cause: EscalationReason) -> None:
        """Escalate the incident: there is no further try."""
        self._say(incident, AuditEvent.RETRY_EXHAUSTED, incident.failure.kind.value)
        await self.escalate(incident, cause)

    async def escalate(self, incident: Incident, cause: EscalationReason | None, reason: str | None = None) -> None:
        """Hand an incident over to an operator. `reason` is the text; left out, it is that of the cause."""
        if reason is None:
            reason = "" if cause is None else cause.value
        await self._escalator.escalate(incident, cause, reason, self.services)

    def _tell(self, event: AuditEvent, subject: str, value: float | None) -> None:
        self._system.audit.record(event, -1, subject, "", value)

    def _say(self, incident: Incident, event: AuditEvent, detail: str = "", value: float | None = None) -> None:
        self._system.audit.record(event, incident.number, incident.failure.subject, detail, value)

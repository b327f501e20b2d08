"""Tries: when the next one at a recovery is due, and what it has to pass before it may begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery.actions.context import RecoveryServices
from recovery.concurrency.fair_semaphore import FairSlots
from recovery.concurrency.pacing import Pace
from recovery.concurrency.subject_locks import Exclusion
from recovery.config import RecoveryConfig
from recovery.engine.engine import Outcome, RecoveryEngine
from recovery.engine.resumption import BEGUN
from recovery.model import TASK_KINDS, FailureKind, Incident, Phase
from recovery.policies.retry import BREAKER_OPEN, EXHAUSTED, TOO_LATE, RetryPolicy
from recovery.ports import System
from recovery.supervision.escalator import HandOver
from recovery.supervision.retry_admission import Admission

VERDICTS: dict[Outcome | None, bool] = {Outcome.VERIFIED: True, Outcome.FAILED: False, Outcome.STUCK: False}
"""What a try says to its circuit breaker; nothing, when there was nothing to recover or nobody knows how."""
Jitter = Callable[[str, int], float]
"""Of a subject and the number of its retry, the number in [0, 1) that spreads the delay."""


class Tries:
    """The tries of all incidents: their delays, and what they share while one supervisor runs on one loop.

    `is_open` tells whether a subject has an open incident; `clock` gives seconds of the loop.
    """

    def __init__(
        self,
        config: RecoveryConfig,
        system: System,
        engine: RecoveryEngine,
        hand_over: HandOver,
        jitter: Jitter,
        is_open: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._system = system
        self._engine = engine
        self._hand_over = hand_over
        self._jitter = jitter
        self._clock = clock
        self.admission = Admission(config, clock, self._tell)
        self._slots = FairSlots(config.parallel)
        self._pace = Pace(config.load, lambda incident, seconds: self._say(incident, "recovery.paced", value=seconds))
        self._exclusion = Exclusion()
        self.services = RecoveryServices(
            policy_of=config.policy,
            is_recovering=is_open,
            pace=self._pace,
            exclusively=self._exclusion.of,
            parallel=config.parallel,
            stale_reads=config.stale_reads,
        )

    async def is_due(self, incident: Incident, policy: RetryPolicy | None) -> bool:
        """Wait out the delay of the next try. False: there is none left, and the incident is escalated.

        One that was granted, or under way, when the core ended is not granted again.
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
        if failure.kind is FailureKind.AGENT or policy is None:  # a condition for agents limits their tasks' retries
            exhausted = incident.tries > self._config.unconditional_tries
        else:
            exhausted = not policy.allows(retry)
        if exhausted:
            await self._refuse(incident, EXHAUSTED)
            return False
        if policy is None:
            return True
        u = self._jitter(failure.subject, retry)
        delay = self.admission.grant(incident, policy, retry, u, counted=failure.kind is not FailureKind.AGENT)
        if isinstance(delay, str):
            await self._refuse(incident, delay)
            return False
        self._say(incident, "retry.granted", failure.kind.value, delay)
        incident.phase, incident.due = Phase.GRANTED, self._clock() + delay
        incident.retry = retry if counts_tasks else None
        self._system.keep(incident)
        await self._count(incident)
        if delay > 0:
            await asyncio.sleep(delay)
        return True

    async def _count(self, incident: Incident) -> None:
        """Count the retry that was granted; when the core ends before or after, it is counted once."""
        if incident.retry is not None:
            await self._system.journal.durable()
            await self._system.store.count_retry(incident.failure.subject, incident.failure.kind, incident.retry)

    async def _wait_until_due(self, incident: Incident) -> None:
        delay = 0.0 if incident.due is None else incident.due - self._clock()
        if delay > 0:
            await asyncio.sleep(delay)

    async def one(self, incident: Incident, policy: RetryPolicy | None) -> Outcome | None:
        """One try, in a slot, when its breaker lets it pass. None: it does not, and the incident is escalated.

        A task waits for its turn to be put back before it takes a slot, and then for those only who were held up as it
        was; the tasks of an agent wait while it holds one.
        """
        if incident.failure.kind in TASK_KINDS:
            await self._pace.keep(incident)
        gate = None if policy is None else self.admission.gate(incident.failure)
        if policy is None or gate is None:
            async with self._slots.one(incident.failure.kind):
                return await self._timed_try(incident, policy)
        while True:
            async with self._slots.one(incident.failure.kind):
                ticket = gate.admit()
                if ticket is not None:
                    outcome = None
                    try:
                        outcome = await self._timed_try(incident, policy)
                    finally:
                        gate.settle(ticket, VERDICTS.get(outcome))
                    return outcome
            refusal = BREAKER_OPEN if gate.refuses() else None
            if refusal is None and not await gate.opening(self.admission.latest(incident, policy)):
                refusal = TOO_LATE
            if refusal is not None:
                await self._refuse(incident, refusal)
                return None

    async def _timed_try(self, incident: Incident, policy: RetryPolicy | None) -> Outcome:
        """A try that takes longer than it may has failed, and so has the step that it was at."""
        timeout = None if policy is None else policy.try_timeout
        async with self._exclusion.of(incident.failure.subject):
            if incident.failure.kind in TASK_KINDS:
                await self._pace.go(incident)
            try:
                async with asyncio.timeout(timeout):
                    return await self._engine.recover(incident, self.services)
            except TimeoutError:
                return await self._engine.cut_off(incident, f"timed out after {timeout:g} s", self.services)

    async def _refuse(self, incident: Incident, reason: str) -> None:
        """There is no further try."""
        self._say(incident, "retry.exhausted", incident.failure.kind.value)
        await self.escalate(incident, reason)

    async def escalate(self, incident: Incident, reason: str) -> None:
        """Hand an incident over to an operator."""
        await self._hand_over.escalate(incident, reason, self.services)

    def _tell(self, event: str, subject: str, value: float | None) -> None:
        self._system.audit.record(event, -1, subject, "", value)

    def _say(self, incident: Incident, event: str, detail: str = "", value: float | None = None) -> None:
        self._system.audit.record(event, incident.number, incident.failure.subject, detail, value)

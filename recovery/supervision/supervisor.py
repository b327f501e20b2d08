"""The supervisor: detects failures, recovers them concurrently, and escalates what cannot be recovered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from math import inf
from typing import Any

from recovery.audit import AuditEvent, DismissalReason, EscalationReason
from recovery.config import RecoveryConfig
from recovery.detection.failure_detector import FailureDetector
from recovery.detection.orphaned_tasks import orphaned_tasks
from recovery.diagnosis.analyst import escalation_cause
from recovery.engine.engine import Outcome, RecoveryEngine
from recovery.errors import error_text
from recovery.journal import NoJournal
from recovery.model import FINISHED, HALTED, TASK_KINDS, Escalation, Failure, FailureKind, Incident
from recovery.monitoring.monitor import RecoveryMonitor
from recovery.monitoring.snapshot import RetryLimits
from recovery.policy_changes import PolicyChangeLog
from recovery.ports import System
from recovery.supervision.escalation_queue import EscalationQueue
from recovery.supervision.escalator import Escalator
from recovery.supervision.retry_loop import Jitter, RetryLoop


def no_jitter(subject: str, retry: int) -> float:
    """No randomness: the middle of the jitter's range."""
    return 0.5


class Supervisor:
    """Monitors agents, accepts reports of failures, and recovers each according to its condition.

    A subject has at most one recovery at a time. A report during a recovery of the same subject belongs to it, unless
    the task is still halted at its end. `jitter(subject, retry)` returns the number in [0, 1) that randomizes a delay.
    Escalated incidents are in `escalations`. A `monitor` observes every recovery; it needs all events of the audit
    trail, so that `system` must be `monitor.system` then. Raises ValueError if it is not. If heartbeats are read from a
    store, `observed` returns the instant (s of the loop) up to which they were: no agent is suspected before.

    If the system has a journal, the unfinished recoveries of an earlier core are continued at the start, with the
    states of its retry policies, budgets, circuit breakers, load limit and detectors.
    """

    def __init__(
        self,
        config: RecoveryConfig | Mapping[str, Any],
        system: System,
        engine: RecoveryEngine | None = None,
        *,
        jitter: Jitter = no_jitter,
        monitor: RecoveryMonitor | None = None,
        observed: Callable[[], float] | None = None,
    ) -> None:
        self._observed = observed
        self.config = RecoveryConfig.model_validate(config)
        self.system = system
        self.engine = RecoveryEngine(self.config, system) if engine is None else engine
        self.escalations = EscalationQueue(self._said_by_operator, system.journal)
        self._escalator = Escalator(system, self.engine, self.escalations, self._say)
        self.monitor = monitor
        if monitor is not None and not (self.system.audit is self.engine.system.audit is monitor.system.audit):
            raise ValueError("the monitor gets no events: supervisor and engine have to use `monitor.system`")
        self._jitter = jitter
        self._changes = PolicyChangeLog(system.journal)
        self._incidents = 0
        self._open: dict[str, Incident] = {}
        self._reported_again: dict[str, Failure] = {}
        self._found: dict[str, float] = {}  # tasks that were halted before the start, and when it found them
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._monitoring: dict[int, asyncio.Task[None]] = {}
        self._detector: FailureDetector | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # while it runs

    @cached_property
    def _retry_loop(self) -> RetryLoop:
        """That of the latest start; before the first, one that has no retries yet."""
        return self._new_retry_loop()

    def _new_retry_loop(self) -> RetryLoop:
        """Its clock is that of the loop on which the supervisor starts, also for tries that `stop` cancels."""
        clock = (lambda: self._running().time()) if self._loop is None else self._loop.time
        is_open = self._open.__contains__
        return RetryLoop(
            self.config, self.system, self.engine, self._escalator, self._jitter, is_open, clock, self._changes
        )

    # ---------------------------------------------------------------------------- start, stop
    async def start(self) -> None:
        """Start on the running event loop. Afterwards, call `watch` for each agent.

        Raises RuntimeError if it runs already. After `stop()` it may be started again, also on another loop.
        """
        if self._loop is not None:
            raise RuntimeError("the supervisor runs already")
        self._loop = asyncio.get_running_loop()
        self._changes = PolicyChangeLog(self.system.journal)
        self._retry_loop = self._new_retry_loop()
        if self.monitor is not None:
            self.monitor.start(self, self._loop)
        unfinished, states = self.system.journal.unfinished(), self._changes.stored()
        self._retry_loop.restore(states, unfinished)
        failures = [known.failure for known in (*unfinished, *self.escalations)]
        agents = [failure for failure in failures if failure.kind is FailureKind.AGENT]
        parts = (self.config.detection, self.system, self.report, self._loop)
        self._detector = FailureDetector(*parts, agents, states, self._changes, self._observed)
        await self._continue(unfinished)

    async def _continue(self, unfinished: Sequence[Incident]) -> None:
        """Continue the unfinished recoveries of the journal, and recover orphaned tasks."""
        journal = self.system.journal
        if isinstance(journal, NoJournal):
            return
        if journal.numbers():
            self._incidents = max(self._incidents, journal.numbers())
            self.system.audit.record(AuditEvent.CORE_STARTED, -1, "core", value=float(len(unfinished)))
        for incident in unfinished:
            self._say(incident, AuditEvent.RECOVERY_TAKEN_UP, incident.phase.value)
            self._begin(incident)
        for failure in await orphaned_tasks(self.system, self._running().time()):
            self.report(failure)
            self._found[failure.subject] = failure.at
        await self._retry_loop.admission.forget_finished(self.system)

    async def stop(self) -> None:
        """Stop detection, and cancel the running recoveries. Their tasks remain as they are."""
        self._loop = None
        running = [*self._tasks.values(), *self._monitoring.values()]
        for task in running:  # before anything is awaited: a core that no longer leads takes no further step
            task.cancel()
        detector, self._detector = self._detector, None
        if detector is not None:
            await detector.stop()
        await asyncio.gather(*running, return_exceptions=True)
        self._open.clear()  # a recovery that was cancelled before it began does not remove itself
        self._reported_again.clear()
        self._found.clear()

    async def settled(self) -> None:
        """Return when no recovery and no monitoring of one is running."""
        while self._tasks or self._monitoring:
            await asyncio.gather(*self._tasks.values(), *self._monitoring.values(), return_exceptions=True)
            await asyncio.sleep(0)  # from Python 3.12 on, to gather what is done does not let their callbacks run

    # ------------------------------------------------------------------------------ detection
    def watch(self, agent_id: str) -> None:
        """Begin to monitor an agent. Raises RuntimeError if the supervisor does not run."""
        self._running_detector().agent(agent_id)

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """Record a heartbeat of an agent. Has no effect if the supervisor does not run.

        `progress` is the progress of each task that the agent executes, in work-seconds or in any unit that increases.
        It is needed if `detection.stalled_after` is set.
        """
        if self._detector is not None:
            self._detector.beat(agent_id, progress)

    def regular_heartbeats(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Report that an agent sends a heartbeat every `interval` seconds until `regular_heartbeats_end`.

        They need not be reported one by one: `latest()` returns the instant of the latest one, on the loop's clock.
        False if each one has to be reported by `heartbeat`: the supervisor does not run, its detector counts the
        progress of tasks or the intervals, or the agent is suspected.
        """
        return self._detector is not None and self._detector.regular(agent_id, interval, latest)

    def regular_heartbeats_end(self, agent_id: str) -> None:
        """Report that each heartbeat of an agent is reported again. Has no effect if it was already."""
        if self._detector is not None:
            self._detector.regular_end(agent_id)

    def heartbeats_not_read(self, seconds: float = inf) -> None:
        """Report that heartbeats could not be read for this long: agents have as much time more to send one.

        By default, and at most, agents have their whole timeout from now on.
        """
        if self._detector is not None:
            self._detector.heartbeats_not_read(seconds)

    def agent_down(self, agent_id: str) -> None:
        """Report to the perfect detector that an agent is down. Raises RuntimeError as `watch` does."""
        self._running_detector().agent_down(agent_id)

    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """Report that a connection between two endpoints is broken since `since`. Raises RuntimeError as `watch` does.

        `link` is the name of the connection, `queue_ids` are the queues whose messages cannot be delivered.
        """
        self._running_detector().delivery_failed(link, endpoints, queue_ids, since)

    def connection_restored(self, link: str) -> None:
        """Report that a connection works again."""
        if self._detector is not None:
            self._detector.connection_restored(link)

    def _running_detector(self) -> FailureDetector:
        self._running()
        assert self._detector is not None
        return self._detector

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the supervisor does not run: call start() first")
        return self._loop

    # --------------------------------------------------------------------------------- failures
    def report(self, failure: Failure) -> None:
        """Open an incident for a failure, unless its subject has an open one.

        A late report, of a failure that the core has found itself at its start, opens no second one.

        Raises RuntimeError if the supervisor does not run, and any error of the journal, such as ValueError if the
        failure cannot be written as JSON. No incident is opened then.
        """
        loop = self._running()
        if failure.subject in self._open:
            self._reported_again[failure.subject] = failure
            self._retry_loop.admission.reported_late(self._open[failure.subject], failure, self.system)
            return
        if failure.at < self._found.get(failure.subject, failure.at):
            return
        incident = Incident(self._incidents, failure, loop.time())
        self.system.keep(incident)
        self._incidents += 1
        self._say(incident, AuditEvent.RECOVERY_OPENED, failure.kind.value)
        self._retry_loop.admission.attempt_failed(failure)
        self._begin(incident)

    def _begin(self, incident: Incident) -> None:
        loop, failure = self._running(), incident.failure
        self._open[failure.subject] = incident
        if self.monitor is not None:  # before the recovery, so that its beginning is observed
            watching = loop.create_task(self.monitor.monitor_recovery(failure.subject))
            self._monitoring[incident.number] = watching
            watching.add_done_callback(lambda _: self._monitoring.pop(incident.number, None))
        task = loop.create_task(self._handle(incident))
        self._tasks[incident.number] = task
        task.add_done_callback(partial(self._handled, incident))

    def _handled(self, incident: Incident, handling: asyncio.Task[None]) -> None:
        """The handling of an incident has ended; its exception, such as one of an escalation, is not lost."""
        self._tasks.pop(incident.number, None)
        error = None if handling.cancelled() else handling.exception()
        if error is not None:
            self.system.defect("supervisor", error, incident.number)

    def task_succeeded(self, task_id: str) -> None:
        """Report that a task was completed, which refills retry budgets and counts for circuit breakers of attempts.

        Not needed if no policy has one.
        """
        self._retry_loop.admission.task_succeeded(task_id)

    @property
    def counts_completions(self) -> bool:
        """Whether `task_succeeded` has an effect."""
        return self._retry_loop.admission.counts_completions

    def remembered_tasks(self) -> list[str]:
        """The tasks whose completion has an effect of its own, and does not only count."""
        return self._retry_loop.admission.remembered_tasks()

    async def _handle(self, incident: Incident) -> None:
        """Run the recovery of an incident until it ends. A cancelled one has not ended: another core continues it."""
        has_ended = False
        try:
            try:
                await self._recover(incident)
            except Exception as error:  # noqa: BLE001 - a store may raise anything
                self.system.defect("supervisor", error, incident.number)
                await self._retry_loop.escalate(incident, EscalationReason.ERROR, error_text(error))
            has_ended = True
        finally:
            self._open.pop(incident.failure.subject, None)
            if has_ended:
                self._retry_loop.admission.ended(incident)
            if self.monitor is not None:
                self.monitor.ended(incident)
        again = self._reported_again.pop(incident.failure.subject, None)
        if again is not None and await self._failed_again(incident, again):
            self.report(again)

    async def _recover(self, incident: Incident) -> None:
        failure = incident.failure
        if failure.kind in TASK_KINDS and await self.system.store.status(failure.subject) is None:
            self._dismiss(incident, DismissalReason.TASK_UNKNOWN)
            return
        if incident.outcome is not None:  # an earlier core ended while it escalated the incident
            await self._retry_loop.escalate(incident, incident.cause, incident.outcome)
            return
        policy = self.config.policy(failure)
        while await self._retry_loop.wait_for_next_try(incident, policy):
            outcome = await self._retry_loop.try_once(incident, policy)
            if outcome is None:
                return
            if outcome is Outcome.VERIFIED:
                self._retry_loop.admission.recovered(failure)
            if outcome is Outcome.UNKNOWN:
                await self._retry_loop.escalate(incident, *escalation_cause(incident.analysis))
            elif outcome is Outcome.STUCK:
                text = f"{incident.stuck} could not undo what was done"
                await self._retry_loop.escalate(incident, EscalationReason.UNDO_FAILED, text)
            elif outcome is not Outcome.FAILED and failure.kind is FailureKind.AGENT:
                self._answered(failure.subject)
            if outcome is not Outcome.FAILED:
                return
            if failure.kind in TASK_KINDS and await self.system.store.status(failure.subject) in FINISHED:
                self._dismiss(incident, DismissalReason.TASK_FINISHED)  # such as a dead letter: no retry is granted
                return

    def _dismiss(self, incident: Incident, reason: DismissalReason) -> None:
        self._say(incident, AuditEvent.RECOVERY_DISMISSED, reason)
        self.system.journal.forget(incident.number)

    def _answered(self, agent_id: str) -> None:
        """Count the response to a probe as a heartbeat, so that a failure before the next one is detected."""
        if self._detector is not None and agent_id not in self._reported_again:
            self._detector.answered(agent_id)

    async def _failed_again(self, incident: Incident, again: Failure) -> bool:
        """Whether a failure that was reported during an incident still exists after it."""
        if incident.outcome is not None or self._loop is None:
            return False
        if again.kind is FailureKind.AGENT:
            return self._detector is not None and self._detector.suspects(again.subject)
        return again.kind in TASK_KINDS and await self.system.store.status(again.subject) in HALTED

    # ------------------------------------------------------------------------------- escalation
    def _said_by_operator(self, event: AuditEvent, escalation: Escalation, operator: str) -> None:
        self.system.audit.record(event, escalation.incident, escalation.failure.subject, operator)
        if event is AuditEvent.ESCALATION_RESOLVED and self.monitor is not None:
            self.monitor.resolved(escalation.incident)

    # ---------------------------------------------------------------------------- for a monitor
    @property
    def recoveries_open(self) -> int:
        """The number of open incidents."""
        return len(self._open)

    @property
    def escalations_open(self) -> int:
        """The number of escalations that are not resolved."""
        return len(self.escalations)

    def incident_of(self, subject: str) -> Incident | None:
        """The open incident of a subject, if any."""
        return self._open.get(subject)

    def is_recovering(self, subject: str) -> bool:
        """Whether a subject has an open incident."""
        return subject in self._open

    async def retries_left(self, incident: Incident) -> int | None:
        """The number of retries that the condition still allows; None: any number."""
        failure = incident.failure
        policy = self.config.policy(failure)
        if policy is None or policy.max_retries is None:
            return None
        counts_tasks = failure.kind in TASK_KINDS
        used = await self.system.store.retries(failure.subject, failure.kind) if counts_tasks else incident.tries
        return max(0, policy.max_retries - used)

    def retry_limits(self, failure: Failure) -> RetryLimits:
        """The state of the budget and the circuit breaker that a failure's retries share with others."""
        return self._retry_loop.admission.limits(failure)

    def _say(self, incident: Incident, event: AuditEvent, detail: str = "", value: float | None = None) -> None:
        self.system.audit.record(event, incident.number, incident.failure.subject, detail, value)

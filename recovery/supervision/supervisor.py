"""Automatic recovery: failures in, bounded parallel recoveries out, and to an operator what cannot be recovered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from recovery.config import RecoveryConfig
from recovery.detection.failure_detector import Watch
from recovery.detection.orphaned_tasks import unattended
from recovery.diagnosis.analyst import undecided
from recovery.engine.engine import Outcome, RecoveryEngine
from recovery.journal import NoJournal
from recovery.model import HALTED, TASK_KINDS, Escalation, Failure, FailureKind, Incident
from recovery.monitoring.monitor import RecoveryMonitor
from recovery.monitoring.snapshot import RetryLimits
from recovery.ports import System
from recovery.supervision.escalation_queue import EscalationQueue
from recovery.supervision.escalator import HandOver
from recovery.supervision.retry_loop import Jitter, Tries


def no_jitter(subject: str, retry: int) -> float:
    """The middle of every jitter."""
    return 0.5


class Supervisor:
    """Watches agents, takes reports of failures, and recovers each as its condition says.

    There is one recovery at a time for a subject: a second report while one is open belongs to it, unless the task is
    still halted at its end. `jitter(subject, retry)` gives the number in [0, 1) that spreads a delay. What is given up
    waits in `escalations` for an operator. A `monitor`, if given, looks at every recovery while it lasts; it has to
    hear everything, so that `system` is `monitor.system` then. Raises ValueError when it is not.

    With a journal in the system, what a core was about that came to its end is taken up when another one is started.
    """

    def __init__(
        self,
        config: RecoveryConfig | Mapping[str, Any],
        system: System,
        engine: RecoveryEngine | None = None,
        *,
        jitter: Jitter = no_jitter,
        monitor: RecoveryMonitor | None = None,
    ) -> None:
        self.config = RecoveryConfig.model_validate(config)
        self.system = system
        self.engine = RecoveryEngine(self.config, system) if engine is None else engine
        self.escalations = EscalationQueue(self._said_by_operator, system.journal)
        self._hand_over = HandOver(system, self.engine, self.escalations, self._say)
        self.monitor = monitor
        if monitor is not None and not (self.system.audit is self.engine.system.audit is monitor.system.audit):
            raise ValueError("the monitor would hear nothing: supervisor and engine work on `monitor.system` with it")
        self._jitter = jitter
        self._incidents = 0
        self._open: dict[str, Incident] = {}
        self._reported_again: dict[str, Failure] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._monitoring: dict[int, asyncio.Task[None]] = {}
        self._watch: Watch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # while it runs
        self._tries = self._new_tries()

    def _new_tries(self) -> Tries:
        is_open, clock = self._open.__contains__, lambda: self._running().time()
        return Tries(self.config, self.system, self.engine, self._hand_over, self._jitter, is_open, clock)

    # ---------------------------------------------------------------------------- start, stop
    async def start(self) -> None:
        """Begin to work, on the running loop. Agents are to be watched, once it has started.

        Raises RuntimeError when it runs already. After `stop()` it may be started again, on another loop as well.
        """
        if self._loop is not None:
            raise RuntimeError("the supervisor runs already")
        self._loop = asyncio.get_running_loop()
        self._tries = self._new_tries()
        if self.monitor is not None:
            self.monitor.start(self, self._loop)
        journal = self.system.journal
        failures = [known.failure for known in (*journal.unfinished(), *self.escalations)]
        silent = [failure.subject for failure in failures if failure.kind is FailureKind.AGENT]
        self._watch = Watch(self.config.detection, self.system, self.report, self._loop, silent)
        await self._take_up()

    async def _take_up(self) -> None:
        """Go on with what the journal says of an earlier core, and with tasks of which nobody takes care any more."""
        journal = self.system.journal
        if isinstance(journal, NoJournal):
            return
        unfinished = journal.unfinished()
        if journal.numbers():
            self._incidents = max(self._incidents, journal.numbers())
            self.system.audit.record("core.started", -1, "core", value=float(len(unfinished)))
        for incident in unfinished:
            self._say(incident, "recovery.taken_up", incident.phase.value)
            self._begin(incident)
        for failure in await unattended(self.system, self._running().time()):
            self.report(failure)

    async def stop(self) -> None:
        """Stop watching, and cancel the recoveries that run: their tasks stay as they are."""
        self._loop = None
        watch, self._watch = self._watch, None
        if watch is not None:
            await watch.stop()
        running = [*self._tasks.values(), *self._monitoring.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._open.clear()  # a recovery that was canceled before it began has no end of its own
        self._reported_again.clear()

    async def settled(self) -> None:
        """Return when no recovery is under way, and what monitored them is done."""
        while self._tasks or self._monitoring:
            await asyncio.gather(*self._tasks.values(), *self._monitoring.values(), return_exceptions=True)
            await asyncio.sleep(0)  # from Python 3.12 on, to gather what is done does not let their callbacks run

    # ------------------------------------------------------------------------------ detection
    def watch(self, agent_id: str) -> None:
        """Begin to watch an agent. Raises RuntimeError when the supervisor does not run."""
        self._watching().agent(agent_id)

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A beat of an agent arrived. Of no effect when the supervisor does not run.

        `progress` says how far each task is that the agent executes, in work-seconds or whatever grows with it; it is
        asked for where `detection.stalled_after` is given.
        """
        if self._watch is not None:
            self._watch.beat(agent_id, progress)

    def agent_down(self, agent_id: str) -> None:
        """Something that knows at once says that an agent is down. Raises RuntimeError as `watch` does."""
        self._watching().agent_down(agent_id)

    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """A sender found the connection between two endpoints broken, at `since`. Raises RuntimeError as `watch` does.

        `link` names the connection, `queue_ids` are the queues of which messages cannot be delivered.
        """
        self._watching().delivery_failed(link, endpoints, queue_ids, since)

    def connection_restored(self, link: str) -> None:
        """A connection works again."""
        if self._watch is not None:
            self._watch.connection_restored(link)

    def _watching(self) -> Watch:
        self._running()
        assert self._watch is not None
        return self._watch

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the supervisor does not run: start() it first")
        return self._loop

    # --------------------------------------------------------------------------------- failures
    def report(self, failure: Failure) -> None:
        """Take a failure: open an incident, unless one with the same subject is open.

        Raises RuntimeError when the supervisor does not run: nobody would take care of it; and whatever the journal
        raises that cannot keep it, ValueError for what cannot be written down. Nothing is opened then.
        """
        loop = self._running()
        if failure.subject in self._open:
            self._reported_again[failure.subject] = failure
            return
        incident = Incident(self._incidents, failure, loop.time())
        self.system.keep(incident)
        self._incidents += 1
        self._say(incident, "recovery.opened", failure.kind.value)
        self._begin(incident)

    def _begin(self, incident: Incident) -> None:
        loop, failure = self._running(), incident.failure
        self._open[failure.subject] = incident
        if self.monitor is not None:  # before the recovery itself: it sees the beginning
            watching = loop.create_task(self.monitor.monitor_recovery(failure.subject))
            self._monitoring[incident.number] = watching
            watching.add_done_callback(lambda _: self._monitoring.pop(incident.number, None))
        task = loop.create_task(self._handle(incident))
        self._tasks[incident.number] = task
        task.add_done_callback(lambda _: self._tasks.pop(incident.number, None))

    def task_succeeded(self, task_id: str) -> None:
        """A task was completed. Retry budgets are refilled by it; without any, nobody needs to tell."""
        self._tries.admission.task_succeeded(task_id)

    async def _handle(self, incident: Incident) -> None:
        """See an incident through to its end."""
        try:
            await self._recover(incident)
        except Exception as error:  # noqa: BLE001 - whatever a store raises
            await self._tries.escalate(incident, f"{type(error).__name__}: {error}")
        finally:
            self._open.pop(incident.failure.subject, None)
            self._tries.admission.ended(incident)
            if self.monitor is not None:
                self.monitor.ended(incident)
        again = self._reported_again.pop(incident.failure.subject, None)
        if again is not None and await self._failed_again(incident, again):
            self.report(again)

    async def _recover(self, incident: Incident) -> None:
        failure = incident.failure
        if failure.kind in TASK_KINDS and await self.system.store.status(failure.subject) is None:
            self._say(incident, "recovery.dismissed", "task_unknown")
            self.system.journal.forget(incident.number)
            return
        if incident.outcome is not None:  # the core ended while it was handed over
            await self._tries.escalate(incident, incident.outcome)
            return
        policy = self.config.policy(failure)
        while await self._tries.is_due(incident, policy):
            outcome = await self._tries.one(incident, policy)
            if outcome is None:
                return
            if outcome is Outcome.VERIFIED:
                self._tries.admission.recovered(failure)
            if outcome is Outcome.UNKNOWN:
                await self._tries.escalate(incident, undecided(incident))
            elif outcome is Outcome.STUCK:
                await self._tries.escalate(incident, f"{incident.stuck} could not undo what was done")
            elif outcome is not Outcome.FAILED and failure.kind is FailureKind.AGENT:
                self._answered(failure.subject)
            if outcome is not Outcome.FAILED:
                return

    def _answered(self, agent_id: str) -> None:
        """An agent has answered a probe: as good as a beat. If it dies before its next one, that is noticed, too."""
        if self._watch is not None and agent_id not in self._reported_again:
            self._watch.answered(agent_id)

    async def _failed_again(self, incident: Incident, again: Failure) -> bool:
        """Whether what was reported during an incident came between its verification and its end."""
        if incident.outcome is not None or self._loop is None:
            return False  # an operator's, or nobody's
        if again.kind is FailureKind.AGENT:
            return self._watch is not None and self._watch.suspects(again.subject)
        return again.kind in TASK_KINDS and await self.system.store.status(again.subject) in HALTED

    # ------------------------------------------------------------------------------- escalation
    def _said_by_operator(self, event: str, escalation: Escalation, operator: str) -> None:
        self.system.audit.record(event, escalation.incident, escalation.failure.subject, operator)
        if event == "escalation.resolved" and self.monitor is not None:
            self.monitor.resolved(escalation.incident)

    # ---------------------------------------------------------------------------- for a monitor
    @property
    def recoveries_open(self) -> int:
        """Incidents that are neither verified, escalated nor dismissed."""
        return len(self._open)

    @property
    def escalations_open(self) -> int:
        """Escalations that wait for an operator."""
        return len(self.escalations)

    def incident_of(self, subject: str) -> Incident | None:
        """The open incident of a subject."""
        return self._open.get(subject)

    def is_recovering(self, subject: str) -> bool:
        """Whether a subject has an open incident."""
        return subject in self._open

    async def retries_left(self, incident: Incident) -> int | None:
        """Retries that its condition still allows; None: any number."""
        failure = incident.failure
        policy = self.config.policy(failure)
        if policy is None or policy.max_retries is None:
            return None
        counts_tasks = failure.kind in TASK_KINDS
        used = await self.system.store.retries(failure.subject, failure.kind) if counts_tasks else incident.tries
        return max(0, policy.max_retries - used)

    def retry_limits(self, failure: Failure) -> RetryLimits:
        """The budget and the circuit breaker that a failure's retries share with others."""
        return self._tries.admission.limits(failure)

    def _say(self, incident: Incident, event: str, detail: str = "", value: float | None = None) -> None:
        self.system.audit.record(event, incident.number, incident.failure.subject, detail, value)

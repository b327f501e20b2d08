"""The failure detector: combines all configured detectors while the supervisor runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf

from recovery.audit import AuditEvent
from recovery.config import DetectionConfig
from recovery.detection.agent_detectors import (
    DeadlineDetector,
    Detector,
    FixedTimeout,
    HeartbeatTimeout,
    PerfectDetector,
    PhiAccrualTimeout,
)
from recovery.detection.failed_deliveries import FailedDeliveryDetector
from recovery.detection.resource_probe import ResourceProbe
from recovery.detection.stalled_tasks import StalledTaskDetector
from recovery.model import Failure, FailureKind, Symptom
from recovery.policies.policy_states import DeliveryState, HeartbeatState, PolicyState, PoolState
from recovery.policy_changes import NO_CHANGES, PolicyChangeLog
from recovery.ports import System

Report = Callable[[Failure], None]
LEARNT_EVERY = 10
"""The number of heartbeat intervals after which the intervals between the heartbeats of all agents are stored."""
STALLED = "task_progress"
"""The symptom of a stalled task."""


def heartbeat_timeout(config: DetectionConfig) -> HeartbeatTimeout:
    """The heartbeat timeouts of a configuration."""
    if config.detector == "phi_accrual":
        return PhiAccrualTimeout(
            config.heartbeat_interval,
            config.phi_threshold,
            config.phi_window,
            config.phi_min_deviation,
            config.phi_acceptable_pause,
        )
    return FixedTimeout(config.heartbeat_interval, config.missed_heartbeats)


def regular_heartbeat_timeout(config: DetectionConfig) -> float:
    """The heartbeat timeout, in seconds, of an agent with regular heartbeats; 0 for the perfect detector."""
    return 0.0 if config.detector == "perfect" else heartbeat_timeout(config).of("")


class FailureDetector:
    """Reports failures: agents without heartbeats, stalled tasks, failed deliveries and unhealthy pools.

    `reported` are the failures of agents that an earlier detector has reported and that are not recovered. `states` are
    those that it has written; this one writes its own to `changes`. The intervals between heartbeats are written every
    `LEARNT_EVERY` heartbeat intervals. The time since the last heartbeat and since the last progress of a task are not:
    they begin anew, because no heartbeat is received while no detector runs.
    `observed` returns the instant up to which heartbeats were read, if they are not passed to this detector at once.
    """

    def __init__(
        self,
        config: DetectionConfig,
        system: System,
        report: Report,
        loop: asyncio.AbstractEventLoop,
        reported: Sequence[Failure] = (),
        states: Iterable[PolicyState] = (),
        changes: PolicyChangeLog = NO_CHANGES,
        observed: Callable[[], float] | None = None,
    ) -> None:
        self._observed = observed
        self._system = system
        self._report = report
        self._loop = loop
        self._changes = changes
        self._timeout = heartbeat_timeout(config)
        self._agents = self._detector(config)
        self._progress = (
            None if config.stalled_after is None else StalledTaskDetector(config.stalled_after, self._stalled)
        )
        self._deliveries = FailedDeliveryDetector(config.failed_deliveries - 1, changes)
        self._learns = isinstance(self._timeout, PhiAccrualTimeout) and changes.is_kept
        self._learnt_every = LEARNT_EVERY * config.heartbeat_interval
        self._learnt_next = loop.time() + self._learnt_every
        self._reported_before(reported)
        pools = self._restore(states)
        self._probing = None
        if config.resource_probe is not None:
            probe = ResourceProbe(config.resource_probe, system, report, pools, changes)
            self._probing = loop.create_task(probe.run())

    def _reported_before(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            stalled = [each for each in failure.symptoms if each.name == STALLED]
            if not stalled or len(stalled) < len(failure.symptoms):
                self._agents.suspected_before(failure.subject)
            if self._progress is not None:
                for symptom in stalled:
                    self._progress.reported_before(failure.subject, symptom.subject)

    def _restore(self, states: Iterable[PolicyState]) -> tuple[str, ...]:
        """Continue with the states of an earlier detector; returns the pools that it suspected."""
        pools: tuple[str, ...] = ()
        for state in states:
            match state:
                case HeartbeatState() if isinstance(self._timeout, PhiAccrualTimeout):
                    self._timeout.restore(state)
                case DeliveryState():
                    self._deliveries.restore(state)
                case PoolState():
                    pools = state.suspected
                case _:
                    pass  # the state of a policy
        return pools

    def _detector(self, config: DetectionConfig) -> Detector:
        if config.detector == "perfect":
            return PerfectDetector(self._suspect, self._clear)
        return DeadlineDetector(
            self._timeout,
            self._suspect,
            self._clear,
            self._loop,
            config.poll,
            self._observed,
            config.heartbeat_latency or 0.0,
        )

    async def stop(self) -> None:
        """Stop all detectors."""
        self._agents.stop()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    # ------------------------------------------------------------------------------------ agents
    def agent(self, agent_id: str) -> None:
        """Begin to monitor an agent."""
        self._agents.watch(agent_id)

    def beat(self, agent_id: str, progress: Mapping[str, float] | None) -> None:
        """Record a heartbeat, and the progress of the tasks that the agent executes."""
        self._agents.beat(agent_id)
        if self._learns and self._loop.time() >= self._learnt_next:
            self._store_learnt()
        if self._progress is not None and progress is not None:
            self._progress.beat(agent_id, progress, self._loop.time())

    def regular(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Record that heartbeats of an agent arrive regularly, the latest one at `latest()`, until `regular_end`.

        False: each one has to be recorded, because its progress or its interval counts.
        """
        return self._progress is None and self._agents.regular(agent_id, interval, latest)

    def regular_end(self, agent_id: str) -> None:
        """Record that heartbeats of an agent are recorded one by one again."""
        self._agents.regular_end(agent_id)

    def _store_learnt(self) -> None:
        assert isinstance(self._timeout, PhiAccrualTimeout)
        self._learnt_next = self._loop.time() + self._learnt_every
        for state in self._timeout.learnt():
            self._changes.change(state)
        self._changes.write()

    def heartbeats_not_read(self, seconds: float = inf) -> None:
        """Record that heartbeats could not be read for this long. By default, every timeout begins anew."""
        self._agents.extend_timeouts(seconds)

    def agent_down(self, agent_id: str) -> None:
        """Report to the perfect detector that an agent is down."""
        self._agents.down(agent_id)

    def suspects(self, agent_id: str) -> bool:
        """Whether an agent is suspected."""
        return self._agents.suspects(agent_id)

    def answered(self, agent_id: str) -> None:
        """Record that a reported agent has responded to a probe."""
        if self._agents.suspects(agent_id):
            self._agents.answered(agent_id)
        if self._progress is not None:
            self._progress.again(agent_id, self._loop.time())

    def _suspect(self, agent_id: str) -> None:
        if self._progress is not None:
            self._progress.forget(agent_id)
        self._system.audit.record(AuditEvent.AGENT_SUSPECTED, -1, agent_id)
        self._report_agent(agent_id, Symptom("agent_heartbeat", "missing", agent_id))

    def _clear(self, agent_id: str) -> None:
        self._system.audit.record(AuditEvent.AGENT_CLEARED, -1, agent_id)

    def _stalled(self, agent_id: str, tasks: tuple[str, ...]) -> None:
        for task_id in tasks:
            self._system.audit.record(AuditEvent.TASK_STALLED, -1, task_id, agent_id)
        self._report_agent(agent_id, *(Symptom(STALLED, "stalled", task_id) for task_id in tasks))

    def _report_agent(self, agent_id: str, *symptoms: Symptom) -> None:
        self._report(Failure(FailureKind.AGENT, agent_id, self._loop.time(), symptoms=symptoms))

    # -------------------------------------------------------------------------------- deliveries
    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """Record a message that could not be delivered because the connection between two endpoints is broken."""
        if self._deliveries.failed(link):
            symptoms = (Symptom("message_delivery", "failed", link), Symptom("network_metrics", "degraded", link))
            info = {"endpoints": tuple(endpoints), "queue_ids": tuple(queue_ids)}
            self._report(Failure(FailureKind.COMMUNICATION, link, since, info, symptoms))

    def connection_restored(self, link: str) -> None:
        """Record that a connection works again."""
        self._deliveries.restored(link)

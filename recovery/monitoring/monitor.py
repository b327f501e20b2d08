"""The recovery monitor: samples each recovery periodically, raises alerts, and writes a report when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recovery.audit import AuditEvent
from recovery.errors import error_text
from recovery.model import Incident
from recovery.monitoring.alerts import Alert, AlertConfig, AlertManager
from recovery.monitoring.recording_trail import RecordingTrail
from recovery.monitoring.report import RecoveryReport, report_of
from recovery.monitoring.snapshot import LimitsOf, MetricsCollector, Recoveries, RecoverySample
from recovery.policies.durations import Seconds
from recovery.ports import System


class MetricsConfig(BaseModel):
    """The sampling interval: `every` seconds of the loop's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Annotated[Seconds, Field(gt=0)] = 1.0


class MonitorConfig(BaseModel):
    """The two parts of the monitor, with the guide's names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: MetricsConfig = MetricsConfig()
    alerts: AlertConfig = Field(default_factory=AlertConfig)


class RecoveryMonitor:
    """Monitors the recoveries of a supervisor, which starts it: `Supervisor(config, monitor.system, monitor=monitor)`.

    `monitor.system` is the given system with a trail that the monitor can read. `limits` replaces the retry limits of
    the supervisor. `on_sample` is called with each sample, `on_alert` with each alert that is sent, `on_report` with
    the report of each recovery that has ended; they must not block. While no recovery is open, nothing is scheduled.
    An error in monitoring is recorded in the audit trail and does not affect the recovery.
    """

    def __init__(
        self,
        config: MonitorConfig | Mapping[str, Any],
        system: System,
        *,
        limits: LimitsOf | None = None,
        on_sample: Callable[[RecoverySample], None] | None = None,
        on_alert: Callable[[Alert], None] | None = None,
        on_report: Callable[[RecoveryReport], None] | None = None,
    ) -> None:
        self.config = MonitorConfig.model_validate(config)
        self._trail = RecordingTrail(system.audit, self._now)
        self.system = replace(system, audit=self._trail)
        self.alert_manager = AlertManager(self.config.alerts, self.system, on_alert)
        self.metrics_collector: MetricsCollector | None = None  # until start()
        self._limits = limits
        self._on_sample = on_sample
        self._on_report = on_report
        self._recoveries: Recoveries | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends: dict[int, asyncio.Future[None]] = {}

    def start(self, recoveries: Recoveries, loop: asyncio.AbstractEventLoop) -> None:
        """Monitor the recoveries of this supervisor, with this loop's clock."""
        self._recoveries, self._loop = recoveries, loop
        self._trail.clear()  # entries of recoveries that were cancelled before their monitoring began
        self.metrics_collector = MetricsCollector(recoveries, self._limits)

    def ended(self, incident: Incident) -> None:
        """Take the last sample of an incident that has ended."""
        end = self._ends.get(incident.number)
        if end is not None and not end.done():
            end.set_result(None)

    def resolved(self, incident: int) -> None:
        """Clear the alerts of an incident whose escalation an operator has resolved."""
        self.alert_manager.resolve(incident, self._now())

    async def monitor_recovery(self, task_id: str) -> None:
        """Monitor the open recovery of a task, an agent or a link until it ends; return at once when there is none.

        Raises RuntimeError when no supervisor has started this monitor.
        """
        if self._recoveries is None:
            raise RuntimeError("the monitor has no supervisor: pass it to a Supervisor and start() that")
        incident = self._recoveries.incident_of(task_id)
        if incident is None or incident.number in self._ends:
            return
        try:
            await self._start_monitoring(incident)
            while await self._is_recovery_active(incident):
                await self._take_sample(incident)
                await asyncio.wait([self._ends[incident.number]], timeout=self.config.metrics.every)
            await self._take_sample(incident)  # with its outcome
            self.alert_manager.end_recovery(incident.number, self._now())
            await self._generate_recovery_report(incident)
        except asyncio.CancelledError:
            self.alert_manager.discard(incident.number)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a limit, a store or a callback raises
            self.system.defect("monitor", error, incident.number)
            await self._handle_monitoring_failure(incident, error)
        finally:
            self._ends.pop(incident.number, None)
            self._trail.forget(incident.number)
            if not self._ends:
                self.alert_manager.end_storm(self._now())

    async def _take_sample(self, incident: Incident) -> None:
        metrics = await self._collect_recovery_metrics(incident)
        await self._analyze_metrics(metrics)
        if await self._should_alert(metrics):
            await self._send_alert(metrics)

    async def _start_monitoring(self, incident: Incident) -> None:
        self._ends[incident.number] = self._clock().create_future()

    async def _is_recovery_active(self, incident: Incident) -> bool:
        return not self._ends[incident.number].done()

    async def _collect_recovery_metrics(self, incident: Incident) -> RecoverySample:
        assert self.metrics_collector is not None
        sample = await self.metrics_collector.sample(incident, self._trail.of(incident.number), self._now())
        if self._on_sample is not None:
            self._on_sample(sample)
        return sample

    async def _analyze_metrics(self, metrics: RecoverySample) -> None:
        """Clear alerts whose conditions are no longer met."""
        self.alert_manager.clear_outdated(metrics)

    async def _should_alert(self, metrics: RecoverySample) -> bool:
        return any(True for _ in self.alert_manager.new_alerts(metrics))

    async def _send_alert(self, metrics: RecoverySample) -> None:
        for alert in tuple(self.alert_manager.new_alerts(metrics)):
            self.alert_manager.send(alert)

    async def _generate_recovery_report(self, incident: Incident) -> None:
        if self._on_report is not None:
            self._on_report(report_of(self._trail.of(incident.number)))

    async def _handle_monitoring_failure(self, incident: Incident, error: Exception) -> None:
        """The recovery continues without monitoring; its alerts are cleared."""
        self.alert_manager.end_recovery(incident.number, self._now())
        detail = error_text(error)
        self.system.audit.record(AuditEvent.MONITOR_FAILED, incident.number, incident.failure.subject, detail)

    def _clock(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "the monitor is not started"
        return self._loop

    def _now(self) -> float:
        return 0.0 if self._loop is None else self._loop.time()

"""Recoveries as OpenTelemetry spans and metrics, at times of the given clock."""

import asyncio
import sys
from dataclasses import replace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from recovery import RecoveryEngine
from recovery.audit import MemoryAudit
from recovery.model import FailureKind
from recovery.monitoring.telemetry import TelemetryTrail
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of, now
from tests.recovery.supervised import at_once, report, supervise

SECOND = 1_000_000_000


class Telemetry:
    """A small system whose audit trail is exported, and the exported data."""

    def __init__(self):
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.system = SmallSystem()
        self.trail = TelemetryTrail(
            self.system.audit, now, tracer_provider=tracers, meter_provider=MeterProvider([self.reader])
        )
        self.system.ports = replace(self.system.ports, audit=self.trail)

    @property
    def spans(self):
        return sorted(self.exporter.get_finished_spans(), key=lambda span: (span.start_time, span.parent is not None))

    def points(self, name):
        """Values of an instrument by its attributes' values."""
        return {
            tuple(point.attributes.values()): getattr(point, "value", None) or point.sum
            for of in self.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
            if of.name == name
            for point in of.data.data_points
        }


def test_a_recovery_is_a_span_with_a_child_per_step_in_virtual_time():
    told = Telemetry()
    told.system.failed("task.1")
    told.system.pauses["enqueue"] = 2.0
    supervise(told.system, report(("task.1", FailureKind.TASK)))
    recovery, *steps = told.spans
    assert (recovery.name, recovery.start_time, recovery.end_time) == ("recovery", 0, 32 * SECOND)
    assert dict(recovery.attributes) == {
        "recovery.kind": "task_failure",
        "recovery.subject": "task.1",
        "recovery.incident": 0,
        "recovery.outcome": "verified",
    }
    assert recovery.status.status_code is StatusCode.OK
    assert [(step.name, step.start_time // SECOND, step.end_time // SECOND) for step in steps] == [
        ("step release_resources", 30, 30),
        ("step restore_checkpoint", 30, 30),
        ("step retry_task", 30, 32),
    ]
    assert [step.parent.span_id for step in steps] == [recovery.context.span_id] * 3
    assert [step.status.status_code for step in steps] == [StatusCode.UNSET] * 3


def test_other_audit_events_are_span_events():
    told = Telemetry()
    told.system.failed("task.1")
    supervise(told.system, report(("task.1", FailureKind.TASK)))
    events = {event.name: (event.timestamp, dict(event.attributes)) for event in told.spans[0].events}
    assert events["retry.granted"] == (0, {"detail": "task_failure", "value": 30.0})
    assert events["recovery.started"] == (30 * SECOND, {})
    assert "step.started" not in events


def test_counters_and_recovery_time_histogram():
    told = Telemetry()
    told.system.failed("task.1")
    told.system.failed("task.2")
    supervise(told.system, report(("task.1", FailureKind.TASK), ("task.2", FailureKind.TASK)))
    assert told.points("recovery.opened") == {("task_failure",): 2}
    assert told.points("recovery.ended") == {("task_failure", "verified"): 2}
    assert told.points("recovery.retries") == {("task_failure",): 2}
    assert told.points("recovery.time") == {("task_failure",): 60.0}
    assert told.points("recovery.failed_tries") == {}


def test_a_failed_step_and_an_escalated_recovery_are_errors():
    told = Telemetry()
    told.system.failed("task.1")
    told.system.raises["enqueue"] = ConnectionError("queue is away")
    supervise(told.system, report(("task.1", FailureKind.TASK)), conditions=at_once(1))
    recovery, *steps = told.spans
    assert (recovery.status.status_code, recovery.status.description) == (StatusCode.ERROR, "retries exhausted")
    assert [step.status.description for step in steps] == [None, None, "ConnectionError: queue is away"]
    assert told.points("recovery.ended") == {("task_failure", "escalated"): 1}
    assert told.points("recovery.failed_tries") == {("task_failure",): 1}
    assert told.points("recovery.time") == {}


def test_a_manual_recovery_is_a_span():
    told = Telemetry()
    told.system.failed("task.1")
    assert run(RecoveryEngine({}, told.system.ports).recover_task("task.1", {}))
    assert [(span.name, span.attributes["recovery.kind"]) for span in told.spans[:1]] == [("recovery", "manual")]


def test_a_failed_manual_recovery_ends_its_span():
    told = Telemetry()
    told.system.failed("task.1")
    told.system.raises["enqueue"] = ConnectionError()
    assert not run(RecoveryEngine({}, told.system.ports).recover_task("task.1", {}))
    assert told.points("recovery.ended") == {("manual", "failed"): 1}


def test_the_recovery_time_starts_at_the_opening():
    told = Telemetry()
    told.system.failed("task.1")

    async def story(supervisor):
        await asyncio.sleep(100)
        supervisor.report(failure_of("task.1"))

    supervise(told.system, story)
    assert told.points("recovery.time") == {("task_failure",): 30.0}


def test_alerts_are_counted_by_severity_and_rule():
    told = Telemetry()
    told.trail.record("alert.raised", 3, "task.1", "critical escalated", 1.0)
    assert told.points("recovery.alerts") == {("critical", "escalated"): 1}


def test_a_recovery_open_at_shutdown_is_reported_as_abandoned():
    told = Telemetry()
    told.trail.record("recovery.opened", 0, "task.1", "task_failure")
    told.trail.record("step.started", 0, "task.1", "retry_task")
    assert told.spans == []
    told.trail.close()
    assert sorted(span.name for span in told.spans) == ["recovery", "step retry_task"]
    assert [span.attributes.get("recovery.outcome") for span in told.spans if span.name == "recovery"] == ["abandoned"]


def test_the_wrapped_audit_trail_receives_events_first():
    told = Telemetry()
    told.trail.record("agent.suspected", -1, "agent.1")
    assert told.system.trail == ["agent.suspected"]
    with pytest.raises(ValueError, match="unknown audit event"):
        told.trail.record("recovery.hoped", -1, "agent.1")


def test_without_opentelemetry_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'recovery-bench\[otel\]'"):
        TelemetryTrail(MemoryAudit(lambda: 0.0), lambda: 0.0)

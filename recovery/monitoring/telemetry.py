"""Spans and metrics of recoveries through OpenTelemetry's API (`pip install 'recovery-bench[otel]'`).

An audit trail that forwards each entry to another trail and reports it as telemetry. The given clock, which may be
virtual, sets the start and the end of spans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recovery.audit import OUTCOME_OF, AuditEvent, RecoveryOutcome
from recovery.monitoring.alerts import AlertName
from recovery.ports import AuditTrail

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

SCOPE = "recovery"
MISSING = "OpenTelemetry's API is not installed: pip install 'recovery-bench[otel]'"
ABANDONED = "abandoned"
"""The outcome of a recovery that is open when the program stops."""
FAILED = "failed"
"""The outcome of a manual recovery that was not successful."""
STEPS = (AuditEvent.STEP_STARTED, AuditEvent.STEP_COMPLETED, AuditEvent.STEP_FAILED)


class TelemetryTrail:
    """Implements `recovery.ports.AuditTrail` around another trail.

    `clock` gives the time of an entry in seconds since 1970 (`time.time`), or since the start of a simulation. The
    default providers are the global ones. A recovery is a span `recovery` with a child `step COMMAND` for each command;
    its other entries are events of the span. Instruments: counters `recovery.opened`, `recovery.ended`
    (by `outcome`), `recovery.failed_tries`, `recovery.retries`, `recovery.alerts` (by `severity` and `rule`), and the
    histogram `recovery.time` (s, opened to verified). All but alerts have the attribute `recovery.kind`.

    Raises ModuleNotFoundError, with what to install, when OpenTelemetry's API is absent.
    """

    def __init__(
        self,
        trail: AuditTrail,
        clock: Callable[[], float],
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415 - the core works without it
            from opentelemetry.context import Context  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(MISSING, name=error.name) from error
        self._trace = trace
        self._root = Context()  # not a child of the span that is current where an entry is recorded
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._opened = meter.create_counter("recovery.opened", "{recovery}", "recoveries opened")
        self._ended = meter.create_counter("recovery.ended", "{recovery}", "recoveries that ended, by outcome")
        self._failed = meter.create_counter("recovery.failed_tries", "{try}", "unsuccessful tries")
        self._retries = meter.create_counter("recovery.retries", "{retry}", "retries granted")
        self._alerts = meter.create_counter("recovery.alerts", "{alert}", "alerts raised")
        self._time = meter.create_histogram("recovery.time", "s", "from the opening to the verified end")
        self._trail = trail
        self._clock = clock
        self._open: dict[int, _Recovery] = {}

    def record(
        self,
        event: AuditEvent | str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Forward an entry and report it. Raises what the other trail raises, ValueError for an unknown event."""
        self._trail.record(event, incident, subject, detail, value, text)
        event, at = AuditEvent(event), self._clock()
        if event is AuditEvent.ALERT_RAISED:
            alert = AlertName.from_detail(detail)
            self._alerts.add(1, {"severity": alert.severity.value, "rule": alert.rule})
        manual = incident < -1  # without a supervisor: such a recovery has no opening, and one try
        begins_manual = manual and event is AuditEvent.RECOVERY_STARTED and incident not in self._open
        if event is AuditEvent.RECOVERY_OPENED or begins_manual:
            self._begin(incident, subject, detail or "manual", at)
        recovery = self._open.get(incident)
        if recovery is None:
            return
        if event in STEPS:
            self._step(recovery, event, detail, text, at)
        elif event is not AuditEvent.RECOVERY_OPENED:
            self._note(recovery, event, detail, value, at)
        if event in OUTCOME_OF:
            self._end(incident, OUTCOME_OF[event], detail, at)
        elif manual and event is AuditEvent.RECOVERY_FAILED:
            self._end(incident, FAILED, detail, at)

    def close(self) -> None:
        """End the spans of open recoveries with the outcome `abandoned`."""
        for incident in list(self._open):
            self._end(incident, ABANDONED, "", self._clock())

    # ------------------------------------------------------------------------------- spans
    def _begin(self, incident: int, subject: str, kind: str, at: float) -> None:
        named: dict[str, str | int] = {
            "recovery.kind": kind,
            "recovery.subject": subject,
            "recovery.incident": incident,
        }
        span = self._tracer.start_span("recovery", self._root, attributes=named, start_time=nanoseconds(at))
        self._open[incident] = _Recovery(span, kind, at)
        self._opened.add(1, {"recovery.kind": kind})

    def _step(self, recovery: _Recovery, event: AuditEvent, command: str, text: str, at: float) -> None:
        if event is AuditEvent.STEP_STARTED:
            context = self._trace.set_span_in_context(recovery.span, self._root)
            recovery.step = self._tracer.start_span(
                f"step {command}", context, attributes={"recovery.command": command}, start_time=nanoseconds(at)
            )
        elif recovery.step is not None:
            self._end_step(recovery, "" if event is AuditEvent.STEP_COMPLETED else text or "failed", at)

    def _end_step(self, recovery: _Recovery, failure: str, at: float) -> None:
        if recovery.step is None:
            return
        if failure:
            recovery.step.set_status(self._trace.StatusCode.ERROR, failure)
        recovery.step.end(nanoseconds(at))
        recovery.step = None

    def _note(self, recovery: _Recovery, event: AuditEvent, detail: str, value: float | None, at: float) -> None:
        attributes: dict[str, Any] = {"detail": detail} if detail else {}
        if value is not None:
            attributes["value"] = value
        recovery.span.add_event(event.value, attributes, nanoseconds(at))
        if event is AuditEvent.RECOVERY_FAILED:
            self._failed.add(1, {"recovery.kind": recovery.kind})
            self._end_step(recovery, detail, at)  # the command raised
        elif event is AuditEvent.RETRY_GRANTED:
            self._retries.add(1, {"recovery.kind": recovery.kind})

    def _end(self, incident: int, outcome: str, detail: str, at: float) -> None:
        recovery = self._open.pop(incident)
        outcome = str(outcome)  # the attribute of a span is a plain text
        self._end_step(recovery, outcome, at)
        recovery.span.set_attribute("recovery.outcome", outcome)
        if outcome == RecoveryOutcome.VERIFIED:
            recovery.span.set_status(self._trace.StatusCode.OK)
            self._time.record(at - recovery.opened_at, {"recovery.kind": recovery.kind})
        elif outcome != RecoveryOutcome.DISMISSED:
            recovery.span.set_status(self._trace.StatusCode.ERROR, detail or outcome)
        recovery.span.end(nanoseconds(at))
        self._ended.add(1, {"recovery.kind": recovery.kind, "outcome": outcome})


class _Recovery:
    """An open span, and the span of its current step."""

    def __init__(self, span: Span, kind: str, opened_at: float) -> None:
        self.span = span
        self.kind = kind
        self.opened_at = opened_at
        self.step: Span | None = None


def nanoseconds(at: float) -> int:
    """Seconds as OpenTelemetry's unit of time."""
    return round(at * 1e9)

"""Spans and metrics of recoveries through OpenTelemetry's API (`pip install 'recovery-bench[otel]'`).

A trail around another one: whatever is said in it becomes telemetry, and nothing else has to know. Spans begin and end
at the instants of the clock that is given, which may be virtual.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recovery.audit import ENDS
from recovery.ports import AuditTrail

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

SCOPE = "recovery"
MISSING = "OpenTelemetry's API is not installed: pip install 'recovery-bench[otel]'"


STEPS = ("step.started", "step.completed", "step.failed")


class TelemetryTrail:
    """Implements `recovery.ports.AuditTrail` around another trail.

    `clock` gives the time of an entry in seconds since 1970 (`time.time`), or since the start of a simulation. The
    providers are the global ones unless given. A recovery is a span `recovery` with a child `step COMMAND` for each
    command; what else is said of it are events of its span. Instruments: counters `recovery.opened`, `recovery.ended`
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
        self._root = Context()  # whatever is under way where an entry is recorded did not cause it
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._opened = meter.create_counter("recovery.opened", "{recovery}", "recoveries opened")
        self._ended = meter.create_counter("recovery.ended", "{recovery}", "recoveries that ended, by outcome")
        self._failed = meter.create_counter("recovery.failed_tries", "{try}", "tries that did not work")
        self._retries = meter.create_counter("recovery.retries", "{retry}", "retries granted")
        self._alerts = meter.create_counter("recovery.alerts", "{alert}", "alerts raised")
        self._time = meter.create_histogram("recovery.time", "s", "from the opening to the verified end")
        self._trail = trail
        self._clock = clock
        self._open: dict[int, _Recovery] = {}

    def record(
        self, event: str, incident: int, subject: str, detail: str = "", value: float | None = None, text: str = ""
    ) -> None:
        """Pass an entry on, and tell it as telemetry. Raises what the other trail raises."""
        self._trail.record(event, incident, subject, detail, value, text)
        at = self._clock()
        if event == "alert.raised":
            severity, _, rule = detail.partition(" ")
            self._alerts.add(1, {"severity": severity, "rule": rule})
        manual = event == "recovery.started" and incident < -1  # one that no supervisor opens
        if event == "recovery.opened" or (manual and incident not in self._open):
            self._begin(incident, subject, detail or "manual", at)
        recovery = self._open.get(incident)
        if recovery is None:
            return
        if event in STEPS:
            self._step(recovery, event, detail, text, at)
        elif event != "recovery.opened":
            self._note(recovery, event, detail, value, at)
        if event in ENDS or (incident < -1 and event == "recovery.failed"):
            self._end(incident, event, detail, at)

    def close(self) -> None:
        """End the spans of recoveries that are open now, as `abandoned`: the program stops."""
        for incident in list(self._open):
            self._end(incident, "recovery.abandoned", "", self._clock())

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

    def _step(self, recovery: _Recovery, event: str, command: str, text: str, at: float) -> None:
        if event == "step.started":
            context = self._trace.set_span_in_context(recovery.span, self._root)
            recovery.step = self._tracer.start_span(
                f"step {command}", context, attributes={"recovery.command": command}, start_time=nanoseconds(at)
            )
        elif recovery.step is not None:
            self._end_step(recovery, "" if event == "step.completed" else text or "failed", at)

    def _end_step(self, recovery: _Recovery, failure: str, at: float) -> None:
        if recovery.step is None:
            return
        if failure:
            recovery.step.set_status(self._trace.StatusCode.ERROR, failure)
        recovery.step.end(nanoseconds(at))
        recovery.step = None

    def _note(self, recovery: _Recovery, event: str, detail: str, value: float | None, at: float) -> None:
        said: dict[str, Any] = {"detail": detail} if detail else {}
        if value is not None:
            said["value"] = value
        recovery.span.add_event(event, said, nanoseconds(at))
        if event == "recovery.failed":
            self._failed.add(1, {"recovery.kind": recovery.kind})
            self._end_step(recovery, detail, at)  # the command raised
        elif event == "retry.granted":
            self._retries.add(1, {"recovery.kind": recovery.kind})

    def _end(self, incident: int, event: str, detail: str, at: float) -> None:
        recovery = self._open.pop(incident)
        outcome = event.partition(".")[2]
        self._end_step(recovery, outcome, at)
        recovery.span.set_attribute("recovery.outcome", outcome)
        if outcome == "verified":
            recovery.span.set_status(self._trace.StatusCode.OK)
            self._time.record(at - recovery.opened_at, {"recovery.kind": recovery.kind})
        elif outcome != "dismissed":
            recovery.span.set_status(self._trace.StatusCode.ERROR, detail or outcome)
        recovery.span.end(nanoseconds(at))
        self._ended.add(1, {"recovery.kind": recovery.kind, "outcome": outcome})


class _Recovery:
    """A span that is open, and that of its present step."""

    def __init__(self, span: Span, kind: str, opened_at: float) -> None:
        self.span = span
        self.kind = kind
        self.opened_at = opened_at
        self.step: Span | None = None


def nanoseconds(at: float) -> int:
    """Seconds as OpenTelemetry counts time."""
    return round(at * 1e9)

"""The report of one recovery, from its audit entries: equal entries give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recovery.atomic_file import whole_file
from recovery.audit import OUTCOME_OF, AuditEntry, AuditEvent, RecoveryOutcome
from recovery.model import Severity
from recovery.monitoring.alerts import AlertName


@dataclass(slots=True)
class ReportedStep:
    """One command of a try. Instants in seconds; `ended` None: it raised, or the try was cancelled."""

    command: str
    started: float
    ended: float | None = None
    done: bool = False


@dataclass(slots=True)
class ReportedTry:
    """One try. Instants in seconds, None: not reached.

    `delay` (s) is the delay before it, None without a condition. `explanation` is the text of the analysis, `noted`
    are all other entries.
    """

    granted: float | None = None
    delay: float | None = None
    started: float | None = None
    scenario: str | None = None
    confidence: float | None = None
    explanation: str = ""
    steps: list[ReportedStep] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    executed: float | None = None
    verified: float | None = None
    failed: str | None = None


@dataclass(slots=True)
class ReportedAlert:
    """One alert. Instants in seconds; `cleared` None: it is not cleared."""

    rule: str
    severity: Severity
    raised: float
    value: float | None
    cleared: float | None = None


@dataclass(slots=True)
class RecoveryReport:
    """The failure, its detection, the tries, and the outcome of a recovery. Instants in seconds.

    `why` is the reason of an escalation or a dismissal.
    """

    incident: int
    subject: str
    kind: str
    noticed: float
    ended: float | None = None
    outcome: RecoveryOutcome = RecoveryOutcome.OPEN
    why: str = ""
    retries: int = 0
    exhausted: bool = False
    tries: list[ReportedTry] = field(default_factory=list)
    alerts: list[ReportedAlert] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """From its opening to its end; None: it is open."""
        return None if self.ended is None else self.ended - self.noticed


def report_of(entries: Sequence[AuditEntry]) -> RecoveryReport:
    """The report of the incident of these entries, which are in order.

    Raises ValueError when they do not begin with its opening, or belong to several incidents.
    """
    if not entries or entries[0].event != AuditEvent.RECOVERY_OPENED:
        raise ValueError("a report begins with recovery.opened")
    opened = entries[0]
    report = RecoveryReport(opened.incident, opened.subject, opened.detail, opened.at)
    for entry in entries[1:]:
        if entry.incident != opened.incident:
            raise ValueError(f"a report is about one incident, not about {opened.incident} and {entry.incident}")
        _add(report, entry)
    return report


def _add(report: RecoveryReport, entry: AuditEntry) -> None:
    match entry.event:
        case AuditEvent.RETRY_GRANTED:
            report.retries += 1
            report.tries.append(ReportedTry(granted=entry.at, delay=entry.value))
        case AuditEvent.RETRY_EXHAUSTED:
            report.exhausted = True
        case AuditEvent.ALERT_RAISED | AuditEvent.ALERT_CLEARED:
            _add_alert(report, entry)
        case AuditEvent.RECOVERY_TAKEN_UP:
            pass  # the report is about the recovery, whichever core it belongs to
        case event if event in OUTCOME_OF:
            report.outcome, report.why, report.ended = OUTCOME_OF[event], entry.detail, entry.at
            if report.outcome is RecoveryOutcome.VERIFIED:
                _current_try(report).verified = entry.at
        case _:
            _add_to_try(report, entry)


def _add_to_try(report: RecoveryReport, entry: AuditEntry) -> None:
    match entry.event:
        case AuditEvent.RECOVERY_STARTED:
            if not report.tries or report.tries[-1].started is not None:
                report.tries.append(ReportedTry())
            report.tries[-1].started = entry.at
        case AuditEvent.RECOVERY_ANALYZED:
            current = _current_try(report)
            current.scenario, current.confidence, current.explanation = entry.detail, entry.value, entry.text
        case AuditEvent.STEP_STARTED:
            _current_try(report).steps.append(ReportedStep(entry.detail, entry.at))
        case AuditEvent.STEP_COMPLETED | AuditEvent.STEP_FAILED:
            steps = _current_try(report).steps
            step = next(step for step in reversed(steps) if step.command == entry.detail)
            step.ended, step.done = entry.at, entry.event == AuditEvent.STEP_COMPLETED
        case AuditEvent.RECOVERY_EXECUTED:
            _current_try(report).executed = entry.at
        case AuditEvent.RECOVERY_FAILED:
            _current_try(report).failed = entry.detail
        case _:
            _note(report, entry)


def _note(report: RecoveryReport, entry: AuditEntry) -> None:
    words = [_instant(entry.at), entry.event, entry.detail, "" if entry.value is None else f"{entry.value:g}"]
    text = f": {entry.text}" if entry.text else ""
    _current_try(report).noted.append(" ".join(word for word in words if word) + text)


def _current_try(report: RecoveryReport) -> ReportedTry:
    if not report.tries:
        report.tries.append(ReportedTry())
    return report.tries[-1]


def _add_alert(report: RecoveryReport, entry: AuditEntry) -> None:
    alert = AlertName.from_detail(entry.detail)
    if entry.event == AuditEvent.ALERT_RAISED:
        report.alerts.append(ReportedAlert(alert.rule, alert.severity, entry.at, entry.value))
    else:
        next(each for each in reversed(report.alerts) if each.rule == alert.rule).cleared = entry.at


# ------------------------------------------------------------------------------- as text
def as_json(report: RecoveryReport) -> str:
    """The report as JSON: the fields by name, seconds as numbers, a line break at the end."""
    return json.dumps(asdict(report) | {"seconds": report.seconds}, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: RecoveryReport) -> str:
    """The report as Markdown."""
    lines = [f"# Recovery {report.incident}: {report.kind} of {_code(report.subject)}", ""]
    lines += [f"- Noticed: {_instant(report.noticed)}", f"- Outcome: {_outcome(report)}"]
    lines += [f"- Retries: {report.retries}" + (", none left" if report.exhausted else "")]
    for number, of in enumerate(report.tries, 1):
        lines += ["", f"## Try {number}", "", *_try_lines(of)]
    if report.alerts:
        lines += ["", "## Alerts", "", "| raised | severity | rule | cleared |", "| ---: | --- | --- | ---: |"]
        lines += [
            f"| {_instant(alert.raised)} | {alert.severity} | {alert.rule} | "
            f"{'stands' if alert.cleared is None else _instant(alert.cleared)} |"
            for alert in report.alerts
        ]
    return "\n".join(lines) + "\n"


def _outcome(report: RecoveryReport) -> str:
    if report.ended is None or report.seconds is None:
        return report.outcome
    why = f" ({_plain(report.why)})" if report.why else ""
    return f"{report.outcome}{why} at {_instant(report.ended)}, after {_instant(report.seconds)}"


def _try_lines(of: ReportedTry) -> list[str]:
    lines = [] if of.delay is None else [f"- Delay: {_instant(of.delay)}"]
    lines += [] if of.started is None else [f"- Started: {_instant(of.started)}"]
    if of.scenario is not None:
        sure = "" if of.confidence is None else f", confidence {of.confidence:.2f}"
        lines.append(f"- Analysis: {_plain(of.scenario)}{sure}")
    lines += [f"- Explanation: {_plain(of.explanation)}"] if of.explanation else []
    lines += [f"- Noted: {_plain(note)}" for note in of.noted]
    lines += [] if of.verified is None else [f"- Verified: {_instant(of.verified)}"]
    lines += [] if of.failed is None else [f"- Failed: {_plain(of.failed)}"]
    if of.steps:
        lines += ["", "| step | started | took | outcome |", "| --- | ---: | ---: | --- |"]
        lines += [f"| {step.command} | {_instant(step.started)} | {_took(step)} | {_done(step)} |" for step in of.steps]
    return lines


def _took(step: ReportedStep) -> str:
    return "" if step.ended is None else _instant(step.ended - step.started)


def _done(step: ReportedStep) -> str:
    return "cut short" if step.ended is None else "done" if step.done else "failed"


def _instant(seconds: float) -> str:
    """Seconds to the millisecond, without trailing zeros: `30 s`, `1.5 s`."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _plain(text: str) -> str:
    """A text on one line, escaped for a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_plain(text)}`"


# ------------------------------------------------------------------------------- to disk
def write_report(report: RecoveryReport, folder: Path) -> tuple[Path, Path]:
    """Write `recovery-N.json` and `recovery-N.md` into a folder that exists; returns their paths.

    Each file is replaced atomically: a reader never sees a part of it. Raises OSError.
    """
    name = f"recovery-{report.incident}"
    paths = folder / f"{name}.json", folder / f"{name}.md"
    for path, text in zip(paths, (as_json(report), as_markdown(report)), strict=True):
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return paths

"""The report of one recovery, from what its audit trail says: the same trail gives the same text, to the byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recovery.atomic_file import whole_file
from recovery.audit import ENDS, AuditEntry


@dataclass(slots=True)
class ReportedStep:
    """One command of a try. Instants in seconds; `ended` None: it raised, or the try was cut short."""

    command: str
    started: float
    ended: float | None = None
    done: bool = False


@dataclass(slots=True)
class ReportedTry:
    """One try. Instants in seconds, None: it did not come to that.

    `delay` (s) was waited before it, None where no condition says so. `explanation` is what the analysis says for
    itself, `noted` what else was said meanwhile.
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
    """One alert. Instants in seconds; `cleared` None: it stands."""

    rule: str
    severity: str
    raised: float
    value: float | None
    cleared: float | None = None


@dataclass(slots=True)
class RecoveryReport:
    """What failed, when that was noticed, what was found and done, and how it ended. Instants in seconds.

    `outcome` is `verified`, `escalated`, `dismissed` or `open`; `why` tells why it was given up or dismissed.
    """

    incident: int
    subject: str
    kind: str
    noticed: float
    ended: float | None = None
    outcome: str = "open"
    why: str = ""
    retries: int = 0
    exhausted: bool = False
    tries: list[ReportedTry] = field(default_factory=list)
    alerts: list[ReportedAlert] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """From its opening to its end."""
        return None if self.ended is None else self.ended - self.noticed


def report_of(entries: Sequence[AuditEntry]) -> RecoveryReport:
    """The report of the one incident that these entries are about, in order.

    Raises ValueError when they do not begin with its opening, or are about several incidents.
    """
    if not entries or entries[0].event != "recovery.opened":
        raise ValueError("a report begins with recovery.opened")
    opened = entries[0]
    report = RecoveryReport(opened.incident, opened.subject, opened.detail, opened.at)
    for entry in entries[1:]:
        if entry.incident != opened.incident:
            raise ValueError(f"a report is about one incident, not about {opened.incident} and {entry.incident}")
        _tell(report, entry)
    return report


NOTED = frozenset({"step.undone", "step.undo_failed", "recovery.paced", "recovery.resumed"})
"""What is told of a try beside its stages and steps."""


def _tell(report: RecoveryReport, entry: AuditEntry) -> None:
    group, _, what = entry.event.partition(".")
    if entry.event in NOTED:
        _note(report, entry)
    elif group == "retry":
        _tell_retry(report, what, entry)
    elif group == "step":
        _tell_step(_present_try(report), what, entry)
    elif group == "alert":
        _tell_alert(report, what, entry)
    elif group == "recovery":
        _tell_stage(report, what, entry)
    else:
        _note(report, entry)


def _note(report: RecoveryReport, entry: AuditEntry) -> None:
    words = [_instant(entry.at), entry.event, entry.detail, "" if entry.value is None else f"{entry.value:g}"]
    text = f": {entry.text}" if entry.text else ""
    _present_try(report).noted.append(" ".join(word for word in words if word) + text)


def _present_try(report: RecoveryReport) -> ReportedTry:
    if not report.tries:
        report.tries.append(ReportedTry())
    return report.tries[-1]


def _tell_retry(report: RecoveryReport, what: str, entry: AuditEntry) -> None:
    if what == "granted":
        report.retries += 1
        report.tries.append(ReportedTry(granted=entry.at, delay=entry.value))
    else:
        report.exhausted = True


def _tell_step(of: ReportedTry, what: str, entry: AuditEntry) -> None:
    if what == "started":
        of.steps.append(ReportedStep(entry.detail, entry.at))
        return
    step = next(step for step in reversed(of.steps) if step.command == entry.detail)
    step.ended, step.done = entry.at, what == "completed"


def _tell_alert(report: RecoveryReport, what: str, entry: AuditEntry) -> None:
    severity, _, rule = entry.detail.partition(" ")
    if what == "raised":
        report.alerts.append(ReportedAlert(rule, severity, entry.at, entry.value))
        return
    next(alert for alert in reversed(report.alerts) if alert.rule == rule).cleared = entry.at


def _tell_stage(report: RecoveryReport, what: str, entry: AuditEntry) -> None:
    if what == "started":
        if not report.tries or report.tries[-1].started is not None:
            report.tries.append(ReportedTry())
        report.tries[-1].started = entry.at
    elif what == "analyzed":
        of = _present_try(report)
        of.scenario, of.confidence, of.explanation = entry.detail, entry.value, entry.text
    elif what == "executed":
        _present_try(report).executed = entry.at
    elif what == "failed":
        _present_try(report).failed = entry.detail
    elif entry.event in ENDS:
        report.outcome, report.why, report.ended = what, entry.detail, entry.at
        if what == "verified":
            _present_try(report).verified = entry.at


# ------------------------------------------------------------------------------- as text
def as_json(report: RecoveryReport) -> str:
    """The report as JSON: its fields by their names, seconds as numbers, a line break at the end."""
    return json.dumps(asdict(report) | {"seconds": report.seconds}, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: RecoveryReport) -> str:
    """The report as a page to read."""
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
    """Seconds to the millisecond, without zeros that say nothing: `30 s`, `1.5 s`."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _plain(text: str) -> str:
    """A text of somebody's error on one line, which no table and no heading is broken by."""
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_plain(text)}`"


# ------------------------------------------------------------------------------- to disk
def write_report(report: RecoveryReport, folder: Path) -> tuple[Path, Path]:
    """Write `recovery-N.json` and `recovery-N.md` into a folder that exists; returns their paths.

    Each is moved into its place when it is whole: a reader never sees a half. Raises OSError as the disk does.
    """
    name = f"recovery-{report.incident}"
    paths = folder / f"{name}.json", folder / f"{name}.md"
    for path, text in zip(paths, (as_json(report), as_markdown(report)), strict=True):
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return paths

"""The recovery report from an audit trail, as JSON and as a page, compared literally."""

import json

import pytest

from recovery.audit import AuditEntry
from recovery.monitoring.report import as_json, as_markdown, report_of, write_report


def audit_entry(at, event, detail="", value=None, incident=4):
    return AuditEntry(at, event, incident, "task.7", detail, value)


TRAIL = (
    audit_entry(10.0, "recovery.opened", "task_failure"),
    audit_entry(10.0, "retry.granted", "task_failure", 30.0),
    audit_entry(40.0, "recovery.started"),
    audit_entry(40.0, "recovery.analyzed", "task_failures.execution_failure", 2 / 3),
    audit_entry(40.0, "task.fenced", value=1.0),
    audit_entry(40.0, "step.started", "release_resources"),
    audit_entry(41.5, "step.completed", "release_resources"),
    audit_entry(41.5, "step.started", "retry_task"),
    audit_entry(42.0, "recovery.failed", "OSError: a | b\nc"),
    audit_entry(42.0, "retry.granted", "task_failure", 30.0),
    audit_entry(60.0, "alert.raised", "warning late", 50.0),
    audit_entry(72.0, "recovery.started"),
    audit_entry(72.0, "recovery.analyzed", "task_failures.execution_failure", 1.0),
    audit_entry(72.0, "step.started", "retry_task"),
    audit_entry(72.25, "step.completed", "retry_task"),
    audit_entry(72.25, "recovery.executed"),
    audit_entry(72.25, "recovery.verified"),
    audit_entry(72.25, "alert.cleared", "warning late", 12.25),
)
PAGE = """\
# Recovery 4: task_failure of `task.7`

- Noticed: 10 s
- Outcome: verified at 72.25 s, after 62.25 s
- Retries: 2

## Try 1

- Delay: 30 s
- Started: 40 s
- Analysis: task_failures.execution_failure, confidence 0.67
- Noted: 40 s task.fenced 1
- Failed: OSError: a \\| b c

| step | started | took | outcome |
| --- | ---: | ---: | --- |
| release_resources | 40 s | 1.5 s | done |
| retry_task | 41.5 s |  | cut short |

## Try 2

- Delay: 30 s
- Started: 72 s
- Analysis: task_failures.execution_failure, confidence 1.00
- Verified: 72.25 s

| step | started | took | outcome |
| --- | ---: | ---: | --- |
| retry_task | 72 s | 0.25 s | done |

## Alerts

| raised | severity | rule | cleared |
| ---: | --- | --- | ---: |
| 60 s | warning | late | 72.25 s |
"""


def test_the_page_contains_the_whole_recovery():
    assert as_markdown(report_of(TRAIL)) == PAGE


def test_the_json_contains_the_whole_recovery():
    told = json.loads(as_json(report_of(TRAIL)))
    assert (told["incident"], told["outcome"], told["noticed"], told["seconds"]) == (4, "verified", 10.0, 62.25)
    assert [(of["delay"], of["started"], of["failed"]) for of in told["tries"]] == [
        (30.0, 40.0, "OSError: a | b\nc"),
        (30.0, 72.0, None),
    ]
    assert told["tries"][1]["steps"] == [{"command": "retry_task", "started": 72.0, "ended": 72.25, "done": True}]
    assert told["alerts"] == [{"rule": "late", "severity": "warning", "raised": 60.0, "value": 50.0, "cleared": 72.25}]


def test_an_escalated_recovery_shows_its_reason_and_alert():
    report = report_of(
        (
            TRAIL[0],
            audit_entry(10.0, "retry.exhausted", "task_failure"),
            audit_entry(10.0, "recovery.escalated", "retries exhausted"),
            audit_entry(10.0, "alert.raised", "critical escalated", 1.0),
        )
    )
    assert as_markdown(report) == (
        "# Recovery 4: task_failure of `task.7`\n\n"
        "- Noticed: 10 s\n"
        "- Outcome: escalated (retries exhausted) at 10 s, after 0 s\n"
        "- Retries: 0, none left\n\n"
        "## Alerts\n\n"
        "| raised | severity | rule | cleared |\n| ---: | --- | --- | ---: |\n"
        "| 10 s | critical | escalated | stands |\n"
    )


def test_an_open_recovery_without_a_condition():
    report = report_of((TRAIL[0], *TRAIL[2:6], audit_entry(41.0, "step.failed", "release_resources")))
    assert (report.outcome, report.seconds) == ("open", None)
    assert [(of.delay, of.started) for of in report.tries] == [(None, 40.0)]
    assert "| release_resources | 40 s | 1 s | failed |" in as_markdown(report)


@pytest.mark.parametrize(
    ("trail", "words"),
    [
        ((), "begins with recovery.opened"),
        (TRAIL[1:], "begins with recovery.opened"),
        ((TRAIL[0], audit_entry(11.0, "recovery.started", incident=5)), "not about 4 and 5"),
    ],
)
def test_an_audit_trail_of_another_incident_is_rejected(trail, words):
    with pytest.raises(ValueError, match=words):
        report_of(trail)


def test_a_report_is_written_atomically_and_replaces_an_earlier_one(tmp_path):
    (tmp_path / "recovery-4.md").write_text("old")
    paths = write_report(report_of(TRAIL), tmp_path)
    assert [path.name for path in paths] == ["recovery-4.json", "recovery-4.md"]
    assert paths[1].read_text(encoding="utf-8") == PAGE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recovery-4.json", "recovery-4.md"]


def test_a_failed_rename_leaves_no_file(tmp_path):
    (tmp_path / "recovery-4.json").mkdir()
    with pytest.raises(OSError, match="recovery-4"):
        write_report(report_of(TRAIL), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recovery-4.json"]


def test_compensation_resumption_and_waits_are_notes_and_not_steps():
    opened, started = audit_entry(0.0, "recovery.opened", "resource_failure"), audit_entry(4.0, "recovery.started")
    report = report_of(
        [
            opened,
            audit_entry(0.0, "recovery.paced", value=4.0),
            started,
            audit_entry(4.0, "recovery.resumed", "migrate_task"),
            audit_entry(4.0, "step.started", "migrate_task"),
            audit_entry(5.0, "step.failed", "migrate_task"),
            audit_entry(5.0, "step.undone", "release_resources"),
            AuditEntry(6.0, "step.undo_failed", 4, "task.7", "migrate_task", None, "OSError: gone"),
        ]
    )
    (only,) = report.tries
    assert only.noted == [
        "0 s recovery.paced 4",
        "4 s recovery.resumed migrate_task",
        "5 s step.undone release_resources",
        "6 s step.undo_failed migrate_task: OSError: gone",
    ]
    assert [(step.command, step.done) for step in only.steps] == [("migrate_task", False)]

"""The audit vocabulary, and what trails make of the name of an event."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import update

from recovery import audit
from recovery.audit import AUDIT_EVENTS, OPERATOR_EVENTS, AuditEvent, MemoryAudit, RecoveryOutcome, RecoveryPhase
from recovery.model import Severity
from recovery.monitoring.alerts import AlertName
from recovery.monitoring.recording_trail import RecordingTrail
from recovery.monitoring.telemetry import TelemetryTrail
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.tables import AUDIT
from sim.history import Event, History
from sim.measures.tables.recoveries import OUTCOME_OF, PHASE_AFTER, STAGES
from sim.world.ports.history_audit import HistoryAudit


def start():
    """A clock that stands still."""
    return 0.0


TRAILS = {
    "memory": MemoryAudit(start),
    "history": HistoryAudit(History()),
    "recording": RecordingTrail(MemoryAudit(start), start),
    "telemetry": TelemetryTrail(MemoryAudit(start), start),
}


@pytest.mark.parametrize("kind", [*TRAILS, "store"])
def test_a_trail_accepts_events_and_their_names_and_refuses_other_names(kind, opened, tmp_path):
    trail = TRAILS[kind] if kind in TRAILS else SqlAudit(opened(f"sqlite:///{tmp_path}/store.db"), start)
    trail.record(AuditEvent.RECOVERY_OPENED, 0, "task.1", "task_failure")
    trail.record("recovery.started", 0, "task.1")
    with pytest.raises(ValueError, match=r"unknown audit event 'recovery\.hoped'"):
        trail.record("recovery.hoped", 0, "task.1")


def test_a_name_is_recorded_as_the_event(database):
    in_memory, in_store = MemoryAudit(start), SqlAudit(database, start)
    for trail in (in_memory, in_store):
        trail.record("recovery.started", 0, "task.1")
    in_store.flush()
    for entries in (in_memory.entries, in_store.entries()):
        assert entries[0].event is AuditEvent.RECOVERY_STARTED


def test_the_events_of_operators_are_recorded_in_stores_only(database):
    assert {*AUDIT_EVENTS, *OPERATOR_EVENTS} == {*AuditEvent}
    for event in OPERATOR_EVENTS:
        SqlAudit(database, start).record(event, -1, "alice")
        with pytest.raises(ValueError, match="unknown audit event"):
            MemoryAudit(start).record(event, -1, "alice")


def test_each_event_of_the_core_has_the_name_of_an_event_in_a_history():
    assert {event.value for event in AUDIT_EVENTS} == {Event[event.name].label for event in AUDIT_EVENTS}


def test_an_event_that_this_version_does_not_define_is_read_as_its_name(database):
    trail = SqlAudit(database, start)
    trail.record(AuditEvent.RECOVERY_OPENED, 0, "task.1")
    trail.flush()
    database.write(lambda connection: connection.execute(update(AUDIT).values(event="recovery.hoped")))
    assert [entry.event for entry in trail.entries()] == ["recovery.hoped"]
    assert trail.first_wrong() == "line 1 is not what was written"


def test_an_event_that_begins_a_phase_does_not_end_a_recovery():
    assert not set(audit.PHASE_AFTER) & set(audit.OUTCOME_OF)
    assert {*audit.PHASE_AFTER.values()} == {*RecoveryPhase} - {RecoveryPhase.DETECT}
    assert {*audit.OUTCOME_OF.values()} == {*RecoveryOutcome} - {RecoveryOutcome.OPEN}


def test_metrics_use_the_phases_and_outcomes_of_the_core():
    by_label = {Event(event).label: phase for event, phase in {**PHASE_AFTER, **OUTCOME_OF}.items()}
    assert by_label == {**audit.PHASE_AFTER, **audit.OUTCOME_OF}
    assert [event.label for event in STAGES] == [*audit.PHASE_AFTER, *audit.OUTCOME_OF]


@pytest.mark.parametrize("severity", Severity)
def test_the_name_of_an_alert_is_decoded_from_its_detail(severity):
    name = AlertName(severity, "budget_empty")
    assert name.detail == f"{severity.value} budget_empty"
    assert AlertName.from_detail(name.detail) == name


def named_events(source):
    """The lines of a source that pass an event name to a call instead of the event."""
    names = {event.value for event in AuditEvent}
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"record", "_say", "_end", "AuditEntry"}
        for given in node.args
        if isinstance(given, ast.Constant) and given.value in names
    ]


SOURCES = [path for path in Path(audit.__file__).parent.rglob("*.py") if path.parent.name != "conformance"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_core_records_events_of_the_enum_and_not_their_names(source):
    assert named_events(source.read_text(encoding="utf-8")) == []


def test_the_name_of_an_event_in_a_call_is_found():
    source = 'audit.record(AuditEvent.STEP_STARTED, 0, "task.1")\nself._say(incident, "step.failed")'
    assert named_events(source) == [2]

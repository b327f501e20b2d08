"""The recording trail keeps only open incidents."""

import pytest

from recovery.audit import AuditEvent, MemoryAudit
from recovery.monitoring.recording_trail import RecordingTrail


def test_an_incident_is_recorded_from_opening_until_removal():
    times = iter(range(10))
    inner = MemoryAudit(lambda: 0.0)
    trail = RecordingTrail(inner, lambda: float(next(times)))
    trail.record(AuditEvent.AGENT_SUSPECTED, -1, "agent.1")
    trail.record(AuditEvent.RETRY_GRANTED, 4, "task.1")
    trail.record(AuditEvent.RECOVERY_OPENED, 4, "task.1", "task_failure")
    trail.record(AuditEvent.RECOVERY_OPENED, 5, "task.2")
    trail.record(AuditEvent.RETRY_GRANTED, 4, "task.1", "task_failure", 30.0)
    assert [(entry.at, entry.event, entry.detail, entry.value) for entry in trail.of(4)] == [
        (0.0, AuditEvent.RECOVERY_OPENED, "task_failure", None),
        (2.0, AuditEvent.RETRY_GRANTED, "task_failure", 30.0),
    ]
    trail.forget(4)
    trail.record(AuditEvent.RECOVERY_STARTED, 4, "task.1")
    assert trail.of(4) == ()
    assert len(trail.of(5)) == 1
    trail.clear()
    assert trail.of(5) == ()
    assert len(inner.entries) == 6


def test_the_name_of_an_event_is_recorded_as_the_event_and_an_unknown_name_is_refused():
    trail = RecordingTrail(MemoryAudit(lambda: 0.0), lambda: 0.0)
    trail.record("recovery.opened", 4, "task.1")
    assert trail.of(4)[0].event is AuditEvent.RECOVERY_OPENED
    with pytest.raises(ValueError, match=r"unknown audit event 'recovery\.abandoned'"):
        trail.record("recovery.abandoned", 4, "task.1")
    assert len(trail.of(4)) == 1

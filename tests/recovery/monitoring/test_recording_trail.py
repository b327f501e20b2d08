"""The transcript remembers what is open, and nothing else."""

from recovery.audit import MemoryAudit
from recovery.monitoring.recording_trail import Transcript


def test_an_incident_is_recorded_from_opening_until_removal():
    times = iter(range(10))
    trail = MemoryAudit(lambda: 0.0)
    transcript = Transcript(trail, lambda: float(next(times)))
    transcript.record("agent.suspected", -1, "agent.1")
    transcript.record("retry.granted", 4, "task.1")
    transcript.record("recovery.opened", 4, "task.1", "task_failure")
    transcript.record("recovery.opened", 5, "task.2")
    transcript.record("retry.granted", 4, "task.1", "task_failure", 30.0)
    assert [(entry.at, entry.event, entry.detail, entry.value) for entry in transcript.of(4)] == [
        (0.0, "recovery.opened", "task_failure", None),
        (2.0, "retry.granted", "task_failure", 30.0),
    ]
    transcript.forget(4)
    transcript.record("recovery.started", 4, "task.1")
    assert transcript.of(4) == ()
    assert len(transcript.of(5)) == 1
    transcript.clear()
    assert transcript.of(5) == ()
    assert len(trail.entries) == 6

"""The journal remembers what is open, and nothing else."""

from recovery.audit import MemoryAudit
from recovery.journal import Journal


def test_an_incident_is_remembered_from_its_opening_until_it_is_forgotten():
    times = iter(range(10))
    trail = MemoryAudit(lambda: 0.0)
    journal = Journal(trail, lambda: float(next(times)))
    journal.record("agent.suspected", -1, "agent.1")
    journal.record("retry.granted", 4, "task.1")
    journal.record("recovery.opened", 4, "task.1", "task_failure")
    journal.record("recovery.opened", 5, "task.2")
    journal.record("retry.granted", 4, "task.1", "task_failure", 30.0)
    assert [(entry.at, entry.event, entry.detail, entry.value) for entry in journal.of(4)] == [
        (0.0, "recovery.opened", "task_failure", None),
        (2.0, "retry.granted", "task_failure", 30.0),
    ]
    journal.forget(4)
    journal.record("recovery.started", 4, "task.1")
    assert journal.of(4) == ()
    assert len(journal.of(5)) == 1
    journal.clear()
    assert journal.of(5) == ()
    assert len(trail.entries) == 6

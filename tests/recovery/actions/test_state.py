"""State is restored from the latest intact checkpoint."""

import asyncio
from dataclasses import replace

import pytest

from recovery import StateRecovery
from recovery.actions.state import CheckpointManager, StateManager
from recovery.stores import inline
from sim.loop import run
from tests.recovery.small_system import SmallSystem


def with_checkpoints(*progress: float) -> SmallSystem:
    system = SmallSystem()
    system.submit("task.1")
    epoch = system.start("task.1")
    for seconds in progress:
        assert system.store.save_checkpoint("task.1", epoch, seconds) is not None
    return system


def audit_entries(system: SmallSystem) -> list[tuple]:
    return [(each.event, each.incident, each.subject, each.detail, each.value) for each in system.audit.entries]


def recover(system: SmallSystem) -> bool:
    return run(StateRecovery({}, system.ports).recover_state("task.1", 4))


def test_the_latest_checkpoint_is_restored():
    system = with_checkpoints(1.0, 2.0, 3.5)
    assert recover(system) is True
    assert system.store.restore_point("task.1").progress == 3.5
    assert audit_entries(system) == [("checkpoint.restored", 4, "task.1", "", 3.5)]


def test_a_damaged_checkpoint_is_skipped_and_recorded():
    system = with_checkpoints(1.0, 2.0, 3.5)
    system.store.corrupt_checkpoint("task.1")
    assert recover(system) is True
    assert system.store.restore_point("task.1").progress == 2.0
    assert audit_entries(system) == [
        ("checkpoint.rejected", 4, "task.1", "checksum", 3.0),
        ("checkpoint.restored", 4, "task.1", "", 2.0),
    ]


def test_with_only_damaged_checkpoints_the_task_restarts_from_zero():
    system = with_checkpoints(1.0)
    system.store.corrupt_checkpoint("task.1")
    assert recover(system) is True
    assert system.store.restore_point("task.1") is None
    assert audit_entries(system) == [("checkpoint.rejected", 4, "task.1", "checksum", 1.0)]


def test_without_a_checkpoint_the_task_restarts_from_zero():
    system = with_checkpoints()
    assert recover(system) is True
    assert system.store.restore_point("task.1") is None
    assert audit_entries(system) == []


def test_a_restore_point_is_dropped_when_its_checkpoint_is_damaged():
    system = with_checkpoints(1.0)
    assert recover(system) is True
    system.store.corrupt_checkpoint("task.1")
    assert recover(system) is True
    assert system.store.restore_point("task.1") is None


def test_restore_is_idempotent():
    system = with_checkpoints(1.0, 2.0)
    assert recover(system) is True
    assert recover(system) is True
    assert system.store.restore_point("task.1").progress == 2.0
    assert len(system.store.checkpoints("task.1")) == 2


def test_a_failed_restore_is_reported_and_changes_nothing(monkeypatch):
    system = with_checkpoints(1.0, 2.0)
    recovery = StateRecovery({}, system.ports)

    async def torn(task_id, checkpoint):
        system.store.set_restore_point(task_id, system.store.checkpoints(task_id)[0])
        raise OSError("disk full")

    monkeypatch.setattr(recovery.state_store, "restore_from_checkpoint", torn)
    assert run(recovery.recover_state("task.1", 4)) is False
    assert system.store.restore_point("task.1") is None
    assert audit_entries(system) == [("checkpoint.rejected", 4, "task.1", "disk full", None)]


def test_a_checkpoint_damaged_before_its_restore_is_rejected(monkeypatch):
    system = with_checkpoints(1.0)
    recovery = StateRecovery({}, system.ports)
    system.store.corrupt_checkpoint("task.1")
    (damaged,) = system.store.checkpoints("task.1")

    async def found(task_id, incident):
        return damaged

    monkeypatch.setattr(recovery, "_find_latest_checkpoint", found)
    assert run(recovery.recover_state("task.1", 4)) is False
    assert audit_entries(system) == [("checkpoint.rejected", 4, "task.1", "task.1: checkpoint 1 is damaged", None)]


def test_a_lost_restore_point_is_detected(monkeypatch):
    system = with_checkpoints(1.0)
    monkeypatch.setattr(system.store, "set_restore_point", lambda task_id, checkpoint: None)
    assert recover(system) is False
    assert [event for event, *_ in audit_entries(system)] == ["checkpoint.rejected"]


class Behind:
    """A store of which the latest checkpoints are not to be read before an instant."""

    def __init__(self, system: SmallSystem, missing: int, until: float) -> None:
        self._store = system.store
        self._missing, self._until = missing, until

    def __getattr__(self, name):
        return getattr(self._store, name)

    def checkpoints(self, task_id):
        stored = self._store.checkpoints(task_id)
        return stored if asyncio.get_running_loop().time() >= self._until else stored[: -self._missing]


def recovered(system: SmallSystem, missing: int, until: float, *, sequence: int | None = None, **stale_reads):
    """Whether state was recovered, and when."""
    ports = replace(system.ports, store=inline(Behind(system, missing, until)))

    async def story():
        recovery = StateRecovery({"checkpoints": {"stale_reads": stale_reads}}, ports)
        return await recovery.recover_state("task.1", 4, sequence), asyncio.get_running_loop().time()

    return run(story())


def test_a_stale_read_is_recorded_and_the_latest_readable_checkpoint_is_used():
    system = with_checkpoints(1.0, 2.0, 3.5)
    assert recovered(system, 2, 10.0) == (True, 0.0)
    assert audit_entries(system) == [
        ("checkpoint.stale", 4, "task.1", "", 2.0),
        ("checkpoint.restored", 4, "task.1", "", 1.0),
    ]


def test_without_a_readable_checkpoint_the_task_restarts_from_zero():
    system = with_checkpoints(1.0, 2.0)
    assert recovered(system, 2, 10.0) == (True, 0.0)
    assert audit_entries(system) == [("checkpoint.stale", 4, "task.1", "", 2.0)]


def test_a_stale_read_is_retried_until_it_succeeds():
    system = with_checkpoints(1.0, 2.0, 3.5)
    assert recovered(system, 1, 10.0, max_retries=5, retry_delay=4) == (True, 12.0)
    assert audit_entries(system) == 3 * [("checkpoint.stale", 4, "task.1", "", 1.0)] + [
        ("checkpoint.restored", 4, "task.1", "", 3.5)
    ]


def test_a_stale_read_is_accepted_after_the_last_retry():
    system = with_checkpoints(1.0, 2.0, 3.5)
    assert recovered(system, 1, 10.0, max_retries=2, retry_delay="4s") == (True, 8.0)
    assert [event for event, *_ in audit_entries(system)] == 3 * ["checkpoint.stale"] + ["checkpoint.restored"]
    assert system.store.restore_point("task.1").progress == 2.0


def test_a_damaged_checkpoint_of_a_stale_read_is_skipped():
    system = with_checkpoints(1.0, 2.0)
    system.store.corrupt_checkpoint("task.1")
    assert system.store.save_checkpoint("task.1", 1, 3.0) is not None
    recovered(system, 1, 10.0)
    assert [event for event, *_ in audit_entries(system)] == [
        "checkpoint.stale",
        "checkpoint.rejected",
        "checkpoint.restored",
    ]
    assert system.store.restore_point("task.1").progress == 1.0


@pytest.mark.parametrize(("sequence", "why"), [(2, "checkpoint 2 cannot be read yet"), (3, "there is no checkpoint 3")])
def test_operator_view_lists_checkpoints_that_are_not_readable_yet(sequence, why):
    system = with_checkpoints(1.0, 2.0)
    assert recovered(system, 1, 10.0, sequence=sequence) == (False, 0.0)
    assert audit_entries(system) == [("checkpoint.rejected", 4, "task.1", f"task.1: {why}", None)]


@pytest.mark.parametrize("wrong", [{"max_retries": -1}, {"retry_delay": -1}, {"delay": 1}])
def test_stale_read_settings_are_validated(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CheckpointManager({"stale_reads": wrong}, with_checkpoints().ports)


@pytest.mark.parametrize("damage", [{"progress": 9.0}, {"epoch": 2}, {"sequence": 5}, {"checksum": 0}])
def test_the_checksum_covers_the_whole_checkpoint(damage):
    system = with_checkpoints(1.0)
    (checkpoint,) = system.store.checkpoints("task.1")
    manager = CheckpointManager({}, system.ports)
    assert manager.is_valid(checkpoint)
    assert not manager.is_valid(replace(checkpoint, **damage))


def test_the_fence_is_recorded():
    system = with_checkpoints()
    assert run(StateManager({}, system.ports).fence("task.1", 4)) == 1
    assert audit_entries(system) == [("task.fenced", 4, "task.1", "", 1.0)]
    assert not system.store.is_current("task.1", 1)


def test_a_completed_or_unknown_task_counts_as_finished():
    system = with_checkpoints()
    manager = StateManager({}, system.ports)
    assert not run(manager.is_finished("task.1"))
    assert run(manager.is_finished("task.9"))
    system.store.commit("task.1", 1)
    assert run(manager.is_finished("task.1"))

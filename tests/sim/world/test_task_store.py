"""The compact store of a run behaves like a store that keeps every record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from recovery.checkpoints import sealed
from recovery.model import Checkpoint, TaskStatus
from recovery.stores.memory import MemoryTaskStore
from sim.world.task_store import NumberedTaskStore, checkpoint_appender
from tests.recovery.stores.calls import CALLS, answers


@given(CALLS)
def test_the_compact_store_behaves_like_a_complete_store(calls: list[tuple[Any, ...]]) -> None:
    assert answers(NumberedTaskStore(), calls) == answers(MemoryTaskStore(), calls)


@pytest.mark.parametrize("ask", [("begin", "agent.1"), ("commit", 1), ("commit", 2), ("fence",), ("is_current", 1)])
def test_the_compact_store_behaves_equally_for_a_successful_task(ask: tuple[Any, ...]) -> None:
    """The property would take long to find this by itself."""
    found = []
    for store in (MemoryTaskStore(), NumberedTaskStore()):
        store.register("task.7")
        store.begin("task.7", "agent.0")
        assert store.commit("task.7", 1)
        found.append((getattr(store, ask[0])("task.7", *ask[1:]), store.status("task.7"), store.epoch("task.7")))
    assert found[0] == found[1]


def test_a_successful_task_leaves_no_record() -> None:
    store = NumberedTaskStore()
    for number in range(100):
        store.register(f"task.{number}")
        store.begin(f"task.{number}", "agent.0")
        store.commit(f"task.{number}", 1)
    assert len(store) == 0
    assert store.status("task.99") is TaskStatus.COMPLETED
    assert len(store) == 1


@pytest.mark.parametrize("unknown", ["task.100", "agent.3", "agents|queue", "task."])
def test_an_invalid_task_is_unknown(unknown: str) -> None:
    store = NumberedTaskStore()
    assert store.status(unknown) is None


class LosesCheckpoints(NumberedTaskStore):
    """Accepts checkpoints, and does not keep them."""

    def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        return sealed(task_id, 1, epoch, progress, state) if self.is_current(task_id, epoch) else None


@pytest.mark.parametrize(("store", "kept"), [(NumberedTaskStore(), 1), (LosesCheckpoints(), 0)])
def test_checkpoints_are_appended_as_a_store_saves_them(store: NumberedTaskStore, kept: int) -> None:
    append = checkpoint_appender(store)
    store.register("task.0")
    store.begin("task.0", "agent.0")
    assert append("task.0", 1, 2.5)
    assert [each.progress for each in store.checkpoints("task.0")] == [2.5] * kept
    store.fence("task.0")
    assert not append("task.0", 1, 3.5)


def test_a_checkpoint_is_saved_by_what_replaces_the_method_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryTaskStore, "save_checkpoint", LosesCheckpoints.save_checkpoint)
    store = NumberedTaskStore()
    append = checkpoint_appender(store)
    store.register("task.0")
    store.begin("task.0", "agent.0")
    assert append("task.0", 1, 2.5)
    assert not store.checkpoints("task.0")

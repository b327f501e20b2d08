"""The store of a run forgets what it can say without remembering; nobody can tell it from one that remembers all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.model import FailureKind, TaskStatus
from recovery.stores.memory import IllegalTransition, MemoryTaskStore
from sim.world.task_store import NumberedTaskStore

TASKS = st.sampled_from(["task.0", "task.1", "task.40"])
EPOCHS = st.integers(0, 3)
CALLS = st.one_of(
    st.tuples(st.just("register"), TASKS),
    st.tuples(st.just("begin"), TASKS, st.just("agent.0")),
    st.tuples(st.just("commit"), TASKS, EPOCHS),
    st.tuples(st.just("fail"), TASKS, EPOCHS, st.sampled_from([TaskStatus.FAILED, TaskStatus.BLOCKED]), st.just("e")),
    st.tuples(st.sampled_from(["fence", "status", "epoch", "checkpoints", "restore_point"]), TASKS),
    st.tuples(st.just("last_checkpoint"), TASKS),
    st.tuples(st.just("requeue"), TASKS, st.none() | EPOCHS),
    st.tuples(st.just("escalate"), TASKS, st.just("r")),
    st.tuples(st.just("is_current"), TASKS, EPOCHS),
    st.tuples(st.just("retries"), TASKS, st.just(FailureKind.TASK)),
    st.tuples(st.just("count_retry"), TASKS, st.just(FailureKind.TASK), st.integers(1, 3)),
    st.tuples(st.just("save_checkpoint"), TASKS, EPOCHS, st.floats(0, 9)),
    st.tuples(st.just("set_restore_point"), TASKS, st.none()),
    st.tuples(st.just("halted")),
)


def answer(store: MemoryTaskStore, name: str, *arguments: Any) -> Any:
    """What a call returns or raises."""
    try:
        return getattr(store, name)(*arguments)
    except (KeyError, IllegalTransition) as error:
        return type(error), str(error)


@given(st.lists(CALLS, max_size=40))
def test_it_answers_as_one_that_remembers_all(calls: list[tuple[Any, ...]]) -> None:
    remembers, forgets = MemoryTaskStore(), NumberedTaskStore()
    for call in calls:
        assert answer(forgets, *call) == answer(remembers, *call)


def test_it_answers_as_one_that_remembers_all_about_a_task_that_went_well() -> None:
    """The property would take long to find this by itself."""
    stores = MemoryTaskStore(), NumberedTaskStore()
    for ask in (("status",), ("begin", "agent.1"), ("commit", 1), ("commit", 2), ("fence",), ("is_current", 1)):
        for store in stores:
            store.register("task.7")
            store.begin("task.7", "agent.0")
            assert store.commit("task.7", 1)
        one, other = (answer(store, ask[0], "task.7", *ask[1:]) for store in stores)
        assert one == other
        assert [store.epoch("task.7") for store in stores] == [1, 1]


def test_of_a_task_that_went_well_it_keeps_no_record() -> None:
    store = NumberedTaskStore()
    for number in range(100):
        store.register(f"task.{number}")
        store.begin(f"task.{number}", "agent.0")
        store.commit(f"task.{number}", 1)
    assert len(store) == 0
    assert store.status("task.99") is TaskStatus.COMPLETED
    assert len(store) == 1


@pytest.mark.parametrize("unknown", ["task.100", "agent.3", "agents|queue", "task."])
def test_who_is_no_task_is_unknown(unknown: str) -> None:
    store = NumberedTaskStore()
    assert store.status(unknown) is None

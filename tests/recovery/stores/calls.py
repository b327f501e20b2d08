"""Random calls of a task store and their results."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from recovery.model import FailureKind, TaskStatus
from recovery.stores import PlainTaskStore
from recovery.stores.memory import IllegalTransition

TASKS = st.sampled_from(["task.0", "task.1", "task.40"])
EPOCHS = st.integers(0, 3)
HALTS = st.sampled_from([TaskStatus.FAILED, TaskStatus.BLOCKED])
CALL = st.one_of(
    st.tuples(st.just("begin"), TASKS, st.just("agent.0")),
    st.tuples(st.just("commit"), TASKS, EPOCHS),
    st.tuples(st.just("fail"), TASKS, EPOCHS, HALTS, st.just("e")),
    st.tuples(st.sampled_from(["fence", "status", "epoch", "checkpoints", "restore_point", "last_checkpoint"]), TASKS),
    st.tuples(st.just("requeue"), TASKS, st.none() | EPOCHS),
    st.tuples(st.just("escalate"), TASKS, st.just("r")),
    st.tuples(st.just("is_current"), TASKS, EPOCHS),
    st.tuples(st.just("retries"), TASKS, st.just(FailureKind.TASK)),
    st.tuples(st.just("count_retry"), TASKS, st.just(FailureKind.TASK), st.integers(1, 3)),
    st.tuples(st.just("save_checkpoint"), TASKS, EPOCHS, st.floats(0, 9)),
    st.tuples(st.just("set_restore_point"), TASKS, st.none()),
    st.tuples(st.just("halted")),
)
CALLS = st.lists(CALL, max_size=40)
REGISTERED = ("task.0", "task.1")
"""The third one is unknown."""


def answers(store: PlainTaskStore, calls: list[tuple[Any, ...]]) -> list[Any]:
    """The results or exceptions of the calls, in order, on an empty store."""
    for task_id in REGISTERED:
        store.register(task_id)
    return [_answer(store, *call) for call in calls]


def _answer(store: PlainTaskStore, name: str, *arguments: Any) -> Any:
    try:
        found = getattr(store, name)(*arguments)
    except (KeyError, IllegalTransition) as error:
        return type(error), str(error)
    return list(found) if isinstance(found, tuple) else found

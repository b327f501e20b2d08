"""Task stores: epochs, transitions and checkpoints."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from recovery.checkpoints import is_intact
from recovery.model import FINISHED, HALTED, LEGAL_TRANSITIONS, TaskStatus
from recovery.stores.memory import IllegalTransition, MemoryTaskStore
from recovery.stores.sql_tasks import SqlTaskStore
from recovery.stores.tables import CHECKPOINTS, RETRIES, TASKS
from tests.examples import examples
from tests.recovery.stores.calls import CALLS, answers

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))


@pytest.fixture
def store(tasks):
    """With one task."""
    tasks.register("task.1")
    return tasks


def test_a_new_task_is_queued_and_has_no_epoch(store):
    assert (store.status("task.1"), store.epoch("task.1")) == (TaskStatus.QUEUED, 0)
    assert store.status("task.9") is None


def test_every_attempt_gets_the_next_epoch(store):
    assert [store.begin("task.1", "agent.0"), store.begin("task.1", "agent.1")] == [1, 2]
    assert store.epoch("task.1") == 2
    assert store.status("task.1") is TaskStatus.RUNNING


def test_only_the_first_commit_of_a_task_is_accepted(store):
    first, second = store.begin("task.1", "agent.0"), store.begin("task.1", "agent.1")
    assert store.commit("task.1", first) is True
    assert store.commit("task.1", second) is False
    assert store.status("task.1") is TaskStatus.COMPLETED


def test_a_fenced_attempt_is_rejected(store):
    epoch = store.begin("task.1", "agent.0")
    assert store.is_current("task.1", epoch)
    assert store.fence("task.1") == epoch
    assert not store.is_current("task.1", epoch)
    assert store.commit("task.1", epoch) is False
    assert store.fail("task.1", epoch, TaskStatus.FAILED, "E1") is False
    assert store.save_checkpoint("task.1", epoch, 1.0) is None
    assert store.status("task.1") is TaskStatus.RUNNING


def test_after_a_fence_the_next_attempt_is_accepted(store):
    store.begin("task.1", "agent.0")
    store.fence("task.1")
    epoch = store.begin("task.1", "agent.1")
    assert store.save_checkpoint("task.1", epoch, 1.0) is not None
    assert store.commit("task.1", epoch) is True


def test_an_outdated_attempt_cannot_fail_the_task(store):
    first = store.begin("task.1", "agent.0")
    store.begin("task.1", "agent.1")
    assert store.fail("task.1", first, TaskStatus.FAILED, "E1") is False
    assert store.status("task.1") is TaskStatus.RUNNING


def test_a_finished_task_does_not_change(store):
    epoch = store.begin("task.1", "agent.0")
    store.commit("task.1", epoch)
    assert store.begin("task.1", "agent.1") is None
    assert store.fail("task.1", epoch, TaskStatus.FAILED, "E1") is False
    assert store.requeue("task.1") is False
    assert store.escalate("task.1", "enough") is False
    assert store.is_current("task.1", epoch) is False
    assert store.status("task.1") is TaskStatus.COMPLETED


def test_a_commit_after_the_escalation_is_rejected(store):
    epoch = store.begin("task.1", "agent.0")
    assert store.escalate("task.1", "enough") is True
    assert store.commit("task.1", epoch) is False
    assert store.status("task.1") is TaskStatus.ESCALATED


def test_an_illegal_transition_raises(store):
    epoch = store.begin("task.1", "agent.0")
    store.fail("task.1", epoch, TaskStatus.FAILED, "E1")
    with pytest.raises(IllegalTransition, match=r"task\.1: failed cannot become blocked"):
        store.fail("task.1", epoch, TaskStatus.BLOCKED, "E2")


def test_retries_are_counted_by_kind_and_once_per_incident(store):
    for kind, retry in (("a", 1), ("a", 2), ("a", 2), ("b", 1), ("a", 1)):
        store.count_retry("task.1", kind, retry)
    assert [store.retries("task.1", kind) for kind in ("a", "b", "c")] == [2, 1, 0]


def test_a_task_running_since_the_fence_is_not_queued(store):
    fence = store.epoch("task.1")
    store.begin("task.1", "agent.0")
    assert store.requeue("task.1", fence) is False
    assert store.status("task.1") is TaskStatus.RUNNING
    assert store.requeue("task.1", store.epoch("task.1")) is True
    assert store.status("task.1") is TaskStatus.QUEUED


def test_checkpoints_are_numbered_in_order(store):
    epoch = store.begin("task.1", "agent.0")
    store.save_checkpoint("task.1", epoch, 1.0)
    store.fence("task.1")
    store.save_checkpoint("task.1", store.begin("task.1", "agent.1"), 2.5)
    found = [(each.sequence, each.epoch, each.progress) for each in store.checkpoints("task.1")]
    assert found == [(1, 1, 1.0), (2, 2, 2.5)]


def test_an_appended_checkpoint_is_like_a_saved_one():
    saving, appending, mixed = MemoryTaskStore(), MemoryTaskStore(), MemoryTaskStore()
    for store, saves in ((saving, "111"), (appending, "000"), (mixed, "010")):
        store.register("task.1")
        epoch = store.begin("task.1", "agent.0")
        for progress, saved in zip((1.0, 2.0, 3.0), saves, strict=True):
            save = store.save_checkpoint if saved == "1" else store.append_checkpoint
            assert save("task.1", epoch, progress)
        assert store.last_checkpoint("task.1") == 3
        assert store.checkpoints("task.1") == saving.checkpoints("task.1")
    store.fence("task.1")
    assert store.append_checkpoint("task.1", epoch, 4.0) is False
    assert store.last_checkpoint("task.1") == 3
    epoch = store.begin("task.1", "agent.0")
    assert store.append_checkpoint("task.1", epoch, 4.0)
    assert store.commit("task.1", epoch)
    assert store.last_checkpoint("task.1") == 0


def test_a_damaged_checkpoint_may_be_an_appended_one():
    for damage in (MemoryTaskStore.corrupt_checkpoint, MemoryTaskStore.tear_checkpoint):
        store = MemoryTaskStore()
        store.register("task.1")
        epoch = store.begin("task.1", "agent.0")
        assert store.append_checkpoint("task.1", epoch, 1.0)
        assert store.append_checkpoint("task.1", epoch, 2.0)
        assert damage(store, "task.1") == store.checkpoints("task.1")[-1]
        assert [is_intact(each) for each in store.checkpoints("task.1")] == [True, False]


STATES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=STATES)
def test_a_state_round_trips(store, state):
    saved = store.save_checkpoint("task.1", store.begin("task.1", "agent.0"), 1.0, state)
    found = store.checkpoints("task.1")[-1]
    assert found == saved
    assert found.state == state
    assert is_intact(found)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (object(), "is not JSON: Object of type object is not JSON serializable"),
        (float("nan"), "is not JSON: Out of range float values are not JSON compliant"),
        ("x" * 100_000_000, "has 100,000,002 bytes; valid: up to 16,777,216, and for more the name of a file"),
    ],
    ids=["object", "nan", "100 MB"],
)
def test_an_invalid_state_is_rejected_without_changes(store, state, message):
    epoch = store.begin("task.1", "agent.0")
    with pytest.raises(ValueError, match=f"task.1: the state of a checkpoint {message}"):
        store.save_checkpoint("task.1", epoch, 1.0, state)
    assert list(store.checkpoints("task.1")) == []


@pytest.mark.parametrize("damaged", ['{"rows": 18}', '{"rows": 1', None])
def test_a_state_modified_on_disk_is_not_intact(database, damaged):
    store = SqlTaskStore(database)
    store.register("task.1")
    store.save_checkpoint("task.1", store.begin("task.1", "a"), 1.0, {"rows": 17})
    assert [is_intact(each) for each in store.checkpoints("task.1")] == [True]
    database.write(lambda connection: connection.execute(update(CHECKPOINTS).values(state=damaged)))
    assert [is_intact(each) for each in store.checkpoints("task.1")] == [False]


def test_a_completed_task_needs_no_checkpoints(store):
    epoch = store.begin("task.1", "agent.0")
    store.set_restore_point("task.1", store.save_checkpoint("task.1", epoch, 1.0))
    store.commit("task.1", epoch)
    assert (store.checkpoints("task.1"), store.restore_point("task.1")) == ((), None)


def test_damaging_a_missing_checkpoint_does_nothing():
    store = MemoryTaskStore()
    store.register("task.1")
    assert store.corrupt_checkpoint("task.1") is None


ASKED = {
    "begin": ("agent.0",),
    "commit": (1,),
    "fail": (1, TaskStatus.FAILED, "E1"),
    "fence": (),
    "is_current": (1,),
    "requeue": (),
    "escalate": ("enough",),
    "epoch": (),
    "count_retry": ("a", 1),
    "retries": ("a",),
    "save_checkpoint": (1, 1.0),
    "checkpoints": (),
    "last_checkpoint": (),
    "restore_point": (),
    "set_restore_point": (None,),
}


@pytest.mark.parametrize("asked", ASKED)
def test_an_unknown_task_is_an_error(store, asked):
    with pytest.raises(KeyError, match=r"task\.9"):
        getattr(store, asked)("task.9", *ASKED[asked])


def test_a_task_is_registered_once(store):
    store.begin("task.1", "agent.0")
    with pytest.raises(ValueError, match=r"task\.1: a task with this name exists"):
        store.register("task.1")
    assert store.status("task.1") is TaskStatus.RUNNING


@pytest.mark.parametrize("name", ["'; drop table tasks; --", 'a"b', "näm\u00e9 \U0001f40d", "%s ? :task", "x" * 10_000])
def test_any_string_is_a_valid_name(tasks, name):
    tasks.register(name)
    epoch = tasks.begin(name, "agent.0")
    tasks.set_restore_point(name, tasks.save_checkpoint(name, epoch, 1.5))
    tasks.count_retry(name, name[:60], 1)
    assert tasks.restore_point(name).task_id == name
    assert tasks.fail(name, epoch, TaskStatus.FAILED, "E1")
    assert list(tasks.halted()) == [name]


def test_halted_tasks_are_listed_in_failure_order(tasks):
    for number in (3, 1, 2):
        tasks.register(f"task.{number}")
        tasks.fail(f"task.{number}", tasks.begin(f"task.{number}", "a"), TaskStatus.FAILED, "E1")
    assert list(tasks.halted()) == ["task.3", "task.1", "task.2"]
    tasks.requeue("task.1")
    assert list(tasks.halted()) == ["task.3", "task.2"]
    tasks.fail("task.1", tasks.begin("task.1", "a"), TaskStatus.BLOCKED, "E2")
    tasks.escalate("task.2", "enough")
    assert list(tasks.halted()) == ["task.3", "task.1"]


def test_a_restore_point_remains_until_another_is_chosen(store):
    epoch = store.begin("task.1", "agent.0")
    first, second = (store.save_checkpoint("task.1", epoch, progress) for progress in (0.1, 0.2))
    for chosen in (second, first, None):
        store.set_restore_point("task.1", chosen)
        assert store.restore_point("task.1") == chosen
    assert list(store.checkpoints("task.1")) == [first, second]
    assert store.last_checkpoint("task.1") == 2


def test_only_finished_tasks_have_no_transitions():
    assert frozenset(status for status, following in LEGAL_TRANSITIONS.items() if not following) == FINISHED
    assert all(TaskStatus.QUEUED in LEGAL_TRANSITIONS[status] for status in HALTED)


ACTIONS = st.sampled_from(["begin", "commit", "fail", "block", "fence", "requeue", "escalate", "save"])


@given(st.lists(st.tuples(ACTIONS, st.integers(1, 4)), max_size=30))
def test_random_calls_give_one_effect_and_none_from_a_fenced_epoch(actions):
    """All attempts act at any time, like agents that cannot be reached."""
    store = MemoryTaskStore()
    store.register("task.1")
    effects, highest, fence = 0, 0, 0
    for action, epoch in actions:
        finished = store.status("task.1") in FINISHED
        match action:
            case "begin":
                given_out = store.begin("task.1", "agent.0")
                assert given_out == (None if finished else highest + 1)
                highest = given_out or highest
            case "commit" if epoch <= highest:
                accepted = store.commit("task.1", epoch)
                assert accepted == (epoch > fence and not finished)
                effects += accepted
            case "fail" | "block" if store.status("task.1") is TaskStatus.RUNNING:
                status = TaskStatus.FAILED if action == "fail" else TaskStatus.BLOCKED
                assert store.fail("task.1", epoch, status, "E1") == (epoch == highest > fence)
            case "fence":
                fence = store.fence("task.1")
                assert fence == highest
            case "requeue":
                assert store.requeue("task.1") is not finished
            case "escalate":
                assert store.escalate("task.1", "enough") is not finished
                fence = fence if finished else highest
            case "save" if epoch <= highest:
                assert (store.save_checkpoint("task.1", epoch, 1.0) is not None) == (epoch > fence and not finished)
    assert effects == (store.status("task.1") is TaskStatus.COMPLETED)


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS)
def test_database_and_memory_stores_give_equal_results(database, calls):
    for table in (TASKS, RETRIES, CHECKPOINTS):
        database.write(lambda connection, table=table: connection.execute(delete(table)))
    assert answers(SqlTaskStore(database), calls) == answers(MemoryTaskStore(), calls)

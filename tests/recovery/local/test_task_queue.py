"""The task queue in the store: assignment, effects and resources."""

import asyncio

import pytest

from recovery.local import agent_registry, log_store, resource_pools, task_queue
from recovery.local.ports import LocalTasks
from recovery.model import TaskStatus, TaskView
from recovery.stores.sql_tasks import SqlTaskStore


class Queue:
    """A queue, in plain calls."""

    def __init__(self, database) -> None:
        self.database = database
        self.tasks = SqlTaskStore(database)
        self.agents = {}

    def do(self, function, *args, **named):
        return self.database.write(lambda connection: function(connection, *args, **named))

    def submit(self, *names, payload=None, needs=None):
        for name in names:
            self.do(task_queue.submit, name, payload, needs or {})

    def agent(self, name):
        self.agents[name] = self.do(agent_registry.arrive, name, 1)
        return name

    def take(self, agent):
        return self.do(task_queue.take, agent, self.agents[agent])


@pytest.fixture
def queue(database):
    made = Queue(database)
    made.agent("agent.0")
    made.agent("agent.1")
    return made


class InBetween:
    """A database in which something else happens after the first read, before the next."""

    def __init__(self, database, happens):
        self._database = database
        self._happens = happens

    def read(self, question):
        found = self._database.read(question)
        happens, self._happens = self._happens, lambda: None
        happens()
        return found


def test_a_task_snapshot_is_consistent_under_concurrent_agents(queue):
    queue.do(resource_pools.set_pool, "gpu", 2)
    queue.submit("task.0", needs={"gpu": 2})
    seen = LocalTasks(InBetween(queue.database, lambda: queue.take("agent.0")), at_head=True)
    waits = TaskView("task.0", TaskStatus.QUEUED, 0, waiting_in_queue=True, needs={"gpu": 2})
    assert asyncio.run(seen.inspect("task.0")) == waits
    seen = LocalTasks(
        InBetween(queue.database, lambda: queue.do(task_queue.commit, "task.0", 1, "agent.0", "1")), at_head=True
    )
    runs = TaskView("task.0", TaskStatus.RUNNING, 1, "agent.0", needs={"gpu": 2}, held={"gpu": 2})
    assert asyncio.run(seen.inspect("task.0")) == runs
    over = TaskView("task.0", TaskStatus.COMPLETED, 1, needs={"gpu": 2})
    assert asyncio.run(seen.inspect("task.0")) == over
    assert asyncio.run(seen.inspect("task.1")) is None


def test_an_agent_that_outlives_its_system_loses_its_registration(queue):
    queue.submit("task.0")
    queue.do(agent_registry.dismiss_all)
    assert queue.do(agent_registry.known) == []
    assert queue.take("agent.0") is None
    old = queue.agents["agent.0"]
    queue.agent("agent.0")
    assert [agent.name for agent in queue.do(agent_registry.known)] == ["agent.0"]
    assert not queue.do(agent_registry.beat, "agent.0", old, {})
    assert queue.do(agent_registry.beat, "agent.0", queue.agents["agent.0"], {})
    assert queue.take("agent.0").task_id == "task.0"


def test_a_task_is_not_queued_again_after_as_many_attempts_as_allowed(queue):
    """A dead letter holds nothing, keeps the error code of its last attempt, and its attempt is fenced."""
    queue.do(resource_pools.set_pool, "gpu", 1)
    queue.submit("task.0", needs={"gpu": 1})
    for epoch in (1, 2):
        assert queue.do(task_queue.enqueue, "task.0", most=2)
        assert queue.take("agent.0").epoch == epoch
    queue.do(task_queue.fail, "task.0", 2, "agent.0", TaskStatus.FAILED, "out_of_order")
    assert not queue.do(task_queue.enqueue, "task.0", most=2)
    assert queue.tasks.status("task.0") is TaskStatus.ESCALATED
    assert queue.do(resource_pools.held, "task.0") == {}
    assert queue.do(task_queue.find, "task.0") == task_queue.Item({"gpu": 1}, False, None, "out_of_order")
    assert not queue.do(task_queue.commit, "task.0", 2, "agent.0", "1")


def test_a_dead_letter_whose_attempts_reported_no_error_has_an_error_code(queue):
    """The agents that executed it have ended."""
    queue.submit("task.0")
    queue.take("agent.0")
    assert not asyncio.run(LocalTasks(queue.database, at_head=True, most=1).enqueue("task.0", "reassigned"))
    assert queue.do(task_queue.find, "task.0").error_code == "dead_lettered"


def test_a_completed_task_does_not_become_a_dead_letter(queue):
    queue.submit("task.0")
    queue.take("agent.0")
    queue.do(task_queue.commit, "task.0", 1, "agent.0", "1")
    assert not queue.do(task_queue.enqueue, "task.0", most=1)
    assert queue.tasks.status("task.0") is TaskStatus.COMPLETED


def test_tasks_are_taken_in_submission_order_by_one_agent_each(queue):
    queue.submit("b", "a", payload={"rows": [1, 2]})
    first, second, third = queue.take("agent.0"), queue.take("agent.1"), queue.take("agent.0")
    assert (first.task_id, first.epoch, first.payload) == ("b", 1, {"rows": [1, 2]})
    assert (second.task_id, third) == ("a", None)
    assert queue.do(task_queue.had_by, "agent.0") == ["b"]
    assert queue.do(task_queue.had_by) == ["a", "b"]
    assert queue.tasks.status("a") is TaskStatus.RUNNING


def test_an_attempt_takes_effect_once(queue):
    queue.submit("a")
    epoch = queue.take("agent.0").epoch
    assert queue.do(task_queue.commit, "a", epoch, "agent.0", "1")
    assert not queue.do(task_queue.commit, "a", epoch, "agent.0", "2")
    assert queue.do(task_queue.effects) == {"a": 1}
    assert queue.do(task_queue.had_by) == []


def test_a_fenced_attempt_has_no_effect(queue):
    queue.submit("a")
    late = queue.take("agent.0").epoch
    queue.tasks.fence("a")
    queue.tasks.requeue("a")
    queue.do(task_queue.enqueue, "a")
    second = queue.take("agent.1").epoch
    assert not queue.do(task_queue.commit, "a", late, "agent.0", "1")
    assert queue.do(task_queue.effects) == {}
    assert queue.do(task_queue.had_by, "agent.1") == ["a"]
    assert queue.do(task_queue.commit, "a", second, "agent.1", "2")


def test_a_failed_attempt_is_recorded_with_its_agent(queue):
    queue.submit("a")
    epoch = queue.take("agent.0").epoch
    assert queue.do(task_queue.fail, "a", epoch, "agent.0", TaskStatus.FAILED, "out_of_disk")
    found = queue.do(task_queue.find, "a")
    assert (found.agent, found.error_code, found.waits) == ("agent.0", "out_of_disk", False)
    assert queue.do(task_queue.had_by) == []
    assert list(queue.do(log_store.search, "/var/log/tasks/", "ERROR.*a")) == ["ERROR a on agent.0: out_of_disk"]
    assert not queue.do(task_queue.fail, "a", epoch - 1, "agent.0", TaskStatus.FAILED, "again")


def test_an_agent_without_registration_takes_no_task(queue):
    queue.submit("a")
    before = queue.agents["agent.0"]
    queue.agent("agent.0")
    assert queue.do(task_queue.take, "agent.0", before) is None
    assert not queue.do(agent_registry.beat, "agent.0", before, {})
    assert queue.do(agent_registry.beat, "agent.0", queue.agents["agent.0"], {"a": 0.5})
    assert queue.take("agent.0").task_id == "a"


def test_a_task_is_queued_once_at_the_head_or_tail(queue):
    queue.submit("a", "b", "c")
    for _ in range(2):
        queue.take("agent.0")
    assert queue.do(task_queue.enqueue, "a", at_head=True)
    assert queue.do(task_queue.enqueue, "b")
    assert queue.do(task_queue.enqueue, "b", at_head=True)
    assert queue.do(task_queue.waiting) == ["a", "c", "b"]
    assert queue.do(task_queue.depth) == 3
    assert not queue.do(task_queue.enqueue, "nobody")


def test_a_finished_task_in_the_queue_is_not_taken(queue):
    queue.submit("a", "b")
    queue.tasks.escalate("a", "by hand")
    assert queue.take("agent.0").task_id == "b"
    assert queue.do(task_queue.waiting) == []


def test_a_task_waits_for_resources_while_others_overtake(queue):
    queue.do(resource_pools.set_pool, "gpu", 3)
    queue.submit("large", needs={"gpu": 2})
    queue.submit("another", needs={"gpu": 2})
    queue.submit("small", needs={"gpu": 1})
    assert [queue.take(agent).task_id for agent in ("agent.0", "agent.1")] == ["large", "small"]
    assert queue.take("agent.0") is None
    assert queue.do(resource_pools.health)[0].free == 0
    assert queue.do(task_queue.commit, "large", 1, "agent.0", "1")
    assert queue.do(resource_pools.held, "large") == {}
    assert queue.take("agent.0").task_id == "another"


def test_a_task_that_needs_out_of_service_units_is_blocked(queue):
    queue.do(resource_pools.set_pool, "gpu", 2)
    queue.submit("a", needs={"gpu": 2})
    queue.do(resource_pools.put_in_service, "gpu", 1)
    assert queue.take("agent.0") is None
    assert queue.tasks.status("a") is TaskStatus.BLOCKED
    assert queue.do(task_queue.find, "a").error_code == task_queue.UNAVAILABLE
    assert queue.do(resource_pools.held, "a") == {}


def test_allocated_units_stay_allocated_when_the_pool_shrinks(queue):
    queue.do(resource_pools.set_pool, "gpu", 2)
    assert queue.do(resource_pools.allocate, "a", {"gpu": 2})
    queue.do(resource_pools.put_in_service, "gpu", 1)
    (pool,) = queue.do(resource_pools.health)
    assert (pool.units, pool.available, pool.free, pool.healthy) == (2, 1, 0, False)
    assert queue.do(resource_pools.held, "a") == {"gpu": 2}
    assert queue.do(resource_pools.allocate, "a", {"gpu": 2})  # it has them
    assert not queue.do(resource_pools.allocate, "b", {"gpu": 1})
    assert queue.do(resource_pools.release, "a") == {"gpu": 2}
    assert queue.do(resource_pools.release, "a") == {}
    assert not queue.do(resource_pools.allocate, "b", {"gpu": 2})
    assert queue.do(resource_pools.held, "b") == {}


def test_held_resources_count_towards_the_needs_of_a_task(queue):
    queue.do(resource_pools.set_pool, "gpu", 2)
    assert queue.do(resource_pools.allocate, "a", {"gpu": 1})
    assert queue.do(resource_pools.allocate, "a", {"gpu": 2})
    assert queue.do(resource_pools.held, "a") == {"gpu": 2}


@pytest.mark.parametrize(
    ("needs", "message"),
    [({"gpu": 3}, "needs 3 of gpu, and there are 2"), ({"cpu": 1}, "needs 1 of cpu, and there is no such pool")],
)
def test_a_task_with_impossible_needs_is_rejected(queue, needs, message):
    queue.do(resource_pools.set_pool, "gpu", 2)
    with pytest.raises(ValueError, match=message):
        queue.submit("a", needs=needs)
    assert queue.tasks.status("a") is None


def test_an_invalid_large_or_duplicate_task_is_rejected(queue):
    with pytest.raises(ValueError, match="a: the payload is not JSON"):
        queue.submit("a", payload={1, 2})
    with pytest.raises(ValueError, match="a: the payload has 17,000,002 bytes; valid: up to 16,777,216"):
        queue.submit("a", payload="x" * 17_000_000)
    assert queue.tasks.status("a") is None
    queue.submit("a'); drop table tasks; --")
    with pytest.raises(ValueError, match="a task with this name exists"):
        queue.submit("a'); drop table tasks; --")
    assert queue.take("agent.0").task_id == "a'); drop table tasks; --"


def test_an_unknown_or_too_small_pool_is_rejected(queue):
    queue.do(resource_pools.set_pool, "gpu", 2)
    with pytest.raises(KeyError, match="cpu"):
        queue.do(resource_pools.put_in_service, "cpu", 1)
    with pytest.raises(ValueError, match="gpu: has 2 units; valid: 0 to 2 in service"):
        queue.do(resource_pools.put_in_service, "gpu", 3)


def test_an_abandoned_attempt_has_failed(queue):
    queue.submit("a")
    queue.take("agent.0")
    queue.do(task_queue.abandon, "a", "system_restarted")
    assert queue.tasks.halted() == ("a",)
    assert queue.do(task_queue.find, "a").error_code == "system_restarted"


def test_log_search_is_limited_to_its_path(queue):
    queue.do(log_store.write, "/var/log/tasks/a", "ERROR a")
    queue.do(log_store.write, "/var/log_tasks/a", "ERROR b")
    queue.do(log_store.write, "/var/log/agents/agent.0", "x" * 5000)
    assert list(queue.do(log_store.search, "/var/log/", "ERROR")) == ["ERROR a"]
    assert list(queue.do(log_store.search, "/var/log/tasks/", "", since=1e12)) == []
    assert [len(line) for line in queue.do(log_store.search, "/var/log/agents/", "x")] == [log_store.LONGEST]


def test_a_full_queue_refuses_a_task_and_a_taken_one_makes_room(queue):
    for name in ("a", "b"):
        queue.do(task_queue.submit, name, None, {}, 2)
    with pytest.raises(task_queue.QueueFull, match="c: the queue is full: 2 tasks wait; valid: when fewer wait"):
        queue.do(task_queue.submit, "c", None, {}, 2)
    assert queue.do(task_queue.find, "c") is None
    queue.take("agent.0")
    queue.do(task_queue.submit, "c", None, {}, 2)
    assert queue.do(task_queue.waiting) == ["b", "c"]

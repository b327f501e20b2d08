"""An agent process handles errors of the store."""

import threading

import pytest

from recovery.local import agent_registry, log_store, task_queue
from recovery.local.agent_process import Agent
from recovery.local.core_process import CoreName
from recovery.model import TaskStatus
from recovery.stores.errors import StoreError
from recovery.stores.sql_tasks import SqlTaskStore
from tests.recovery.local.stories import do


@pytest.fixture
def agent(database):
    """An agent with a handler that a test may replace, without heartbeats."""
    made = Agent(database.url, "agent.0", lambda attempt: attempt.payload, 1.0, 0.001)
    yield made
    made._database.close()
    made._beats.close()


def taken(agent, database, payload=None):
    do(database, task_queue.submit, "task.1", payload, {})
    return do(database, task_queue.take, "agent.0", agent._incarnation)


def locked(monkeypatch, agent, times):
    """The store rejects so many writes."""
    write, left = agent._database.write, [times]

    def sometimes(done):
        if left[0] > 0:
            left[0] -= 1
            raise StoreError("store.db: is locked by another program")
        return write(done)

    monkeypatch.setattr(agent._database, "write", sometimes)


def test_an_effect_is_retried_until_the_store_accepts_it(agent, database, monkeypatch):
    one = taken(agent, database, {"rows": 3})
    locked(monkeypatch, agent, 5)
    agent._execute(one)
    assert do(database, task_queue.effects) == {"task.1": {"rows": 3}}


def test_a_failure_is_retried_until_the_store_accepts_it(agent, database, monkeypatch):
    one = taken(agent, database)
    agent._handler = lambda attempt: 1 / 0
    locked(monkeypatch, agent, 5)
    agent._execute(one)
    assert SqlTaskStore(database).status("task.1") is TaskStatus.FAILED
    assert do(database, task_queue.find, "task.1").error_code == "ZeroDivisionError"


def test_a_checkpoint_write_error_fails_the_attempt(agent, database, monkeypatch):
    one = taken(agent, database)
    agent._handler = lambda attempt: attempt.save(1)

    def refuses(*args):
        raise StoreError("store.db: cannot be written: the disk is full")

    monkeypatch.setattr(agent._tasks, "save_checkpoint", refuses)
    agent._execute(one)
    assert do(database, task_queue.find, "task.1").error_code == "StoreError"


def test_a_replaced_agent_does_not_wait_for_the_store(agent, database, monkeypatch):
    one = taken(agent, database)
    locked(monkeypatch, agent, 10**9)
    agent._replaced.set()
    agent._execute(one)  # returns
    assert do(database, task_queue.effects) == {}


def test_a_replaced_agent_stops_at_its_next_heartbeat(agent, database):
    do(database, agent_registry.arrive, "agent.0", 99)
    agent._interval = 0.001
    beating = threading.Thread(target=agent._beat, daemon=True)
    beating.start()
    beating.join(30)
    assert not beating.is_alive()
    assert agent._over.is_set()
    assert agent._replaced.is_set()


def test_a_late_effect_is_rejected_and_recorded(agent, database):
    one = taken(agent, database)
    SqlTaskStore(database).fence("task.1")
    agent._execute(one)
    agent._database.write(lambda connection: None)  # after what was logged
    assert do(database, task_queue.effects) == {}

    lines = do(database, log_store.search, "/var/log/agents/agent.0", "refused")
    assert list(lines) == ["ERROR agent.0: [refused] task.1: effect of epoch 1, which is fenced"]


def test_the_process_of_a_core_is_decoded_from_the_holder_of_the_lease():
    core = CoreName("core (a).0", 4711)
    assert str(core) == "core (a).0 (4711)"
    assert CoreName.from_holder(str(core)) == core

"""An agent process handles errors of the store."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from math import inf
from types import SimpleNamespace

import pytest
from sqlalchemy import event, make_url

from recovery.config import DetectionConfig
from recovery.local import agent_registry, log_store, task_queue
from recovery.local.agent_process import Agent
from recovery.local.beat_memory import BeatMemory
from recovery.local.beats_store import are_apart, known_agents
from recovery.local.core_process import CoreName, Observation
from recovery.model import TaskStatus
from recovery.stores.errors import StoreError
from recovery.stores.sql_tasks import SqlTaskStore
from tests.recovery.local.stories import do


@pytest.fixture
def agent(database):
    """An agent with a handler that a test may replace, without heartbeats."""
    made = Agent(database.url, "agent.0", lambda attempt: attempt.payload, 1.0, 0.001)
    yield made
    made.close()


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


def test_an_agent_that_enters_late_does_not_take_the_name_from_its_successor(agent, database):
    successor = Agent(database.url, "agent.0", lambda attempt: None, 1.0, 0.001)
    assert successor._beat_in_store()
    assert not agent._beat_in_store()
    assert successor._beat_in_store()
    successor.close()


def test_an_agent_starts_while_the_file_of_heartbeats_is_locked(agent, database, monkeypatch):
    """By another agent that is stopped while it writes there."""
    if not are_apart(database.url):
        pytest.skip("PostgreSQL locks rows only")
    assert agent._beat_in_store()
    monkeypatch.setattr("recovery.stores.sqlite.LOCK_SECONDS", 0.05)
    with closing(sqlite3.connect(f"{make_url(database.url).database}-beats", isolation_level=None)) as other:
        other.execute("begin immediate")
        started = Agent(database.url, "agent.1", lambda attempt: None, 1.0, 0.001)
        with pytest.raises(StoreError, match="is locked by another program"):
            started._beat_in_store()
    assert started._beat_in_store()
    started.close()


@pytest.mark.parametrize("where", ["memory", "store"])
def test_a_replaced_agent_stops_at_its_next_heartbeat(agent, database, where):
    agent._slot = BeatMemory(1).slot("agent.0")
    if where == "store":
        do(database, agent_registry.arrive, "agent.0", 99)
    else:
        agent._slot.beat(agent_registry.Beats("agent.0", 2, 99, 1, {}))
    agent._interval = 0.001
    work = agent._beat if where == "memory" else agent._beat_in_store
    beating = threading.Thread(target=agent._repeat, args=(work,), daemon=True)
    beating.start()
    beating.join(30)
    assert not beating.is_alive()
    assert agent._over.is_set()
    assert agent._replaced.is_set()


def test_a_heartbeat_does_not_wait_for_the_lock_of_the_store(agent, database, monkeypatch):
    if not are_apart(database.url):
        pytest.skip("PostgreSQL locks rows only")
    monkeypatch.setattr("recovery.stores.sqlite.LOCK_SECONDS", 0.05)
    with closing(sqlite3.connect(make_url(database.url).database, isolation_level=None)) as other:
        other.execute("begin immediate")
        agent._attempt = SimpleNamespace(task_id="task.1", progress=0.5)
        assert agent._beat_in_store()
        with pytest.raises(StoreError, match="is locked by another program"):
            database.write(lambda connection: None)
    (found,) = known_agents(database, agent._beats)
    assert (found.beats, found.progress) == (2, {"task.1": 0.5})


def test_the_end_of_an_attempt_and_the_start_of_the_next_are_one_transaction(agent, database):
    one = taken(agent, database, 1)
    do(database, task_queue.submit, "task.2", 2, {})
    transactions = []
    event.listen(agent._database._engine, "commit", transactions.append)
    following = agent._execute(one)
    assert following == task_queue.Taken("task.2", 1, "2", None)
    assert len(transactions) == 1
    assert agent._execute(following) is None
    assert do(database, task_queue.effects) == {"task.1": 1, "task.2": 2}


def test_an_idle_agent_does_not_write(agent, database):
    transactions = []
    event.listen(agent._database._engine, "commit", transactions.append)
    assert agent._look() is None
    assert transactions == []
    do(database, task_queue.submit, "task.1", 1, {})
    assert agent._look().task_id == "task.1"
    assert len(transactions) == 1


def test_an_agent_that_ends_takes_no_other_task(agent, database):
    one = taken(agent, database, 1)
    do(database, task_queue.submit, "task.2", 2, {})
    agent._over.set()
    assert agent._execute(one) is None
    assert do(database, task_queue.waiting) == ["task.2"]


def answers_get_lost(monkeypatch, agent, times):
    """The store writes, and so many answers do not arrive."""
    write, left = agent._database.write, [times]

    def written(work):
        done = write(work)
        if left[0] > 0:
            left[0] -= 1
            raise StoreError("the connection was lost during a commit: whether it was written is unknown")
        return done

    monkeypatch.setattr(agent._database, "write", written)


def test_an_effect_whose_answer_is_lost_is_committed_once_and_not_refused(agent, database, monkeypatch):
    one = taken(agent, database, 1)
    for number in (2, 3):
        do(database, task_queue.submit, f"task.{number}", number, {})
    answers_get_lost(monkeypatch, agent, 1)
    following = agent._execute(one)
    assert following.task_id == "task.3"
    assert do(database, task_queue.effects) == {"task.1": 1}
    assert SqlTaskStore(database).status("task.2") is TaskStatus.FAILED  # taken, and unknown to the agent
    assert do(database, task_queue.find, "task.2").error_code == "store_unanswered"
    agent._database.submit(lambda connection: None).result()
    assert list(do(database, log_store.search, "/var/log/agents/", "")) == []


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


def test_a_core_that_was_stopped_does_not_count_that_time_against_agents():
    async def main():
        observation = Observation(DetectionConfig(heartbeat_interval=1.0, missed_heartbeats=3))
        began = observation.until
        answers = []
        for seconds in (0.1, 3.1, 3.2, 60.0, 60.1, 70.0, 80.0, 80.1, 90.0):
            answers.append(round(observation.unread(began + seconds), 9))
            assert observation.until == began + seconds
        return answers

    assert asyncio.run(main()) == [0, 2, 0, inf, 0, inf, 9, 0, inf]

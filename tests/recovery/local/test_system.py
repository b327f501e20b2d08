"""A local system of real processes: every effect happens exactly once despite failures."""

import os
import signal
import sqlite3
import threading
import time
from contextlib import closing

import pytest
from sqlalchemy import make_url, select

from recovery.local import LocalConfig, LocalSystem, agent_registry, fork_server_client, task_queue
from recovery.local import system as system_module
from recovery.local.beats_store import known_agents, opened_beats
from recovery.local.fork_server_client import ForkServerExited
from recovery.model import TaskStatus
from recovery.stores.tables import LEASES
from tests.recovery.conftest import emptied
from tests.recovery.local.processes import (
    PATIENCE,
    QUICK,
    STEADY,
    agents_of,
    events,
    handler,
    parent,
    runs,
    stop_between_writes,
    until,
)

pytestmark = pytest.mark.long


def test_heartbeats_of_a_store_that_was_deleted_do_not_replace_an_agent(url):
    beats = opened_beats(url)
    for _ in range(9):
        beats.write(lambda connection: agent_registry.arrive(connection, "agent.0", 1))
    beats.close()
    with LocalSystem(url, handler("double"), {**QUICK, "agents": 1}) as system:
        until(lambda: known_agents(system.database, system._beats)[0].beats > 3)
        assert sorted(system.processes().values()) == ["agent.0", "core.0"]


def test_agents_execute_submitted_tasks(url):
    with LocalSystem(url, handler("double"), {**STEADY, "agents": 2}) as system:
        for number in range(20):
            system.submit(f"task.{number}", number)
        assert system.wait(PATIENCE)
        assert system.effects() == {f"task.{number}": 2 * number for number in range(20)}
        assert system.statuses() == {TaskStatus.COMPLETED: 20}
        pids = system.processes()
        assert sorted(pids.values()) == ["agent.0", "agent.1", "core.0"]
    assert not any(map(runs, pids))


def test_a_local_system_runs_on_postgresql(server):
    with LocalSystem(emptied(server), handler("step_by_step"), {**QUICK, "agents": 2}) as system:
        for number in range(4):
            system.submit(f"task.{number}")
        until(lambda: system.tasks.last_checkpoint("task.0") > 2 or "task.0" in system.effects())
        assert system.signal(agents_of(system)["agent.0"], signal.SIGKILL)
        assert system.wait(PATIENCE)
        assert system.effects() == {f"task.{number}": list(range(10)) for number in range(4)}
        until(lambda: "recovery.verified" in events(system, "agent.0"))


def test_repeatedly_killed_agents_lose_and_repeat_no_effect(url):
    with LocalSystem(url, handler("step_by_step"), QUICK) as system:
        for number in range(40):
            system.submit(f"task.{number}")
        for round_ in range(6):
            until(lambda: len(agents_of(system)) == 4)
            time.sleep(0.2)
            name = f"agent.{round_ % 4}"
            victim = agents_of(system)[name]
            verified = events(system, name).count("recovery.verified")
            system.signal(victim, signal.SIGKILL)
            until(lambda name=name, verified=verified: events(system, name).count("recovery.verified") > verified)
        assert system.wait(PATIENCE)
        assert system.effects() == {f"task.{number}": list(range(10)) for number in range(40)}
        assert system.audit.first_wrong() is None


def test_a_task_that_kills_its_agent_continues_on_another(url, tmp_path):
    with LocalSystem(url, handler("deadly"), {**QUICK, "agents": 1}) as system:
        system.submit("task.0", str(tmp_path / "mark"))
        assert system.wait(PATIENCE)
        assert system.effects() == {"task.0": "done"}


def test_a_task_that_kills_every_agent_becomes_a_dead_letter(url):
    with LocalSystem(url, handler("poison"), {**QUICK, "agents": 1, "max_deliveries": 3}) as system:
        system.submit("task.0")
        assert system.wait(PATIENCE)
        assert system.statuses() == {TaskStatus.ESCALATED: 1}
        assert system.tasks.epoch("task.0") == 3
        assert system.logs("/var/log/tasks/") == ["ERROR task.0: dead_lettered after 3 attempts"]


@pytest.mark.parametrize(
    ("failures", "status"), [pytest.param(2, TaskStatus.COMPLETED, marks=pytest.mark.long), (3, TaskStatus.ESCALATED)]
)
def test_a_failed_task_is_retried_as_often_as_its_condition_allows(url, failures, status):
    recovery = {**STEADY["recovery"], "conditions": {"task_failure": {"max_retries": 2, "retry_delay": 0.05}}}
    with LocalSystem(url, handler("failing"), {**QUICK, "recovery": recovery, "agents": 1}) as system:
        system.submit("task.0", failures)
        assert system.wait(PATIENCE)
        assert system.statuses() == {status: 1}
        assert system.tasks.retries("task.0", "task_failure") == 2
        logged = ["ERROR task.0 on agent.0: out_of_order"] * failures
        assert system.logs("/var/log/tasks/") == logged
        assert len(system.logs("/var/log/agents/", "OutOfOrder: attempt 1")) == 1


def test_an_effect_that_is_not_json_fails_the_attempt(url):
    recovery = {**STEADY["recovery"], "conditions": {"task_failure": {"max_retries": 0, "retry_delay": 0}}}
    with LocalSystem(url, handler("no_json"), {**QUICK, "recovery": recovery, "agents": 1}) as system:
        system.submit("task.0")
        assert system.wait(PATIENCE)
        assert system.statuses() == {TaskStatus.ESCALATED: 1}
        assert any("the effect is not JSON" in line for line in system.logs("/var/log/agents/"))


def test_a_restored_pool_is_allocated_again(url):
    conditions = {"resource_failure": {"max_retries": None, "retry_delay": 0.1}}
    recovery = {"detection": STEADY["recovery"]["detection"], "conditions": conditions}
    with LocalSystem(url, handler("double"), {**QUICK, "recovery": recovery, "agents": 2}) as system:
        system.set_pool("gpu", 2)
        system.put_in_service("gpu", 0)
        system.submit("task.0", 1, {"gpu": 2})
        until(lambda: "step.failed" in events(system, "task.0"))
        assert system.statuses() != {TaskStatus.COMPLETED: 1}
        system.put_in_service("gpu", 2)
        assert system.wait(PATIENCE)
        assert system.effects() == {"task.0": 2}
        until(lambda: events(system, "task.0")[-1] == "recovery.verified")  # the agent may be faster than the core


def test_a_killed_core_is_restarted_and_a_standby_leads_meanwhile(url):
    with LocalSystem(url, handler("step_by_step"), {**QUICK, "cores": 2}) as system:
        cores = {pid for pid, name in system.processes().items() if name.startswith("core")}
        for pid in cores:
            system.signal(pid, signal.SIGKILL)
        for number in range(8):
            system.submit(f"task.{number}")
        until(lambda: system.tasks.last_checkpoint("task.0") > 0 or "task.0" in system.effects())
        system.signal(agents_of(system)["agent.0"], signal.SIGKILL)
        until(lambda: "recovery.verified" in events(system, "agent.0"))
        assert system.wait(PATIENCE)
        assert system.effects() == {f"task.{number}": list(range(10)) for number in range(8)}
        until(lambda: sorted(system.processes().values())[-2:] == ["core.0", "core.1"])
        assert not cores & set(system.processes())


def test_a_second_system_on_a_running_store_is_rejected(url):
    with LocalSystem(url, handler("double"), {**QUICK, "agents": 1}) as system:
        until(lambda: agents_of(system))
        with (
            pytest.raises(RuntimeError, match=r"store\.db: another system runs on it"),
            LocalSystem(url, handler("double"), STEADY),
        ):
            pass
        system.submit("task.0", 1)
        assert system.wait(PATIENCE)
    with LocalSystem(url, handler("double"), QUICK) as system:
        assert system.effects() == {"task.0": 2}


def test_a_system_with_silent_processes_still_counts_as_running(url):
    with LocalSystem(url, handler("double"), {**QUICK, "agents": 1}) as system:
        until(lambda: agents_of(system))
        (core,) = (pid for pid, name in system.processes().items() if name.startswith("core"))
        (agent,) = agents_of(system).values()
        stop_between_writes(system.signal, url, core)  # it does not start another agent meanwhile
        stop_between_writes(system.signal, url, agent)
        wakes = threading.Timer(2.0, system.signal, (agent, signal.SIGCONT))
        wakes.start()
        with (
            pytest.raises(RuntimeError, match=r"store\.db: another system runs on it"),
            LocalSystem(url, handler("double"), STEADY),
        ):
            pass
        wakes.join()
        system.signal(core, signal.SIGCONT)


def test_a_terminated_agent_finishes_its_current_task(url):
    with LocalSystem(url, handler("sleeping"), {**STEADY, "agents": 1, "grace": PATIENCE}) as system:
        system.submit("task.0", 1)
        until(lambda: system.statuses() == {TaskStatus.RUNNING: 1})
    with LocalSystem(url, handler("sleeping"), {**QUICK, "agents": 1}) as system:
        assert system.effects() == {"task.0": "awake"}


def test_an_agent_is_killed_after_the_grace_period(url):
    with LocalSystem(url, handler("sleeping"), {**STEADY, "agents": 1, "grace": 0.1}) as system:
        system.submit("task.0", 3600)
        until(lambda: system.statuses() == {TaskStatus.RUNNING: 1})
        pids = system.processes()
    assert not any(map(runs, pids))


def test_a_handler_may_be_a_module_function(url):
    from tests.recovery.local.handlers import double

    with LocalSystem(url, double, {**STEADY, "agents": 1}) as system:
        system.submit("task.0", 4)
        assert system.wait(PATIENCE)
        assert system.effects() == {"task.0": 8}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("nowhere", "'nowhere' is not the name of a function; valid: module:function"),
        ("nowhere:work", "No module named 'nowhere'"),
        ("tests.recovery.local.handlers:treble", "has no attribute 'treble'"),
        ("tests.recovery.local.handlers:os", "is not a function"),
        (lambda attempt: None, "a nested function cannot be imported by agents"),
    ],
)
def test_a_missing_handler_is_rejected(url, wrong, message):
    with pytest.raises(ValueError, match=message), LocalSystem(url, wrong, QUICK):
        pass


def test_calls_on_a_stopped_system_raise(url):
    system = LocalSystem(url, handler("double"), QUICK)
    with pytest.raises(RuntimeError, match="does not run; valid: within `with`"):
        system.processes()
    system.close()


def test_a_lost_fork_server_is_reported(url):
    system = LocalSystem(url, handler("double"), {**STEADY, "agents": 1}).__enter__()
    pid, *_ = system.processes()
    os.kill(parent(pid), signal.SIGKILL)
    until(lambda: not runs(pid))
    with pytest.raises(ForkServerExited):
        system.processes()
    with pytest.raises(ForkServerExited):
        system.close()
    system.close()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"agents": 0}, "greater than or equal to 1"),
        ({"agents": 1000}, "less than or equal to 256"),
        ({"nurses": 1}, "Extra inputs are not permitted"),
        ({"recovery": {"detection": {"detector": "perfect"}}}, "a process cannot be monitored perfectly"),
    ],
)
def test_an_invalid_config_is_rejected(config, message):
    with pytest.raises(ValueError, match=message):
        LocalConfig.model_validate(config)


def test_of_two_systems_started_at_once_one_runs(url):
    """A system that has checked the store before the other one started does not start."""
    one, other = (LocalSystem(url, handler("double"), {**STEADY, "agents": 1}) for _ in range(2))
    seen = other._check_no_other_system()
    with one:
        assert (
            other.database.write(lambda connection: system_module._begin_anew(connection, seen, other.config)) is False
        )
        assert agents_of(one)
    other.close()


def test_a_task_that_ends_its_process_fails(url):
    recovery = {**STEADY["recovery"], "conditions": {"task_failure": {"max_retries": 1, "retry_delay": 0}}}
    with LocalSystem(url, handler("quitting"), {**QUICK, "recovery": recovery, "agents": 1}) as system:
        system.submit("task.0")
        assert system.wait(PATIENCE)
        assert system.statuses() == {TaskStatus.ESCALATED: 1}


def test_an_unknown_signal_is_rejected(url):
    with LocalSystem(url, handler("double"), {**STEADY, "agents": 1}) as system:
        with pytest.raises(ValueError, match="9999 is not a valid Signals"):
            system.signal(next(iter(system.processes())), 9999)
        assert system.processes()


@pytest.mark.parametrize("name", [b"x", 5, None, "\ud800", "a\0b"])
def test_an_invalid_task_name_is_rejected(url, name):
    system = LocalSystem(url, handler("double"), QUICK)
    with pytest.raises(ValueError, match="is not the name of a task; valid: a text"):
        system.submit(name)
    with pytest.raises(ValueError, match=r"needs 1\.5 units; valid: a whole number"):
        system.submit("task.0", needs={"gpu": 1.5})
    with pytest.raises(ValueError, match=r"task\.0: the payload is not JSON"):
        system.submit("task.0", "\ud800")
    with pytest.raises(ValueError, match=r"gpu: 1\.5 units"):
        system.set_pool("gpu", 1.5)
    assert system.statuses() == {}
    system.close()


def test_a_submission_waits_while_the_queue_is_full(url):
    with LocalSystem(url, handler("double"), {**STEADY, "agents": 1, "max_waiting": 2}) as system:
        for number in range(12):
            system.submit(f"task.{number}", number)
            assert system.database.read(task_queue.depth) <= 2
        assert system.wait(PATIENCE)
        assert len(system.effects()) == 12
        (agent,) = agents_of(system).values()
        stop_between_writes(system.signal, url, agent)
        for number in range(2):
            system.submit(f"late.{number}", number)
        with pytest.raises(task_queue.QueueFull, match=r"late\.2: the queue is full: 2 tasks wait"):
            system.submit("late.2", timeout=0.05)


def test_a_full_queue_of_a_system_that_does_not_run_refuses_at_once(url):
    system = LocalSystem(url, handler("double"), {**QUICK, "max_waiting": 1})
    system.submit("task.0")
    with pytest.raises(task_queue.QueueFull):
        system.submit("task.1")
    system.close()


def ends(system):
    """Whether the system ends in the time after which a hanging test is ended."""
    closing = threading.Thread(target=system.close, args=(3600.0,), daemon=True)
    closing.start()
    closing.join(PATIENCE)
    return not closing.is_alive()


def test_a_system_ends_when_an_agent_and_a_core_are_stopped(url):
    """With an hour for their tasks: who is stopped is continued, and ends by itself."""
    system = LocalSystem(url, handler("double"), {**STEADY, "agents": 2}).__enter__()
    pids = system.processes()
    for name in ("agent.0", "core.0"):
        (pid,) = (pid for pid, each in pids.items() if each == name)
        system.signal(pid, signal.SIGSTOP)
    assert ends(system)
    assert not any(map(runs, pids))


def test_a_system_ends_when_its_fork_server_is_stopped(url, monkeypatch):
    monkeypatch.setattr(fork_server_client, "ANSWER_SECONDS", 0.5)
    system = LocalSystem(url, handler("double"), {**STEADY, "agents": 1}).__enter__()
    pids = system.processes()
    os.kill(parent(next(iter(pids))), signal.SIGSTOP)
    with pytest.raises(ForkServerExited):
        system.close()
    system.close()
    until(lambda: not any(map(runs, pids)))


def test_the_load_of_the_system_itself_causes_no_recovery(url):
    """More tasks than wait at once, and a locked file of heartbeats, which are due ten times per second."""
    with (
        LocalSystem(url, handler("double"), {**QUICK, "agents": 4, "max_waiting": 200}) as system,
        closing(sqlite3.connect(make_url(f"{url}-beats").database, isolation_level=None)) as other,
    ):
        other.execute("begin immediate")
        for number in range(1000):
            system.submit(f"task.{number}", number)
        assert system.wait(PATIENCE)
        assert [
            entry for entry in system.audit.entries() if entry.event in ("agent.suspected", "recovery.opened")
        ] == []


def test_a_core_that_was_stopped_suspects_no_agent(url):
    with LocalSystem(url, handler("double"), {**QUICK, "agents": 4}) as system:
        (core,) = (pid for pid, name in system.processes().items() if name.startswith("core"))
        until(lambda: system.database.read(leader) is not None)
        stop_between_writes(system.signal, url, core)
        before = {each.name: each.beats for each in known_agents(system.database, system._beats)}
        until(lambda: all(each.beats > before[each.name] + 10 for each in known_agents(system.database, system._beats)))
        system.signal(core, signal.SIGCONT)
        beaten = {each.name: each.beats for each in known_agents(system.database, system._beats)}
        until(lambda: all(each.beats > beaten[each.name] + 10 for each in known_agents(system.database, system._beats)))
        assert [entry for entry in system.audit.entries() if entry.event == "agent.suspected"] == []


def leader(connection):
    return connection.execute(select(LEASES.c.holder)).scalar_one_or_none()

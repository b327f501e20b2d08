"""The effect of each command through the ports, and the idempotency of commands."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from recovery.actions.commands import documented_commands
from recovery.actions.context import STANDALONE, RecoveryContext, RecoveryServices
from recovery.model import Failure, FailureKind, Incident, IncidentFacts, TaskStatus
from recovery.policies.retry import RetryPolicy
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of


def give(
    system: SmallSystem,
    name: str,
    incident: Incident | None = None,
    services: RecoveryServices = STANDALONE,
    **arguments,
) -> bool:
    incident = about("task.7") if incident is None else incident
    return run(documented_commands()[name](RecoveryContext(system.ports, incident, services), **arguments))


def about(subject: str, kind: FailureKind = FailureKind.TASK, **facts) -> Incident:
    return Incident(4, failure_of(subject, kind), 0.0, facts=IncidentFacts(**facts))


def seen(system: SmallSystem) -> dict:
    """All state that a command could change, without the record of the calls."""
    return copy.deepcopy(
        {
            "up": system.up,
            "holds": system.holds,
            "running": system.running,
            "queue": system.queue,
            "outbox": system.outbox,
            "delivered": system.delivered,
            "held": system.held,
            "links": system.broken_links,
            "tasks": system.store._records,
        }
    )


def give_twice(system: SmallSystem, name: str, incident: Incident | None = None, **arguments) -> None:
    """The command works, has an effect, and has none when given again."""
    incident = about("task.7") if incident is None else incident
    before = seen(system)
    assert give(system, name, incident, **arguments) is True
    after = seen(system)
    assert after != before
    assert give(system, name, incident, **arguments) is True
    assert seen(system) == after


def failed_task(status: TaskStatus = TaskStatus.FAILED) -> SmallSystem:
    system = SmallSystem()
    system.failed("task.7", status, gpu=2)
    return system


# ------------------------------------------------------------------------------------------------ diagnosis
@pytest.mark.parametrize(
    ("line", "found"),
    [("ERROR E1 task.7", True), ("ERROR E1 task.70", False), ("ERROR E1 taskX7", False), ("INFO task.7", False)],
)
def test_check_logs_matches_only_lines_of_the_task(line, found):
    system = SmallSystem()
    system.log = [("/var/log/tasks/log", line)]
    assert give(system, "check_logs", path="/var/log/tasks/", pattern="ERROR.*task_id") is found


def test_check_logs_searches_only_below_its_path():
    system = SmallSystem()
    system.log = [("/var/log/agents/log", "ERROR E1 task.7")]
    assert give(system, "check_logs", path="/var/log/tasks/", pattern="ERROR.*task_id") is False


def test_check_resource_state_reports_resources_the_task_still_holds():
    system = failed_task()
    assert give(system, "check_resource_state", task_id="task.7", resource_ids=("gpu",)) is True
    system.held.clear()
    assert give(system, "check_resource_state", task_id="task.7", resource_ids=("gpu",)) is False


def test_verify_resource_health_and_metrics_report_units_out_of_service():
    system = SmallSystem()
    assert give(system, "verify_resource_health", resource_ids=("gpu",)) is False
    assert give(system, "analyze_resource_metrics", resource_ids=("gpu",), timeframe=300.0) is False
    system.available["gpu"] = 3
    assert give(system, "verify_resource_health", resource_ids=("gpu",)) is True
    assert give(system, "analyze_resource_metrics", resource_ids=("gpu",), timeframe=300.0) is True


def test_verify_agent_health_distinguishes_dead_from_unreachable_agents():
    system = SmallSystem()
    assert give(system, "verify_agent_health", agent_id="agent.0") is False
    system.up["agent.0"] = False
    assert give(system, "verify_agent_health", agent_id="agent.0") is True
    system.unreachable = ["agent.0"]
    assert give(system, "verify_agent_health", agent_id="agent.0") is False


def test_analyze_agent_logs_matches_only_lines_of_the_agent():
    system = SmallSystem()
    system.log = [("/var/log/agents/log", "ERROR agent.12 out of memory")]
    assert give(system, "analyze_agent_logs", agent_id="agent.1", timeframe=300.0) is False
    assert give(system, "analyze_agent_logs", agent_id="agent.12", timeframe=300.0) is True


def test_verify_network_status_reports_a_broken_connection():
    system = SmallSystem()
    assert give(system, "verify_network_status", endpoints=("a", "b")) is False
    system.broken_links = [("a", "b")]
    assert give(system, "verify_network_status", endpoints=("a", "b")) is True


def test_check_queue_health_reports_a_blocked_queue_and_undelivered_messages():
    system = SmallSystem()
    assert give(system, "check_queue_health", queue_ids=("queue",)) is False
    system.blocked = True
    assert give(system, "check_queue_health", queue_ids=("queue",)) is True
    system.blocked, system.outbox = False, [(0.0, "message")]
    assert give(system, "check_queue_health", queue_ids=("queue",)) is True


# ------------------------------------------------------------------------------------------------ recovery of tasks
def test_release_resources_releases_all_resources():
    system = failed_task()
    give_twice(system, "release_resources", task_id="task.7")
    assert system.held == {}


def test_restore_checkpoint_selects_the_latest():
    system = SmallSystem()
    system.submit("task.7")
    checkpoint = system.store.save_checkpoint("task.7", system.start("task.7"), 2.5)
    give_twice(system, "restore_checkpoint", task_id="task.7", latest_checkpoint=None)
    assert system.store.restore_point("task.7") == checkpoint


def test_retry_task_queues_it():
    system = failed_task()
    give_twice(system, "retry_task", task_id="task.7", retry_count=1)
    assert system.queue == ["task.7"]
    assert system.calls[-1] == ("enqueue", "task.7", "retry")


def test_retry_task_does_not_interrupt_a_running_attempt():
    system = failed_task()
    incident = about("task.7", fenced=system.store.fence("task.7"))
    give(system, "retry_task", incident, task_id="task.7", retry_count=1)
    system.start("task.7")
    assert give(system, "retry_task", incident, task_id="task.7", retry_count=1) is True
    assert (system.queue, system.store.status("task.7")) == ([], TaskStatus.RUNNING)


def test_retry_task_does_nothing_for_a_completed_task():
    system = SmallSystem()
    system.submit("task.7")
    system.store.commit("task.7", system.start("task.7"))
    assert give(system, "retry_task", task_id="task.7", retry_count=1) is True
    assert system.calls == []


def test_allocate_new_resources_allocates_all_or_nothing():
    system = failed_task(TaskStatus.BLOCKED)
    system.held["task.7"] = {"gpu": 1}
    incident = about("task.7")
    give_twice(system, "allocate_new_resources", incident, task_id="task.7", requirements={"gpu": 2})
    assert system.held == {"task.7": {"gpu": 2}}
    assert incident.facts.new_resources == {"gpu": 2}
    assert give(system, "allocate_new_resources", task_id="task.7", requirements={"gpu": 5}) is False
    assert system.held == {}


def test_allocate_new_resources_repeated_keeps_its_units():
    system = failed_task(TaskStatus.BLOCKED)
    incident = about("task.7")
    give(system, "allocate_new_resources", incident, task_id="task.7", requirements={"gpu": 2})
    system.held["task.8"] = {"gpu": 2}
    system.before["allocate"] = lambda: system.held.update({"task.9": {"gpu": 2}})  # it takes all free units
    assert give(system, "allocate_new_resources", incident, task_id="task.7", requirements={"gpu": 2}) is True
    assert system.held["task.7"] == {"gpu": 2}


def test_migrate_task_resumes_the_task_from_its_checkpoint():
    system = SmallSystem()
    system.submit("task.7", gpu=2)
    checkpoint = system.store.save_checkpoint("task.7", system.start("task.7"), 2.5)
    system.fail("task.7", TaskStatus.BLOCKED)
    give_twice(system, "migrate_task", task_id="task.7", new_resources={"gpu": 2})
    assert system.store.restore_point("task.7") == checkpoint
    assert (system.queue, system.calls[-1]) == (["task.7"], ("resume", "task.7", {"gpu": 2}))


def test_migrate_task_does_not_interrupt_a_running_attempt():
    system = failed_task(TaskStatus.BLOCKED)
    incident = about("task.7", fenced=system.store.fence("task.7"))
    give(system, "migrate_task", incident, task_id="task.7", new_resources={"gpu": 2})
    system.start("task.7")
    assert give(system, "migrate_task", incident, task_id="task.7", new_resources={"gpu": 2}) is True
    assert (system.queue, system.store.status("task.7")) == ([], TaskStatus.RUNNING)


# ------------------------------------------------------------------------------------------------ recovery of agents
def test_restart_agent_restarts_the_agent():
    system = SmallSystem()
    system.up["agent.0"] = False
    give_twice(system, "restart_agent", about("agent.0", FailureKind.AGENT), agent_id="agent.0")
    assert system.up["agent.0"]
    assert system.calls == [("restart", "agent.0")]  # once: it was up, and at work, the second time


def test_restart_agent_fails_for_an_unreachable_agent():
    system = SmallSystem()
    system.unreachable = ["agent.0"]
    assert give(system, "restart_agent", agent_id="agent.0") is False


def lost_agent() -> tuple[SmallSystem, Incident]:
    system = SmallSystem()
    for task_id in ("task.1", "task.2"):
        system.submit(task_id, gpu=1)
        system.start(task_id)
    return system, about("agent.0", FailureKind.AGENT, tasks=("task.1", "task.2"))


def reassign(system: SmallSystem, incident: Incident, **services) -> bool:
    given = replace(STANDALONE, **services)
    return give(system, "reassign_agent_tasks", incident, given, agent_id="agent.0", new_agent_id=None)


def at_most(max_retries: int) -> Callable[[Failure], RetryPolicy]:
    return lambda failure: RetryPolicy(max_retries=max_retries, retry_delay=0)


def test_reassign_agent_tasks_fences_and_queues_them():
    system, incident = lost_agent()
    give_twice(system, "reassign_agent_tasks", incident, agent_id="agent.0", new_agent_id=None)
    assert system.queue == ["task.1", "task.2"]
    assert (system.held, system.running) == ({}, {})
    assert not system.store.is_current("task.1", 1)
    assert [(each.event, each.subject) for each in system.audit.entries] == [
        ("task.fenced", "task.1"),
        ("task.fenced", "task.2"),
    ]


def test_reassign_agent_tasks_twice_counts_a_retry_once():
    system, incident = lost_agent()
    reassign(system, incident, policy_of=at_most(3))
    reassign(system, incident, policy_of=at_most(3))
    assert system.store.retries("task.1", FailureKind.AGENT) == 1


def test_reassign_agent_tasks_twice_does_not_interrupt_new_attempts():
    system, incident = lost_agent()
    reassign(system, incident)
    epoch = system.start("task.1", "agent.0")  # the agent is up again, and takes it
    reassign(system, incident)
    assert system.store.is_current("task.1", epoch)


def test_reassign_agent_tasks_resumes_after_an_interruption():
    system, incident = lost_agent()
    system.before["release"] = lambda: system.raises.update(enqueue=ConnectionError()) if system.queue else None
    with pytest.raises(ConnectionError):
        reassign(system, incident)
    assert system.queue == ["task.1"]
    system.before.clear()
    system.raises.clear()
    assert reassign(system, incident) is True
    assert system.queue == ["task.1", "task.2"]


def test_reassign_agent_tasks_skips_tasks_with_their_own_recovery():
    system, incident = lost_agent()
    system.store.commit("task.2", 1)
    assert reassign(system, incident, is_recovering=lambda task_id: task_id == "task.1") is True
    assert system.calls == []


def test_reassign_agent_tasks_skips_a_task_that_runs_elsewhere():
    system, incident = lost_agent()
    system.running["task.1"] = "agent.1"
    reassign(system, incident)
    assert system.queue == ["task.2"]


def test_reassign_agent_tasks_escalates_tasks_without_retries_left():
    system, incident = lost_agent()
    system.store.count_retry("task.1", FailureKind.AGENT, 1)
    assert reassign(system, incident, policy_of=at_most(1)) is True
    assert system.store.status("task.1") is TaskStatus.ESCALATED
    assert system.calls[0] == ("give_up", "task.1", "retries exhausted")
    assert [(each.subject, each.detail) for each in system.audit.entries if each.event == "retry.exhausted"] == [
        ("task.1", "agent_failure")
    ]
    assert system.queue == ["task.2"]


# ------------------------------------------------------------------------------------------------ of connections
def test_reset_connections_reconnects():
    system = SmallSystem()
    system.broken_links = [("a", "b")]
    give_twice(system, "reset_connections", about("a-b", FailureKind.COMMUNICATION), endpoints=("a", "b"))
    assert system.broken_links == []


def test_replay_messages_resends_undelivered_messages():
    system = SmallSystem()
    system.outbox = [(-1.0, "older"), (0.0, "first"), (2.0, "second")]
    incident = about("a-b", FailureKind.COMMUNICATION)
    give_twice(system, "replay_messages", incident, queue_ids=("queue",), timeframe=300.0)
    assert system.delivered == ["first", "second"]
    assert system.outbox == [(-1.0, "older")]

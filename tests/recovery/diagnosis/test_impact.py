"""The direct and downstream impact of a failure."""

from dataclasses import replace

from recovery.diagnosis.impact import impact_of
from recovery.model import FailureKind, Impact, TaskStatus
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of

LINK = {"endpoints": ("agents", "queue"), "queue_ids": ("queue",)}


def busy() -> SmallSystem:
    """Two agents, each with a task that holds a GPU."""
    system = SmallSystem()
    for task_id, agent_id in (("task.1", "agent.0"), ("task.2", "agent.1")):
        system.submit(task_id, gpu=1)
        system.start(task_id, agent_id)
    return system


def impact(system: SmallSystem, subject: str, kind: FailureKind, **info: object) -> Impact:
    return run(impact_of(failure_of(subject, kind, **info), system.ports))


def test_a_failed_task_without_resources_affects_no_other_task():
    system = busy()
    system.fail("task.1")
    system.held.pop("task.1")
    system.waiting_for["gpu"] = ["task.8"]
    assert impact(system, "task.1", FailureKind.TASK, agent_id="agent.0", resource_ids=("gpu",)) == Impact(
        tasks=("task.1",), agents=("agent.0",), resources=("gpu",)
    )


def test_a_failed_task_affects_waiters_for_its_resources():
    system = busy()
    system.fail("task.1")
    system.waiting_for["gpu"] = ["task.8", "task.9"]
    found = impact(system, "task.1", FailureKind.TASK, agent_id="agent.0", resource_ids=("gpu",))
    assert found.downstream == Impact(tasks=("task.8", "task.9"))


def test_a_failing_pool_affects_holders_and_waiters():
    system = busy()
    system.fail("task.1", TaskStatus.BLOCKED)
    system.available["gpu"] = 3
    system.waiting_for["gpu"] = ["task.8"]
    found = impact(system, "task.1", FailureKind.RESOURCE, agent_id="agent.0", resource_ids=("gpu",))
    assert found == Impact(("task.1",), ("agent.0",), ("gpu",), downstream=Impact(tasks=("task.2", "task.8")))


def test_an_agent_affects_its_tasks_and_waiters_for_their_resources():
    system = busy()
    system.waiting_for["gpu"] = ["task.8"]
    assert impact(system, "agent.0", FailureKind.AGENT) == Impact(
        tasks=("task.1",), agents=("agent.0",), downstream=Impact(tasks=("task.8",), resources=("gpu",))
    )


def test_an_idle_agent_affects_only_itself():
    assert impact(SmallSystem(), "agent.0", FailureKind.AGENT) == Impact(agents=("agent.0",))


def test_a_connection_affects_the_agents_behind_it_and_their_tasks():
    system = busy()
    system.submit("task.3")
    assert impact(system, "agents|queue", FailureKind.COMMUNICATION, **LINK) == Impact(
        agents=("agent.0", "agent.1"), queues=("queue",), downstream=Impact(tasks=("task.1", "task.2"))
    )


def test_a_blocked_queue_affects_its_queued_tasks():
    system = SmallSystem()
    system.submit("task.3")
    system.blocked = True
    found = impact(system, "agents|queue", FailureKind.COMMUNICATION, **LINK)
    assert found.downstream == Impact(tasks=("task.3",))
    system.disconnected = ("agent.7",)
    assert impact(system, "agents|queue", FailureKind.COMMUNICATION, **LINK).downstream is None


def test_without_a_topology_impact_comes_from_the_other_ports():
    system = busy()
    system.fail("task.1")
    system.waiting_for["gpu"] = ["task.8"]
    system.blocked = True
    ports = replace(system.ports, topology=None)
    failed = failure_of("task.1", resource_ids=("gpu",))
    assert run(impact_of(failed, ports)) == Impact(tasks=("task.1",), resources=("gpu",))
    lost = failure_of("agent.1", FailureKind.AGENT)
    assert run(impact_of(lost, ports)).downstream == Impact(resources=("gpu",))
    cut = failure_of("agents|queue", FailureKind.COMMUNICATION, **LINK)
    assert run(impact_of(cut, ports)) == Impact(queues=("queue",))

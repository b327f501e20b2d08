"""Automatic recovery of agents: detection, restart, and takeover of tasks."""

import asyncio

from recovery.model import FailureKind, TaskStatus
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import HesitantEngine, short, supervise


def crash(system: SmallSystem, agent_id: str = "agent.0"):
    async def story(supervisor):
        supervisor.watch(agent_id)
        await asyncio.sleep(1)
        supervisor.heartbeat(agent_id)
        system.up[agent_id] = False
        await asyncio.sleep(15.5)

    return story


def test_a_silent_agent_is_restarted_and_its_task_continues():
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1")
    system.pauses["restart"] = 20.0
    supervise(system, crash(system))
    assert short(system, "agent.", "recovery.opened", "recovery.started", "recovery.verified") == [
        (16.0, "agent.suspected"),
        (16.0, "recovery.opened agent_failure"),
        (16.0, "recovery.started"),
        (36.0, "recovery.verified"),
        (36.0, "agent.cleared"),
    ]
    assert system.queue == ["task.1"]


def test_an_agent_that_responds_and_then_dies_is_detected():
    system = SmallSystem()

    async def story(supervisor):
        supervisor.watch("agent.0")
        await asyncio.sleep(20)  # its heartbeats are lost; a probe finds it healthy
        system.up["agent.0"] = False
        await asyncio.sleep(10.5)

    supervise(system, story)
    assert short(system, "agent.", "recovery.dismissed", "recovery.verified") == [
        (15.0, "agent.suspected"),
        (15.0, "recovery.dismissed agent_responds"),
        (15.0, "agent.cleared"),
        (30.0, "agent.suspected"),
        (30.0, "recovery.verified"),
        (30.0, "agent.cleared"),
    ]


def test_an_agent_failure_during_its_recovery_is_not_lost():
    system = SmallSystem()

    async def story(supervisor):
        supervisor.watch("agent.0")
        system.up["agent.0"] = False
        supervisor.agent_down("agent.0")
        await asyncio.sleep(1)
        supervisor.heartbeat("agent.0")
        await asyncio.sleep(1)
        system.up["agent.0"] = False
        supervisor.agent_down("agent.0")

    engine = HesitantEngine({}, system.ports)
    supervise(system, story, engine=engine, detection={"detector": "perfect"})
    assert short(system, "agent.", "recovery.opened", "recovery.verified") == [
        (0.0, "agent.suspected"),
        (0.0, "recovery.opened agent_failure"),
        (1.0, "agent.cleared"),
        (2.0, "agent.suspected"),
        (5.0, "recovery.verified"),
        (5.0, "recovery.opened agent_failure"),
        (10.0, "recovery.verified"),
        (10.0, "agent.cleared"),
    ]
    assert system.up["agent.0"]


def test_an_agent_that_cannot_be_restarted_is_escalated_and_its_tasks_reassigned():
    system = SmallSystem()
    system.submit("task.1", gpu=1)
    system.start("task.1")
    system.raises["restart"] = ConnectionError("no route")
    supervisor = supervise(system, crash(system))
    assert short(system, "recovery.failed", "retry.", "recovery.escalated") == [
        (16.0, "recovery.failed ConnectionError: no route"),
        (16.0, "recovery.failed ConnectionError: no route"),
        (16.0, "recovery.failed ConnectionError: no route"),
        (16.0, "retry.exhausted agent_failure"),
        (16.0, "recovery.escalated retries exhausted"),
    ]
    assert [incident.failure.subject for incident in supervisor.escalations] == ["agent.0"]
    assert (system.queue, system.held) == (["task.1"], {})
    assert system.store.status("task.1") is TaskStatus.QUEUED


def test_an_escalated_agent_is_not_recovered_again():
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1")
    system.raises["restart"] = ConnectionError("no route")
    system.pauses["stop_attempts"] = 5.0  # so long does it take to hand its task over

    async def story(supervisor):
        system.up["agent.0"] = False
        supervisor.agent_down("agent.0")
        await asyncio.sleep(1)
        supervisor.heartbeat("agent.0")
        supervisor.agent_down("agent.0")

    supervise(system, story, detection={"detector": "perfect"})
    assert short(system, "recovery.opened", "recovery.escalated") == [
        (0.0, "recovery.opened agent_failure"),
        (5.0, "recovery.escalated retries exhausted"),
    ]


def test_a_condition_for_agents_limits_the_retries_of_their_tasks():
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1")
    system.store.count_retry("task.1", FailureKind.AGENT, 1)
    supervise(system, crash(system), conditions={"agent_failure": {"max_retries": 1, "retry_delay": 0}})
    assert system.store.status("task.1") is TaskStatus.ESCALATED
    exhausted = [each.subject for each in system.audit.entries if each.event == "retry.exhausted"]
    assert exhausted == ["task.1"]
    assert short(system)[-1] == (16.0, "recovery.verified")  # the agent itself is well


def test_a_task_with_its_own_recovery_is_not_taken_over():
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1")

    async def story(supervisor):
        assert system.store.fail("task.1", 1, TaskStatus.FAILED, "E1")  # it reported, and then its agent died
        supervisor.report(failure_of("task.1"))
        await crash(system)(supervisor)

    supervise(system, story)
    assert short(system, "task.fenced", "recovery.verified") == [
        (16.0, "recovery.verified"),  # of the agent
        (30.0, "task.fenced"),
        (30.0, "recovery.verified"),
    ]

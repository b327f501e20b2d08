"""False suspicions: no work is repeated without need, and the agent continues to work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sim
from recovery import RecoveryEngine, Supervisor, System
from recovery.actions.commands import documented_commands
from recovery.actions.context import RecoveryContext
from recovery.diagnosis.evidence import Evidence
from recovery.model import Failure
from scenarios import Scenario
from sim.core.build import build_core, core_config
from sim.measures import needless_recoveries
from sim.randomness.streams import Streams
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

WORK = ("attempt.", "task.completed", "task.fenced")
BELIEFS = ("agent.hung", "agent.woke", "agent.suspected", "agent.cleared")


def what(run: Run, *events: str) -> list[str]:
    """Events without their times, with agent and detail where there are any."""
    rows = recorded(run, *events)
    return [
        f"{event}{f' {agent}' if agent >= 0 else ''}{f' {detail}' if detail else ''}"
        for _, event, _, agent, detail in rows
    ]


def long_task(work: str, faults: str, **values: Any) -> Scenario:
    """One task on agent.0 from 10 s on, and another agent; aligned heartbeats every 5 s, suspected after 15 s."""
    settings = {"tasks.work": work, "recovery.detection.phase": "aligned", **values}
    return scenario(settings, f"faults: {faults}\n", duration="400s", agents=2)


def deaf(begins: float, ends: float) -> Callable[[Scenario, System, Streams], Supervisor]:
    """A core that receives no heartbeat of agent.0 for a while, but reaches the agent: a one-way partition."""

    def build(built: Scenario, system: System, streams: Streams) -> Supervisor:
        supervisor = build_core(built, system, streams)
        hear, env = supervisor.heartbeat, system.tasks._world.env  # type: ignore[attr-defined]

        def heartbeat(agent_id: str, progress: Mapping[str, float] | None = None) -> None:
            if agent_id != "agent.0" or not begins < env.now < ends:
                hear(agent_id, progress)

        supervisor.heartbeat = heartbeat  # type: ignore[method-assign]
        return supervisor

    return build


def test_an_agent_with_lost_heartbeats_keeps_its_task() -> None:
    """Suspected at 25 s, 15 s after its last heartbeat; probes find it healthy until its heartbeats return."""
    run = sim.run(long_task("60s", "[]"), seed=1, core=deaf(12, 60))
    assert [(time, event) for time, event, _, agent, _ in recorded(run, *BELIEFS) if agent == 0] == [
        (25.0, "agent.suspected"),
        (25.0, "agent.cleared"),
        (40.0, "agent.suspected"),
        (40.0, "agent.cleared"),
        (55.0, "agent.suspected"),
        (55.0, "agent.cleared"),
    ]
    assert what(run, "recovery.dismissed") == ["recovery.dismissed 0 agent_responds"] * 3
    assert what(run, *WORK) == ["attempt.started 0", "attempt.succeeded 0", "task.completed 0"]


def test_agents_with_slow_heartbeats_are_not_restarted() -> None:
    slow = {"network.latency": {"uniform": {"low": "0s", "high": "25s"}}, "recovery.detection.missed_heartbeats": 2}
    run = sim.run(scenario({**slow, "queue.ack_timeout": None}, duration="2000s", count=20, agents=3), seed=1)
    false_alarms = run.metrics["detection.false_positives"]
    assert false_alarms is not None
    assert false_alarms > 0
    assert run.metrics["agents.restarts"] == 0
    assert (run.metrics["attempts.started"], run.metrics["tasks.completed"]) == (20, 20)
    assert needless_recoveries(run.record) == 0


def test_a_disconnected_agent_continues_its_task_and_takes_another() -> None:
    run = sim.run(
        long_task("100s", "[{partition: {between: [agent.0, core], at: 11s, for: 60s}}]", **{"tasks.count": 3}), seed=1
    )
    assert what(run, "agent.suspected", "recovery.analyzed", "recovery.verified", "agent.cleared") == [
        "agent.suspected 0",
        "recovery.analyzed 0 system_failures.communication_failure",
        "recovery.verified 0",
        "agent.cleared 0",
    ]
    started = [agent for _, event, task, agent, _ in recorded(run, "attempt.started")]
    assert (started, run.metrics["tasks.completed"]) == ([0, 1, 0], 3)


def test_a_hang_that_ends_before_the_restart_costs_only_its_duration() -> None:
    """It resumes at 31 s, during the restart that was requested at 25 s and would act at 55 s."""
    hang = "[{agent_hang: {targets: [agent.0], at: 11s, for: 20s}}]"
    run = sim.run(long_task("60s", hang, **{"recovery.costs": {"restart_agent": "30s"}}), seed=1)
    assert what(run, *BELIEFS, *WORK) == [
        "attempt.started 0",
        "agent.hung 0",
        "agent.suspected 0",
        "agent.woke 0",
        "agent.cleared 0",
        "attempt.succeeded 0",
        "task.completed 0",
    ]
    assert recorded(run, "task.completed")[0][0] == 90  # 10 + 60 of work + 20 that it hung
    assert needless_recoveries(run.record) == 0


async def cannot_restart(context: RecoveryContext, *, agent_id: str) -> bool:
    """The host of the agent does not respond."""
    return False


def without_restart(built: Scenario, system: System, streams: Streams) -> Supervisor:
    """A core that cannot restart agents: it escalates them, and their tasks continue elsewhere."""
    commands = {**documented_commands(), "restart_agent": cannot_restart}
    config = core_config(built)
    return Supervisor(config, system, RecoveryEngine(config, system, commands=commands))


def test_an_escalated_agent_that_wakes_up_is_fenced_and_rejoins() -> None:
    """The other agent completes its task; its own result is rejected; and it gets new tasks."""
    hang = "[{agent_hang: {targets: [agent.0], at: 11s, for: 100s}}]"
    run = sim.run(long_task("50s", hang, **{"tasks.count": 13}), seed=1, core=without_restart)
    of_first = [(event, agent, detail) for _, event, task, agent, detail in recorded(run, *WORK) if task == 0]
    assert of_first == [
        ("attempt.started", 0, ""),
        ("task.fenced", -1, ""),
        ("attempt.started", 1, ""),
        ("attempt.succeeded", 1, ""),
        ("task.completed", 1, ""),
        ("attempt.succeeded", 0, ""),
        ("attempt.refused", 0, "commit"),
    ]
    assert what(run, "agent.suspected", "agent.cleared", "recovery.escalated") == [
        "agent.suspected 0",
        "recovery.escalated 0 retries exhausted",
        "agent.cleared 0",
    ]
    assert [agent for time, _, _, agent, _ in recorded(run, "attempt.started") if time > 111].count(0) > 0
    assert run.violations == ()


# ------------------------------------------------------------------------------------------------ late reports
CUT = "{partition: {between: [agent.0, core], at: 11s, for: 75s}}"
FAIL = "{execution_failure: {targets: 1, at: 30s}}"
DIE = "{agent_crash: {targets: [agent.1], at: 90s}}"


def late_report(*faults: str, **more: Any) -> Run:
    """task.0 fails on agent.0 at 30 s, and the report is delayed until 86 s.

    By then the queue has delivered it again: the other agent works on it since 70 s, and needs 55 s.
    """
    injected = f"[{', '.join((CUT, FAIL, *faults))}]"
    return sim.run(long_task("55s", injected, **{"queue.ack_timeout": "60s"}), seed=1, **more)


def test_a_late_report_does_not_stop_a_newer_attempt() -> None:
    run = late_report()
    assert what(run, "recovery.dismissed") == ["recovery.dismissed task_runs"]
    assert what(run, *WORK) == [
        "attempt.started 0",
        "attempt.failed 0 injected",
        "attempt.started 1",
        "attempt.succeeded 1",
        "task.completed 1",
    ]
    assert needless_recoveries(run.record) == 0


def test_a_core_that_trusts_reports_stops_a_healthy_attempt() -> None:
    """The counterpart: without the second check a healthy attempt is stopped, and the measure shows it."""

    def credulous(built: Scenario, system: System, streams: Streams) -> Supervisor:
        supervisor = build_core(built, system, streams)

        class Credulous(Evidence):
            async def dismissal(self, failure: Failure) -> str | None:
                return None

            async def _of_task(self, task_id: str) -> list[Any]:
                return []

        supervisor.engine._analyst._evidence = Credulous(system)
        return supervisor

    run = late_report(core=credulous)
    assert what(run, "attempt.interrupted") == ["attempt.interrupted 1 stopped"]
    assert needless_recoveries(run.record) == 1


def test_a_late_report_does_not_take_the_task_from_its_new_agent() -> None:
    """agent.1 crashes after the report as well: the delivery of the queue to it is not withdrawn."""
    run = late_report(DIE)
    assert recorded(run, "queue.settled") == []
    assert what(run, "task.completed") == ["task.completed 0"]
    assert run.violations == ()


def test_a_report_does_not_withdraw_a_delivery_in_flight() -> None:
    """A delivery takes 5 s and the lease is over at 30 s: when the attempt fails at 32 s, the next one is on its way.

    It arrives at 35 s at agent.1, which dies with it: the queue, which still has it, delivers it again.
    """
    faults = "[{execution_failure: {targets: 1, at: 32s}}, {agent_crash: {targets: [agent.1], at: 38s}}]"
    run = sim.run(long_task("50s", faults, **{"queue.ack_timeout": "20s", "queue.latency": "5s"}), seed=1)
    assert recorded(run, "queue.settled") == []
    assert [(time, detail) for time, _, _, _, detail in recorded(run, "queue.entered")][:3] == [
        (10.0, "submitted"),
        (30.0, "redelivery"),
        (50.0, "redelivery"),
    ]

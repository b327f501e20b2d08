"""Crashes, restarts and delays of the core, and the continuation afterwards."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

import scenarios
import sim
from recovery.stores.database import Database
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore
from sim.core import single_node
from sim.core.single_node import SingleNodeHost
from sim.history import Event, History
from sim.loop.callbacks import after
from sim.measures import Observations
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import RECOVERY_ENDS
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

FAILS = {"tasks.failure_probability": 1, "recovery.conditions.task_failure.max_retries": 1}
"""Task 0 runs from 10 to 13 s and fails; its retry is due 30 s later."""


def story(*faults: dict[str, Any], duration: str = "200s", agents: int = 1, count: int = 1, **values: Any) -> Run:
    changed = {"faults": list(faults), "recovery.detection.heartbeat_interval": "1000s"} | values
    run = sim.run(scenario(changed, duration=duration, agents=agents, count=count), seed=1)
    assert run.violations == ()
    return run


def core_crash(at: float, lasts: float | None = None) -> dict[str, Any]:
    return {"core_crash": {"at": at, "for": lasts}}


def log(run: Run, *events: str) -> list[tuple[float, str]]:
    return [(time, event) for time, event, *_ in recorded(run, *events)]


def test_a_crash_and_a_start_are_recorded() -> None:
    assert log(story(core_crash(20, 15)), "core.", "fault.") == [
        (20.0, "fault.injected"),
        (20.0, "core.crashed"),
        (35.0, "fault.cleared"),
        (35.0, "core.restarted"),
    ]


def test_a_crash_of_a_crashed_core_prolongs_its_outage() -> None:
    run = story(core_crash(20, 15), core_crash(25, 30))
    assert log(run, "core.") == [(20.0, "core.crashed"), (55.0, "core.restarted")]


def test_a_retry_delay_continues_while_the_core_is_down() -> None:
    run = story(core_crash(20, 5), **FAILS)
    assert log(run, "retry.granted", "core.crashed", "recovery.taken_up", "recovery.started")[:4] == [
        (13.0, "retry.granted"),
        (20.0, "core.crashed"),
        (25.0, "recovery.taken_up"),
        (43.0, "recovery.started"),
    ]


def test_a_failure_while_the_core_is_down_waits_for_the_next_core() -> None:
    run = story(core_crash(5, 15), **FAILS)
    assert log(run, "attempt.failed", "queue.settled", "recovery.opened")[:3] == [
        (13.0, "attempt.failed"),
        (20.0, "recovery.opened"),
        (20.0, "queue.settled"),
    ]


def test_without_a_core_no_recovery_happens() -> None:
    changed = {"faults": [core_crash(5)]} | FAILS
    run = sim.run(scenario(changed, duration="200s"), seed=1)
    assert log(run, "recovery.") == []
    assert run.metrics["tasks.unfinished"] == 1


def test_a_restart_completes_after_its_core_has_crashed() -> None:
    crash = {"agent_crash": {"at": 20}}
    values = {"agents.restart_time": "10s", "recovery.detection.detector": "perfect"}
    run = story(crash, core_crash(22, 30), **values)
    assert log(run, "agent.", "recovery.") == [
        (20.0, "agent.crashed"),
        (20.0, "agent.suspected"),
        (20.0, "recovery.opened"),
        (20.0, "recovery.started"),
        (20.0, "recovery.analyzed"),
        (30.0, "agent.restarted"),
        (52.0, "recovery.taken_up"),
        (52.0, "recovery.analyzed"),
        (52.0, "recovery.executed"),
        (52.0, "recovery.verified"),
        (52.0, "agent.cleared"),
    ]


def test_a_new_core_joins_a_restart_in_progress() -> None:
    crash = {"agent_crash": {"at": 20}}
    values = {"agents.restart_time": "10s", "recovery.detection.detector": "perfect"}
    run = story(crash, core_crash(22, 3), **values)
    assert log(run, "agent.restarted", "recovery.verified") == [(30.0, "agent.restarted"), (30.0, "recovery.verified")]


@pytest.mark.parametrize(("detector", "noticed"), [("perfect", 40.0), ("heartbeat", 40.0 + 15.0)])
def test_an_agent_crash_while_the_core_is_down_is_detected_later(detector: str, noticed: float) -> None:
    values = {"recovery.detection.detector": detector, "recovery.detection.heartbeat_interval": "5s"}
    run = story({"agent_crash": {"at": 20}}, core_crash(10, 30), **values)
    assert log(run, "agent.suspected") == [(noticed, "agent.suspected")]


def test_heartbeats_lost_while_the_core_is_down_cause_no_suspicion() -> None:
    run = story(core_crash(10, 60), agents=5, **{"recovery.detection.heartbeat_interval": "5s"})
    assert log(run, "agent.") == []
    assert run.metrics["agents.availability_observed"] == 1


def test_a_connection_failure_while_the_core_is_down_is_reported_later() -> None:
    cut = {"partition": {"between": ["agents", "queue"], "at": 5, "for": 60}}
    run = story(cut, core_crash(8, 20))
    assert log(run, "send.failed", "recovery.opened") == [(10.0, "send.failed"), (28.0, "recovery.opened")]


def test_a_core_crash_delays_recovery_by_its_downtime() -> None:
    crash = {"agent_crash": {"at": 20}}
    values = {"agents.restart_time": "10s", "recovery.detection.detector": "perfect"}
    without, with_it = story(crash, **values), story(crash, core_crash(22, 30), **values)
    assert without.metrics["recovery.time.max"] == 10
    assert with_it.metrics["recovery.time.max"] == 32
    assert with_it.metrics["recovery.execute.max"] == 32


# ------------------------------------------------------------------------------------------------------- slow
def slow(delay: Any, at: float = 0, lasts: float | None = None) -> dict[str, Any]:
    return {"core_slow": {"delay": delay, "at": at, "for": lasts}}


def test_a_slow_core_receives_reports_late() -> None:
    assert log(story(slow(2), **FAILS), "attempt.failed", "recovery.opened")[:2] == [
        (13.0, "attempt.failed"),
        (15.0, "recovery.opened"),
    ]


def test_a_slow_core_waits_for_every_response() -> None:
    quick, late = (story(*faults, **FAILS) for faults in ((), (slow(2, at=20),)))
    assert quick.metrics["recovery.analyze.max"] == 0
    assert late.metrics["recovery.analyze.max"] is not None
    assert late.metrics["recovery.analyze.max"] > 0
    assert late.metrics["recovery.analyze.max"] % 2 == 0


def test_messages_are_not_reordered() -> None:
    """The fault ends at 12 s; a report of 13 s does not arrive before messages delayed until 20 s."""
    beats = {"recovery.detection.heartbeat_interval": "4s", "recovery.detection.phase": "aligned"}
    beats |= {"recovery.detection.missed_heartbeats": 9}
    run = story(slow(12, at=7, lasts=5), **FAILS, **beats)
    assert log(run, "attempt.failed", "recovery.opened")[:2] == [(13.0, "attempt.failed"), (20.0, "recovery.opened")]


def test_a_core_that_becomes_slow_suspects_healthy_agents() -> None:
    """Heartbeats every 5 s, and a timeout of 15 s; for 20 s no message arrives, and then all do."""
    beats = {"recovery.detection.heartbeat_interval": "5s", "recovery.detection.phase": "aligned"}
    run = story(slow(20, at=33), agents=2, **beats)
    assert log(run, "agent.suspected") == [(45.0, "agent.suspected")] * 2
    assert run.metrics["detection.false_positives"] == 2


def test_a_delay_of_zero_changes_nothing() -> None:
    plain, hosted = story(**FAILS), story(slow(0, at=1), **FAILS)
    groups = ("task.", "attempt.", "queue.", "recovery.", "retry.", "step.", "agent.")
    assert recorded(hosted, *groups) == recorded(plain, *groups)
    assert len(recorded(plain, *groups)) > 20


# ---------------------------------------------------------------------------------------------- at every await
ANYWHERE = """
name: anywhere
duration: 120s
tasks:
  arrivals: {interval: {every: 10s}}
  count: 4
  work: 12s
  needs: {gpu: 1}
  checkpoint: {every: 2s}
agents: {count: 2, restart_time: 5s}
resources: {gpu: {units: 2}}
recovery:
  detection: {heartbeat_interval: 2s}
  conditions:
    task_failure: {max_retries: 3, retry_delay: 5s}
    resource_failure: {max_retries: 9, retry_delay: 5s}
    agent_failure: {max_retries: 3, retry_delay: 0s}
"""
FAILURES = {
    "execution": "{execution_failure: {at: 15s}}",
    "resource": "{resource_unavailable: {resource: gpu, units: 1, at: 15s, for: 7s}}",
    "agent": "{agent_crash: {at: 15s}}",
    "communication": "{partition: {between: [agents, queue], at: 15s, for: 20s}}",
}


class Everywhere:
    """Crashes the core at the n-th (and m-th) place where it awaits an answer, before and after it was worked out."""

    def __init__(self, *places: int) -> None:
        self.places = places
        self.seen = 0
        self.begun = False
        self.host: SingleNodeHost | None = None

    async def point(self) -> None:
        assert self.host is not None
        self.begun |= self.host.messages.is_up
        if not self.begun:  # there is no world yet
            return
        self.seen += 1
        env, host = self.host._loop.env, self.host
        if self.seen in self.places:
            after(env, 0, lambda _: host.crash("core"))
            after(env, 3, lambda _: host.restart("core"))
            await host._loop.wait(env.timeout(1000))

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        everywhere, made = self, SingleNodeHost.__init__

        def make(host: SingleNodeHost, *args: Any) -> None:
            everywhere.host = host
            made(host, *args)
            host._system.journal.durable = durable  # type: ignore[method-assign]

        async def durable() -> None:
            await everywhere.point()

        class Watched:
            def __init__(self, port: Any, delay: Any) -> None:
                self._port = port

            def __getattr__(self, name: str) -> Any:
                method = getattr(self._port, name)

                async def ask(*args: Any, **kwargs: Any) -> Any:
                    await everywhere.point()
                    answer = await method(*args, **kwargs)
                    await everywhere.point()
                    return answer

                return ask

        patch.setattr(SingleNodeHost, "__init__", make)
        patch.setattr(single_node, "DelayedPort", Watched)
        patch.setattr(single_node, "PORTS", (*single_node.PORTS, "store"))
        patch.setattr("sim.core.host.needs_node", lambda scenario: True)
        patch.setattr("sim.simulation.observe", counted)


def counted(record: History, _: object) -> Observations:
    """Three counts and no metrics: there are thousands of these runs, and metrics would take a third of their time."""
    tracks = Tracks.of(record)
    opened, ended = (tracks.incident[tracks.rows(*events)] for events in ((Event.RECOVERY_OPENED,), RECOVERY_ENDS))
    counts = {
        "tasks.completed": len(tracks.rows(Event.TASK_COMPLETED)),
        "attempts.succeeded": len(tracks.rows(Event.ATTEMPT_SUCCEEDED)),
        "recovery.censored": len({*opened.tolist()} - {*ended.tolist()}),
    }
    return Observations({name: float(count) for name, count in counts.items()}, {})


@cache
def failing(kind: str) -> scenarios.Scenario:
    return scenarios.loads(f"{ANYWHERE}faults: [{FAILURES[kind]}]\n")


def crashed_at(kind: str, *places: int, database: Database | None = None) -> tuple[Run, int]:
    """With a database, task state and the journal are there, and not in memory."""
    everywhere = Everywhere(*places)
    with pytest.MonkeyPatch.context() as patch:
        everywhere.watch(patch)
        if database is None:
            return sim.run(failing(kind), seed=1), everywhere.seen
        journal, tasks = SqlJournal(database, blocking=True), SqlTaskStore(database)
        patch.setattr(single_node, "MemoryJournal", lambda: journal)
        return sim.run(failing(kind), seed=1, store=lambda: cast("Any", tasks)), everywhere.seen


PARTS = 4


def sound(run: Run) -> bool:
    done = run.metrics["tasks.completed"] == 4 and run.metrics["attempts.succeeded"] == 4
    return done and run.violations == () and run.metrics["recovery.censored"] == 0


def check_crashes(kind: str, first: int, step: int, second_step: int) -> None:
    """Crash the core at the places `first`, `first + step`, ..., and a second time at places after each of these."""
    whole, places = crashed_at(kind)
    assert sound(whole)
    assert places > 10
    for place in range(first, places + 1, step):
        run, seen = crashed_at(kind, place)
        assert sound(run), (place, run.violations)
        for second in range(place + 1, seen + 1, second_step):
            run, _ = crashed_at(kind, place, second)
            assert sound(run), (place, second, run.violations)


@pytest.mark.parametrize("kind", FAILURES)
def test_the_next_core_finishes_recoveries_after_crashes_at_sampled_points(kind: str) -> None:
    """The short form of the test below."""
    check_crashes(kind, first=5, step=10, second_step=10)


@pytest.mark.parametrize(
    "second_step", [pytest.param(12, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", FAILURES)
def test_the_next_core_finishes_recoveries_after_a_crash_at_any_point(kind: str, part: int, second_step: int) -> None:
    """Once at every place, and once more at some places after that; in parts, for several processes to share."""
    check_crashes(kind, first=1 + part, step=PARTS, second_step=second_step)


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", FAILURES)
def test_a_database_preserves_recoveries_across_a_crash_at_any_point(kind: str, step: int, tmp_path: Path) -> None:
    """At every point, or at one in ten: with the stores of real systems, the history equals that with memory stores."""

    def run(*places: int) -> tuple[Run, int]:
        database = Database(f"sqlite:///{tmp_path}/{'-'.join(map(str, places))}.db", synchronous=False)
        try:
            return crashed_at(kind, *places, database=database)
        finally:
            database.close()

    whole, places = run()
    assert sound(whole)
    assert whole.history_sha256 == crashed_at(kind)[0].history_sha256
    for place in range(1, places + 1, step):
        found, _ = run(place)
        assert sound(found), (place, found.violations)
        assert found.history_sha256 == crashed_at(kind, place)[0].history_sha256

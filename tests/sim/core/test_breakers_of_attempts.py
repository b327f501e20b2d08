"""Circuit breakers count attempts at tasks, as a breaker around a call does, unless they count tries of recoveries."""

from __future__ import annotations

import re

import pytest

import scenarios
import sim
from sim.simulation import Run
from tests.sim.world.stories import recorded

TEXT = """
name: breaker
duration: 10m
tasks: {arrivals: {burst: {size: 100, at: 1s}}, work: 1s, failure_probability: 100%}
agents: {count: 100}
recovery: {conditions: {task_failure: {max_retries: null, retry_delay: 1s, breaker: {failures: 5, open_for: 30s}}}}
"""


def run(**values: object) -> Run:
    return sim.run(
        scenarios.loads(TEXT).with_values({name.replace("__", "."): v for name, v in values.items()}), seed=0
    )


def changes(found: Run) -> list[tuple[float, str]]:
    return [(time, event) for time, event, *_ in recorded(found, "breaker.")]


BREAKER = "recovery.conditions.task_failure.breaker"


def test_a_breaker_of_attempts_opens_after_failed_attempts_whose_recoveries_work() -> None:
    """All attempts end at 2 s. Every 30 s one probe starts an attempt of a second, which fails."""
    found = run()
    assert changes(found)[:5] == [
        (2.0, "breaker.opened"),
        (32.0, "breaker.half_opened"),
        (33.0, "breaker.opened"),
        (63.0, "breaker.half_opened"),
        (64.0, "breaker.opened"),
    ]
    assert found.metrics["attempts.started"] == 100 + 19


def test_a_breaker_of_tries_does_not_see_failed_attempts() -> None:
    assert run(**{f"{BREAKER}.counts": "tries", "duration": "10s"}).metrics["breaker.openings"] == 0


def test_attempts_are_the_default_for_failures_of_tasks() -> None:
    assert run(**{f"{BREAKER}.counts": "attempts"}).history_sha256 == run().history_sha256


def test_a_failed_try_counts_as_a_failed_attempt() -> None:
    """One attempt fails at 2 s; the tries at its recovery take longer than they may, so that no attempt follows."""
    slow = {"recovery.costs": {"retry_task": "10s"}, "recovery.conditions.task_failure.try_timeout": "4s"}
    found = run(**{**slow, "tasks.arrivals": {"burst": {"size": 1, "at": "1s"}}, f"{BREAKER}.failures": 3})
    assert changes(found)[:3] == [(12.0, "breaker.opened"), (42.0, "breaker.half_opened"), (46.0, "breaker.opened")]


TRIES = """
name: tries
duration: 5m
tasks: {arrivals: {interval: {every: 1s}}, work: 1s}
agents: {count: 4, restart_time: 20s}
recovery:
  detection: {detector: perfect}
  conditions:
    agent_failure: {max_retries: 9, retry_delay: 1s, try_timeout: 5s, breaker: {failures: 2, open_for: 30s}}
    communication_failure: {max_retries: 9, retry_delay: 1s, try_timeout: 5s, breaker: {failures: 2, open_for: 30s}}
"""


@pytest.mark.parametrize("fault", ["agent_crash: {at: 10s}", "partition: {between: [agents, queue], at: 10s, for: 1m}"])
def test_tries_are_the_default_for_agents_and_connections(fault: str) -> None:
    """Each try is cut off after 5 s. The completed tasks of other agents do not reset the consecutive failures."""
    found = sim.run(scenarios.loads(f"{TRIES}faults: [{{{fault}}}]\n"), seed=1)
    first = recorded(found, "recovery.opened")[0][0]
    assert changes(found)[0] == (first + 12, "breaker.opened")


def test_a_completed_task_resets_the_consecutive_failures() -> None:
    """One attempt after another: with a success among them, five failures are not consecutive."""
    one = {"tasks.arrivals": {"interval": {"every": "10s"}}, "tasks.failure_probability": 0, "duration": "2m"}
    fault = {"execution_failure": {"targets": "all", "every": "20s"}}
    alternating = run(**one, faults=[fault], **{"tasks.work": "1s", f"{BREAKER}.failures": 2, "tasks.timeout": None})
    assert alternating.metrics["breaker.openings"] == 0
    assert run(**{**one, "tasks.failure_probability": 1}, **{f"{BREAKER}.failures": 2}).metrics["breaker.openings"] != 0


def test_successful_attempts_of_probes_close_it() -> None:
    """The attempts of all tasks fail once, at 1.5 s."""
    fault = {"execution_failure": {"targets": "all", "at": "1500ms"}}
    found = run(**{"tasks.failure_probability": 0, "faults": [fault], f"{BREAKER}.probes": 2})
    assert changes(found) == [(1.5, "breaker.opened"), (31.5, "breaker.half_opened"), (32.5, "breaker.closed")]
    assert found.metrics["tasks.completed"] == 100


def test_it_opens_by_the_share_of_failed_attempts() -> None:
    share = {"failures": None, "share": 0.5, "window": 10, "open_for": "30s"}
    assert changes(run(**{BREAKER: share}))[0] == (2.0, "breaker.opened")
    assert run(**{BREAKER: share, "tasks.failure_probability": 0.03}).metrics["breaker.openings"] == 0


def test_a_refusing_breaker_of_attempts_escalates() -> None:
    found = run(**{f"{BREAKER}.when_open": "refuse"})
    assert found.metrics["recovery.escalated"] == 100


def test_a_probe_without_a_verdict_frees_its_place() -> None:
    """The agents of the probe's attempt hang from 32.2 s on: the next probe follows after `open_for`."""
    fails = {"execution_failure": {"targets": "all", "at": "1500ms"}}
    hangs = {"agent_hang": {"targets": "all", "at": "32200ms", "for": "9s"}}
    quiet = {"recovery.detection.heartbeat_interval": "1000s", "tasks.work": "100s", "tasks.failure_probability": 0}
    found = run(**quiet, faults=[fails, hangs])
    started = [time for time, event, *_ in recorded(found, "attempt.started")]
    assert started[100:102] == [31.5, 61.5]


@pytest.mark.parametrize("kind", ["agent_failure", "communication_failure"])
def test_only_tasks_have_attempts(kind: str) -> None:
    breaker = {"failures": 5, "counts": "attempts"}
    condition = {"max_retries": 3, "retry_delay": "1s", "breaker": breaker}
    message = f"recovery.conditions.{kind}.breaker.counts: {kind} has no attempts at tasks; valid: tries"
    with pytest.raises(scenarios.ScenarioError, match=re.escape(message)):
        run(**{f"recovery.conditions.{kind}": condition})

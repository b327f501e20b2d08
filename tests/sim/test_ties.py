"""What takes exactly as long as allowed is in time: one rule for every time limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import scenarios
import sim
from recovery.audit import RecoveryPhase
from recovery.leadership import Candidate, Lease, LeaseConfig, MemoryLeases
from recovery.model import FailureKind
from recovery.monitoring.alerts import late_rule
from recovery.monitoring.snapshot import RecoverySample
from recovery.policies.breaker import BreakerPolicy, CircuitBreaker
from sim.loop import SimLoop

BASE: dict[str, Any] = {
    "name": "tie",
    "duration": "5m",
    "tasks": {"arrivals": {"burst": {"size": 1, "at": "1s"}}, "work": "5s"},
    "agents": {"count": 1},
}


def failing(**policy: Any) -> dict[str, Any]:
    """Attempts that fail at 2 s, 8 s, …, and retries that wait for a second and take 5 s."""
    return {
        "tasks": {"arrivals": BASE["tasks"]["arrivals"], "work": "1s", "failure_probability": 1},
        "recovery": {
            "conditions": {"task_failure": {"max_retries": 2, "retry_delay": "1s"} | policy},
            "costs": {"retry_task": "5s"},
        },
    }


def with_task(**settings: Any) -> dict[str, Any]:
    return {"tasks": BASE["tasks"] | settings}


def beats_late(limit: float) -> dict[str, Any]:
    """Heartbeats at 5 s, 10 s, …, a timeout of 10 s, and one heartbeat that is late by 15 s less the limit."""
    return {
        "recovery": {"detection": {"heartbeat_interval": "5s", "missed_heartbeats": 2, "phase": "aligned"}},
        "faults": [{"message_delay": {"probability": 1, "delay": f"{15 - limit}s", "at": "12s", "for": "11s"}}],
        "tasks": BASE["tasks"] | {"work": "1s"},
    }


def hangs(limit: float) -> dict[str, Any]:
    """Heartbeats at 5 s, 10 s, …, and a hang from 10 s to 30 s: that of 30 s shows the progress of 10 s."""
    detection = {"heartbeat_interval": "5s", "phase": "aligned", "stalled_after": f"{limit}s"}
    return {
        "tasks": BASE["tasks"] | {"work": "1m"},
        "recovery": {"detection": detection},
        "faults": [{"agent_hang": {"beating": True, "at": "10s", "for": "20s"}}],
    }


def sums(work: float = 3.0, **settings: Any) -> dict[str, Any]:
    """An attempt of 3 s in thirty parts. The sum of thirty times 0.1 is not exactly 3."""
    return {"tasks": BASE["tasks"] | {"work": f"{work}s", "checkpoint": {"every": "0.1s"}} | settings}


def decimal_retries(limit: float) -> dict[str, Any]:
    """Attempts of 0.1 s that fail, and retries 0.1 s later. 0.2 + 0.1 is not exactly 0.3."""
    retried = failing(deadline=f"{limit}s", retry_delay="0.1s", max_retries=9)
    retried["recovery"].pop("costs")
    return retried | {"tasks": retried["tasks"] | {"work": "0.1s"}}


LIMITS = [
    pytest.param(lambda limit: failing(try_timeout=f"{limit}s"), "recovery.failed", 5.0, id="try"),
    pytest.param(lambda limit: failing(deadline=f"{limit}s"), "attempts.started", 8.0, id="deadline of retries"),
    pytest.param(lambda limit: with_task(timeout=f"{limit}s"), "attempts.timed_out", 5.0, id="attempt"),
    pytest.param(lambda limit: with_task(client={"timeout": f"{limit}s"}), "client.timeouts", 5.0, id="client"),
    pytest.param(
        lambda limit: {"queue": {"ack_timeout": f"{limit}s"}, "agents": {"count": 2}},
        "queue.redeliveries",
        5.0,
        id="ack",
    ),
    pytest.param(
        lambda limit: {"queue": {"ack_timeout": f"{limit}s"}, "network": {"latency": "1s"}, "agents": {"count": 2}},
        "queue.redeliveries",
        7.0,
        id="ack on its way",
    ),
    pytest.param(beats_late, "detection.false_positives", 10.0, id="heartbeat"),
    pytest.param(hangs, "recovery.count", 20.0, id="progress"),
    pytest.param(lambda limit: sums(timeout=f"{limit}s"), "attempts.timed_out", 3.0, id="attempt in parts"),
    pytest.param(lambda limit: sums(client={"timeout": f"{limit}s"}), "client.timeouts", 3.0, id="client of parts"),
    pytest.param(decimal_retries, "attempts.started", 0.3, id="deadline of sums"),
]


@pytest.mark.parametrize(("with_limit", "metric", "takes"), LIMITS)
def test_what_takes_exactly_as_long_as_allowed_is_in_time(
    with_limit: Callable[[float], dict[str, Any]], metric: str, takes: float
) -> None:
    """The limit makes no difference from the time on that it takes, and one below it does."""

    def measured(limit: float) -> float | None:
        return sim.run(scenarios.loads(json.dumps(BASE | with_limit(limit))), seed=0).metrics[metric]

    assert measured(takes) == measured(takes + 0.05)
    assert measured(takes - 0.05) != measured(takes)


def test_a_try_that_takes_exactly_its_time_limit_has_not_failed() -> None:
    """Three attempts, which each fail: both retries were in time."""
    run = sim.run(scenarios.loads(json.dumps(BASE | failing(try_timeout="5s"))), seed=0)
    assert run.metrics["recovery.failed"] == 0
    assert run.metrics["attempts.started"] == 3


@pytest.mark.parametrize("answers_at", [10.0, 10.25])
def test_a_lease_that_is_renewed_exactly_at_its_end_is_kept(answers_at: float) -> None:
    """The store has no answer for the leader until its lease of 10 s ends; another core looks at the same instant."""
    config = LeaseConfig(duration=10, renew_every=2, drift=1)
    leases, terms = MemoryLeases(), []

    class Unreachable(MemoryLeases):
        async def change(self, seen: Lease | None, to: Lease) -> bool:
            if 0 < loop.time() < answers_at:
                raise OSError("unreachable")
            return await leases.change(seen, to)

    async def lead(lease: Lease) -> None:
        terms.append((loop.time(), lease.holder))
        await loop.create_future()

    loop = SimLoop()
    leader = Unreachable()
    leader.look = leases.look  # type: ignore[method-assign]
    loop.create_task(Candidate(leader, "leader", "a", config, lead).run())
    loop.create_task(Candidate(leases, "leader", "b", config, lead).run())
    loop.env.run(until=11)
    loop.abandon()
    assert terms == [(0.0, "a")] if answers_at == 10 else [(0.0, "a"), (10.0, "b")]


def test_a_breaker_admits_a_probe_exactly_at_the_end_of_its_open_time() -> None:
    breaker = CircuitBreaker(BreakerPolicy(failures=1, open_for=0.6))
    breaker.settle(breaker.admit(0.2) or 0, worked=False, now=0.2)
    assert not breaker.would_admit(0.79)
    assert breaker.would_admit(0.2 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1)


def test_a_recovery_is_late_when_it_is_older_than_its_age_limit() -> None:
    late = late_rule({FailureKind.TASK: 120.0})

    def is_late(age: float) -> bool:
        kind, phase = FailureKind.TASK, RecoveryPhase.EXECUTE
        return (
            late.triggered_by(RecoverySample(age, 0, "t", kind, age, 1, phase, 0, None, 1, 0, escalated=False))
            is not None
        )

    assert [is_late(120.0), is_late(120.5)] == [False, True]


def test_a_limit_of_an_expectation_and_the_edge_of_the_warm_up_are_within() -> None:
    """The task comes at the end of the warm-up and takes 5 s."""
    scenario = scenarios.loads(json.dumps(BASE | {"warmup": "1s", "expect": ["tasks.sojourn.max <= 5s"]}))
    result = sim.replicate(scenario, seed=0, replications=1)
    assert result.runs[0].metrics["tasks.within(5s)"] == 1
    assert all(each.holds for each in result.expectations)
    assert result.runs[0].metrics["tasks.submitted"] == 1

"""What takes exactly as long as allowed is in time: one rule for every time limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import scenarios
import sim

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
]


@pytest.mark.parametrize(("with_limit", "metric", "takes"), LIMITS)
def test_what_takes_exactly_as_long_as_allowed_is_in_time(
    with_limit: Callable[[float], dict[str, Any]], metric: str, takes: float
) -> None:
    """The limit makes no difference from the time on that it takes, and one below it does."""

    def measured(limit: float) -> float | None:
        return sim.run(scenarios.loads(json.dumps(BASE | with_limit(limit))), seed=0).metrics[metric]

    assert measured(takes) == measured(takes + 0.25)
    assert measured(takes - 0.25) != measured(takes)


def test_a_try_that_takes_exactly_its_time_limit_has_not_failed() -> None:
    """Three attempts, which each fail: both retries were in time."""
    run = sim.run(scenarios.loads(json.dumps(BASE | failing(try_timeout="5s"))), seed=0)
    assert run.metrics["recovery.failed"] == 0
    assert run.metrics["attempts.started"] == 3

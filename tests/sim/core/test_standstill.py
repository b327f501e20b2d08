"""A run in which things are repeated while no time passes ends with a message that names them."""

from __future__ import annotations

import re
from typing import Any

import pytest

import scenarios
import sim
from sim.core import standstill
from sim.history import recorder
from sim.loop import Livelock

TEXT = """
name: endless
duration: 1m
tasks: {arrivals: {burst: {size: 1, at: 1s}}, work: 10s}
agents: {count: 1}
resources: {gpu: {units: 2}}
"""
FAILING = {"tasks.work": "0s", "tasks.failure_probability": 0.99999}
AT_ONCE = {"max_retries": None, "retry_delay": "0s"}
PERFECT = {"recovery.detection.detector": "perfect"}
POISON = {"poison_task": {"at": "2s"}}
LATER = {"execution_failure": {"targets": 1, "at": "50s"}}
"""With another fault, the scenario alone does not show what will happen."""
CUT_OFF = {"partition": {"between": ["agents", "queue"], "at": "0s", "for": "30s"}}
NO_GPU = {"resource_unavailable": {"resource": "gpu", "units": 2, "at": "2s", "for": "10s"}}

ENDLESS: dict[str, tuple[dict[str, Any], str]] = {
    "a poison task": (
        {**PERFECT, "faults": [POISON, LATER]},
        "task.0 was queued (reassigned) N times; valid: agents.restart_time above 0s, or a limit",
    ),
    "a poison task, and a standby": (
        {**PERFECT, "faults": [POISON, {"core_crash": {"at": "50s"}}], "recovery.cores.count": 2},
        "task.0 was queued (reassigned)",
    ),
    "a poison task, and events that are not kept": (
        {**PERFECT, "faults": [POISON, LATER], "history": "summary"},
        "task.0 was queued (reassigned)",
    ),
    "retries": (
        {**FAILING, "recovery.conditions.task_failure": AT_ONCE},
        "task.0 was queued (retry) N times; valid: a retry_delay above 0s in recovery.conditions.task_failure",
    ),
    "retries after a picosecond": (
        {**FAILING, "recovery.conditions.task_failure": {**AT_ONCE, "retry_delay": "0.000000000001s"}},
        "task.0 was queued (retry)",
    ),
    "tries without a result": (
        {
            "tasks.needs": {"gpu": 1},
            "recovery.conditions.resource_failure": AT_ONCE,
            "faults": [NO_GPU],
        },
        "task.0 was granted a retry (resource_failure) N times; valid: in recovery.conditions.resource_failure",
    ),
    "tries of a connection": (
        {
            "recovery.conditions.communication_failure": {**AT_ONCE, "try_timeout": "0.000000000001s"},
            "faults": [CUT_OFF],
        },
        "agents|queue was granted a retry (communication_failure)",
    ),
    "requests that fail": (
        {**FAILING, "tasks.client": {"max_retries": 1_000_000}, "recovery.conditions.task_failure.max_retries": 0},
        "request 0 was repeated N times; valid: tasks.client.retry_delay above 0s, or fewer tasks.client.max_retries",
    ),
    "deliveries": (
        {"queue.ack_timeout": "0.000000000001s", "queue.loss": 1},
        "task.0 was queued (redelivery) N times; valid: a longer queue.ack_timeout",
    ),
}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer events and repetitions are enough, so that the tests are short."""
    monkeypatch.setattr(recorder, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(standstill, "REPETITIONS", 40)
    monkeypatch.setattr(standstill, "MANY", 2000)


@pytest.mark.long
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("kind", ENDLESS)
def test_what_is_repeated_at_one_instant_is_named(kind: str) -> None:
    values, message = ENDLESS[kind]
    expected = re.escape(message).replace("N", r"[\d,]+")
    with pytest.raises(Livelock, match=f"^endless: no time passes at .* s: {expected}"):
        sim.run(scenarios.loads(TEXT).with_values(values), seed=1)


@pytest.mark.usefixtures("few")
def test_an_endless_repetition_in_a_drain_is_named() -> None:
    """The only agent is up again at 3.5 s, after the run's duration."""
    late = {"duration": "2s", "drain": "1m", "agents.restart_time": "3s", "faults": [{"agent_crash": {"at": "500ms"}}]}
    failing = {**FAILING, "recovery.conditions.task_failure": AT_ONCE}
    with pytest.raises(Livelock, match=r"at 3.5 s: task.0 was queued \(retry\)"):
        sim.run(scenarios.loads(TEXT).with_values({**late, **PERFECT, **failing}), seed=1)


@pytest.mark.long
@pytest.mark.usefixtures("few")
def test_repetitions_for_many_subjects_are_no_standstill() -> None:
    """Three hundred tasks, each with five retries at one instant."""
    many = {"tasks.arrivals.burst.size": 300, "agents.count": 10, "tasks.work": "0s", "tasks.failure_probability": 1}
    made = scenarios.loads(TEXT).with_values(
        {**many, "recovery.conditions.task_failure": {"max_retries": 5, "retry_delay": "0s"}}
    )
    assert sim.run(made, seed=1).metrics["attempts.failed"] == 1800


@pytest.mark.long
@pytest.mark.usefixtures("few")
def test_repetitions_over_time_are_no_standstill() -> None:
    """A retry every ten milliseconds for ten seconds: what is repeated within a millionth of the run counts."""
    retries = {"max_retries": None, "retry_delay": "10ms"}
    made = scenarios.loads(TEXT).with_values(
        {**FAILING, "recovery.conditions.task_failure": retries, "duration": "10s"}
    )
    assert sim.run(made, seed=1).metrics["retries.count"] > 800


def test_the_limits_are_those_of_the_pages() -> None:
    assert (standstill.REPETITIONS, standstill.MANY, standstill.WIDTH) == (1000, 20_000, 1e-6)

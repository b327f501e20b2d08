"""Scenarios in which no time would pass are refused where they show it, and only there."""

from __future__ import annotations

import re
from typing import Any

import pytest

import scenarios

TASK = "recovery.conditions.task_failure"
AGENT = "recovery.conditions.agent_failure"
BASE = """
name: base
duration: 1m
tasks: {arrivals: {burst: {size: 2, at: 1s}}, work: 10s}
agents: {count: 1}
"""
POISON: dict[str, Any] = {"recovery.detection.detector": "perfect", "faults": [{"poison_task": {"at": "2s"}}]}
RETRIES: dict[str, Any] = {
    "tasks.work": "0s",
    "tasks.failure_probability": 1,
    f"{TASK}.max_retries": None,
    f"{TASK}.retry_delay": "0s",
}
CLIENTS: dict[str, Any] = {"tasks.client.max_retries": 1_000_000, "queue.capacity": 0}


@pytest.mark.parametrize(
    ("endless", "values", "path"),
    [
        (POISON, {}, "agents.restart_time"),
        (POISON, {AGENT: {"max_retries": None}}, "agents.restart_time"),
        (POISON, {AGENT: {"max_retries": 10_000}}, "agents.restart_time"),
        (RETRIES, {}, f"{TASK}.retry_delay"),
        (RETRIES, {f"{TASK}.max_retries": 1_000_000}, f"{TASK}.retry_delay"),
        (RETRIES, {TASK: None}, TASK),
        (RETRIES, {f"{TASK}.by_error": {"execution_error": {"max_retries": None}}}, f"{TASK}.by_error.execution_error"),
        (CLIENTS, {}, "tasks.client.max_retries"),
        (CLIENTS, {"queue.capacity": 5, "tasks.client.backoff": "exponential"}, "tasks.client.max_retries"),
    ],
)
def test_what_would_be_repeated_without_end_is_refused_in_one_line(
    endless: dict[str, Any], values: dict[str, Any], path: str
) -> None:
    with pytest.raises(scenarios.ScenarioError) as refused:
        scenarios.loads(BASE).with_values({**endless, **values})
    assert "while no time passes" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path in str(refused.value)


def test_the_line_and_the_key_are_named() -> None:
    text = BASE.replace("work: 10s", "work: 0s, failure_probability: 100%") + (
        "recovery: {conditions: {task_failure: {max_retries: null, retry_delay: 0s}}}\n"
    )
    message = f"6: {TASK}.retry_delay: attempts that take no time would fail and be retried without end while no time"
    with pytest.raises(scenarios.ScenarioError, match=re.escape(message)):
        scenarios.loads(text)


@pytest.mark.parametrize(
    ("endless", "values"),
    [
        (POISON, {"agents.restart_time": "1ms"}),
        (POISON, {"recovery.detection.detector": "heartbeat"}),
        (POISON, {"queue.max_deliveries": 3}),
        (POISON, {AGENT: {"max_retries": 3}}),
        (POISON, {AGENT: {"max_retries": None, "retry_delay": "1s"}}),
        (POISON, {"recovery.costs": {"restart_agent": "1s"}}),
        (POISON, {"queue.latency": "1ms"}),
        (POISON, {"recovery.load": {"rate": "1/s"}}),
        (RETRIES, {f"{TASK}.retry_delay": "1s"}),
        (RETRIES, {f"{TASK}.max_retries": 100}),
        (RETRIES, {f"{TASK}.budget": {"tokens": 5}}),
        (RETRIES, {f"{TASK}.breaker": {"failures": 5}}),
        (RETRIES, {f"{TASK}.by_error": {"execution_error": {"max_retries": 1}}}),
        (RETRIES, {"queue.max_deliveries": 3}),
        (RETRIES, {"tasks.work": "1s"}),
        (RETRIES, {"tasks.failure_probability": 0.5}),
        (CLIENTS, {"tasks.client.retry_delay": "1s"}),
        (CLIENTS, {"tasks.client.max_retries": 3}),
        (CLIENTS, {"tasks.client.budget": {"tokens": 5}}),
        (CLIENTS, {"queue.capacity": None}),
    ],
)
def test_what_ends_or_takes_time_is_accepted(endless: dict[str, Any], values: dict[str, Any]) -> None:
    made = scenarios.loads(BASE)
    with pytest.raises(scenarios.ScenarioError):
        made.with_values(endless)
    made.with_values({**endless, **values})

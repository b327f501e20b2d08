"""Cohort and window: which tasks, recoveries and times a metric is of, as the reference page says."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

import sim
from scenarios.fields.metric_rows import ROWS
from scenarios.reference import SCOPES
from sim.measures import RunMetrics
from tests.sim.world.stories import scenario


def measured(warmup: str, **values: object) -> RunMetrics:
    """One task of 3 s at 10 s and one at 20 s, in 30 s."""
    found = sim.run(scenario({"warmup": warmup, **values}, duration="30s", count=2), seed=1).metrics
    assert isinstance(found, RunMetrics)
    return found


def test_a_task_belongs_to_the_warmup_in_which_it_was_submitted() -> None:
    """The first task is submitted in the warm-up, and ends after it."""
    metrics = measured("11s")
    names = ("tasks.submitted", "tasks.completed", "attempts.started", "attempts.per_task.mean")
    assert [metrics[name] for name in names] == [1, 1, 1, 1]
    assert [metrics[name] for name in ("tasks.sojourn.mean", "tasks.within(3s)")] == [3, 1]


def test_throughput_and_means_over_time_are_of_the_window() -> None:
    """In the 19 s after the warm-up two tasks end, and they are executed for 2 and 3 s."""
    metrics = measured("11s")
    assert metrics["tasks.throughput"] == pytest.approx(2 / 19)
    assert metrics["tasks.in_system.mean"] == pytest.approx(5 / 19)
    assert metrics["agents.utilization"] == pytest.approx(5 / 19)
    assert metrics["queue.deliveries"] == 1


def test_attempts_per_task_are_of_tasks_that_ended() -> None:
    """Every attempt fails, and one retry is made after 4 s: at 27 s, the second task runs for the second time."""
    condition = {"max_retries": 1, "retry_delay": "4s"}
    failing = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": condition, "duration": "28s"}
    metrics = measured("0s", **failing)
    assert (metrics["tasks.failed"], metrics["tasks.unfinished"], metrics["attempts.started"]) == (1, 1, 4)
    assert metrics["attempts.per_task.mean"] == 2
    assert metrics["attempts.amplification"] == 2
    earlier = measured("0s", **{**failing, "duration": "25s"})
    assert (earlier["attempts.per_task.mean"], earlier["attempts.amplification"]) == (2, 1.5)


@pytest.mark.parametrize("name", [row[0] for row in ROWS])
def test_the_reference_says_what_every_metric_is_of(name: str) -> None:
    patterns = [pattern for metrics, _ in SCOPES for pattern in re.findall(r"`([^`]+)`", metrics)]
    assert any(fnmatch(name, pattern) for pattern in patterns)


def test_the_reference_names_only_metrics_that_exist() -> None:
    for metrics, _ in SCOPES:
        for pattern in re.findall(r"`([^`]+)`", metrics):
            assert pattern in {"resources.*", "downstream.*"} or any(fnmatch(row[0], pattern) for row in ROWS), pattern

"""Warnings about deliveries and checkpoints that never happen."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.consistency.attempt_times import HIGH, quantile
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, time
from scenarios.schema import ScenarioFields


def about_limits(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Fewer deliveries than attempts, lost messages without a redelivery, and checkpoints that are never written."""
    yield from _deliveries(scenario)
    yield from _lost(scenario)
    yield from _checkpoints(scenario)


def _deliveries(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    most, condition = scenario.queue.max_deliveries, scenario.recovery.conditions.task_failure
    if most is None or condition is None or condition.max_retries is None or most > condition.max_retries:
        return
    retries = condition.max_retries
    yield Inconsistency(
        InconsistencyKind.MAX_DELIVERIES,
        ("queue.max_deliveries", "recovery.conditions.task_failure.max_retries"),
        {"max_deliveries": float(most), "max_retries": float(retries)},
        f"a task becomes a dead letter after {most} deliveries, and {retries} retries take {retries + 1}",
        f"max_deliveries of {retries + 1} or more",
    )


def _lost(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    queue = scenario.queue
    if queue.ack_timeout is not None:
        return
    for path, share, effect in (
        ("queue.loss", queue.loss, "deliveries are lost, and their tasks never end"),
        ("network.loss", scenario.network.loss, "messages are lost, deliveries among them, and their tasks never end"),
        ("queue.ack_loss", queue.ack_loss, "acknowledgements are lost, and the queue keeps their tasks"),
    ):
        if share:
            yield Inconsistency(
                InconsistencyKind.NEVER_REDELIVERED,
                (path, "queue.ack_timeout"),
                {path: share},
                f"{share:.3g} of the {effect}, because without ack_timeout nothing is delivered again",
                "with queue.ack_timeout",
            )


def _checkpoints(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    checkpoint = scenario.tasks.checkpoint
    long = quantile(scenario.tasks.work, HIGH)
    if checkpoint is not None and not checkpoint.final and checkpoint.every >= long:
        yield Inconsistency(
            InconsistencyKind.CHECKPOINT_INTERVAL,
            ("tasks.checkpoint.every", "tasks.work"),
            {"tasks.checkpoint.every": checkpoint.every, "p95 of tasks.work": long},
            f"95 % of the tasks end within {time(long)}, before their first checkpoint after {time(checkpoint.every)}",
            f"every below {time(long)}",
        )

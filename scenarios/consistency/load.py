"""Warnings about the load, and about work that cannot be finished."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.consistency.attempt_times import long_attempt, mean_attempt, quantile
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, at_least, time
from scenarios.offered_load import offered_load
from scenarios.schema import ScenarioFields
from scenarios.task_views import any_task


def about_load(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Agents that crash within an attempt, and a run that is shorter than a task."""
    yield from _crashes_within_an_attempt(scenario)
    yield from _shorter_than_a_task(scenario)


def about_overload(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """An offered load of 1 or more, of all kinds of tasks together."""
    offered = offered_load(scenario)
    is_limited = all(tasks.count is not None for tasks in any_task(scenario))
    if offered is None or not offered.is_overloaded or is_limited:
        return
    arrivals = scenario.tasks.arrivals
    limits = f", limited by {' and '.join(offered.limits)}" if offered.limits else ", and the queue grows without end"
    remedy = "a lower rate of arrivals" + ("" if offered.remedy is None else f", or {offered.remedy}")
    yield Inconsistency(
        InconsistencyKind.LOAD,
        ("tasks.kinds" if arrivals is None else f"tasks.arrivals.{arrivals.kind}", offered.bottleneck.path),
        {"offered load": offered.load},
        f"{offered.in_words()}{limits}",
        remedy,
    )


def _crashes_within_an_attempt(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    mtbf, tasks = scenario.agents.mtbf, scenario.tasks
    if mtbf is None or tasks.interrupted != "restart":
        return
    attempt = mean_attempt(scenario)
    repeated = attempt if tasks.checkpoint is None else min(attempt, tasks.checkpoint.every)
    typical = quantile(mtbf, 0.5)
    if typical < repeated:
        yield Inconsistency(
            InconsistencyKind.MTBF,
            ("agents.mtbf", "tasks.checkpoint"),
            {"median time to a crash": typical, "work that a crash repeats": repeated},
            f"half of the agents crash within {time(typical)} and lose up to {time(repeated)} of work each time",
            f"checkpoints more often than every {time(typical)}, or a longer mtbf",
        )


def _shorter_than_a_task(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    long = long_attempt(scenario)
    if scenario.duration < long:
        yield Inconsistency(
            InconsistencyKind.DURATION,
            ("duration",),
            {"duration": scenario.duration, "p95 of an attempt": long},
            f"the run ends after {time(scenario.duration)}, and 5 % of the attempts take longer than {time(long)}",
            f"a duration of {time(at_least(long))} or more",
        )

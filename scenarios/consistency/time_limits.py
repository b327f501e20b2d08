"""Warnings about time limits that are shorter than what they limit."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.consistency.attempt_times import long_attempt, mean_attempt, quantile
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, at_least, time
from scenarios.fields.distributions import AnyDistribution
from scenarios.schema import ScenarioFields

RESTART = "restart_agent"


def about_time_limits(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Limits of deliveries, attempts, requests and tries below the 95th percentile of their duration."""
    tasks, client = scenario.tasks, scenario.tasks.client
    long, mean = long_attempt(scenario), mean_attempt(scenario)
    for kind, path, limit, effect in (
        (
            InconsistencyKind.ACK_TIMEOUT,
            "queue.ack_timeout",
            scenario.queue.ack_timeout,
            "the queue delivers a task again while it is still being executed",
        ),
        (
            InconsistencyKind.ATTEMPT_TIMEOUT,
            "tasks.timeout",
            tasks.timeout,
            "an attempt is ended before its work is done, and so is a retry with the same work",
        ),
        (
            InconsistencyKind.CLIENT_TIMEOUT,
            "tasks.client.timeout",
            client.timeout if client.late_answer == "drop" else None,
            "a client stops waiting before its task can be done",
        ),
    ):
        if limit is None or limit >= long:
            continue
        share = "most attempts take" if limit < mean else "more than 5 % of the attempts take"
        yield Inconsistency(
            kind,
            (path, "tasks.work"),
            {path: limit, "mean of an attempt": mean, "p95 of an attempt": long},
            f"{time(limit)} is below the duration of an attempt (mean {time(mean)}, p95 {time(long)}): {share} longer, "
            f"and {effect}",
            f"{time(at_least(long))} or more",
        )
    yield from _prefetched(scenario, mean, long)
    yield from _tries(scenario)


def _prefetched(scenario: ScenarioFields, mean: float, long: float) -> Iterator[Inconsistency]:
    """The last prefetched delivery waits for those before it, of mean duration, and is a long one itself."""
    limit, prefetch, slots = scenario.queue.ack_timeout, scenario.most_prefetched, scenario.agents.slots
    needed = prefetch / slots * mean + long
    if limit is None or not prefetch or not long <= limit < needed:
        return
    fits = int((limit - long) / mean * slots)
    yield Inconsistency(
        InconsistencyKind.PREFETCH,
        ("agents.prefetch", "queue.ack_timeout", "tasks.work"),
        {"agents.prefetch": float(prefetch), "queue.ack_timeout": limit, "p95 of its end": needed},
        f"the last of {prefetch} prefetched tasks waits about {time(needed - long)} in its agent and takes up to "
        f"{time(long)}, the queue delivers it again after {time(limit)}, and it is executed twice",
        f"a prefetch of {f'{fits} or less' if fits else 0}, or queue.ack_timeout of {time(at_least(needed))} or more",
    )


def _tries(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Tries at a recovery by the documented entry of the kind of failure, whose commands take longer than allowed."""
    costs = scenario.recovery.costs
    entries = dict(scenario.recovery.in_force.entries())
    for kind, condition in scenario.recovery.conditions:
        limit = None if condition is None else condition.try_timeout
        entry = next((entries[name] for name in ENTRIES[kind] if name in entries), None)
        if limit is None or entry is None:
            continue
        steps = [step.command for step in entry.recovery]
        needed = sum(costs.get(command, 0.0) for command in steps)
        restart: AnyDistribution = scenario.agents.restart_time
        if RESTART in steps:
            needed += quantile(restart, 0.95)
        if limit < needed:
            path = f"recovery.conditions.{kind}.try_timeout"
            yield Inconsistency(
                InconsistencyKind.TRY_TIMEOUT,
                (path, *(f"recovery.costs.{command}" for command in steps if costs.get(command))),
                {path: limit, "duration of the steps": needed},
                f"a try is ended after {time(limit)}, and its steps take {time(needed)}: no recovery succeeds",
                f"{time(at_least(needed))} or more",
            )


ENTRIES = {
    "task_failure": ("task_failures.execution_failure",),
    "resource_failure": ("task_failures.resource_failure",),
    "agent_failure": ("system_failures.agent_failure",),
    "communication_failure": ("system_failures.communication_failure",),
}
"""The runbook's entries that recover each kind of failure."""

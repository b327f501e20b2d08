"""The catalogue of metrics: name, unit, which way is better, meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from recovery.errors import RecoveryBenchError
from scenarios.errors import nearest

Direction = Literal["lower", "higher"] | None
STATISTICS = ("mean", "sd", "p50", "p95", "p99", "max")
"""What stands for `.*` of a distribution: mean, standard deviation, percentiles, maximum."""
STATISTIC_MEANING = {
    "mean": "mean",
    "sd": "standard deviation",
    "p50": "median",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "max": "maximum",
}
INVARIANTS = {
    "no_lost_task": "every submitted task is completed, given up visibly, or still on its way",
    "exactly_once_effect": "a task's effect is accepted at most once",
    "no_leaked_resource": "nobody holds units for a task that is finished",
    "no_double_allocation": "no unit is held twice, no pool gives more than it has",
    "legal_transitions": "a task's status changes only as the model allows",
    "checkpoint_integrity": "no attempt starts from a damaged checkpoint",
    "fencing": "nothing done under a void epoch takes effect",
    "retry_bound": "no task is retried more often than its conditions allow",
    "audit_complete": "every recovery is on record from its opening to its end, in order",
    "recovery_terminates": "every recovery ends: one that is open at the end was heard of in the run's second half",
}
"""The consistency invariants and what each promises."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a run yields.

    `unit` is `s`, `1/s`, `fraction` (0 to 1), `ratio`, or the noun of what is counted; `direction` says which way is
    better, None when neither is.
    """

    name: str
    unit: str
    direction: Direction
    meaning: str


SIGNALS = {
    "agent": "agents that are silent",
    "progress": "tasks that are stalled, as heartbeats tell",
    "delivery": "connections over which nothing can be sent",
    "resource": "pools that are probed unhealthy",
}
"""What alarms go by."""


class UnknownMetric(RecoveryBenchError, ValueError):
    """No metric has this name; `near` is the one that was probably meant, or None."""

    def __init__(self, name: str, near: str | None) -> None:
        self.name = name
        self.near = near
        valid = f" (nearest: '{near}')" if near else "; valid: a metric of the catalogue, such as recovery.time.mean"
        super().__init__(f"unknown metric '{name}'{valid}")


Row = tuple[str, str, Direction, str]
ROWS: tuple[Row, ...] = (
    # tasks
    ("tasks.submitted", "tasks", None, "tasks that clients submitted, each time that they asked"),
    ("tasks.completed", "tasks", "higher", "tasks whose effect was accepted"),
    ("tasks.failed", "tasks", "lower", "tasks given up: handed to an operator, or taken back by their clients"),
    ("tasks.rejected", "tasks", "lower", "tasks refused by a full queue"),
    ("tasks.lost", "tasks", "lower", "tasks that nobody has and nobody will finish"),
    ("tasks.unfinished", "tasks", None, "tasks still on their way at the end"),
    ("tasks.throughput", "1/s", "higher", "tasks completed per second"),
    ("tasks.wait.*", "s", "lower", "from submission to the first start"),
    ("tasks.sojourn.*", "s", "lower", "from submission to completion"),
    ("tasks.wait_probability", "fraction", "lower", "share of tasks that wait at all before their first start"),
    ("tasks.in_system.mean", "tasks", "lower", "tasks submitted and not finished, over time"),
    ("tasks.in_queue.mean", "tasks", "lower", "tasks that wait for an agent, over time"),
    # attempts and retries
    ("attempts.started", "attempts", None, "attempts that began"),
    ("attempts.succeeded", "attempts", "higher", "attempts whose effect was accepted"),
    ("attempts.failed", "attempts", "lower", "attempts that ended in a failure"),
    ("attempts.interrupted", "attempts", "lower", "attempts that were cut short"),
    ("attempts.timed_out", "attempts", "lower", "attempts that took longer than they may"),
    ("attempts.per_task.mean", "attempts", "lower", "attempts per task that was started"),
    ("attempts.amplification", "ratio", "lower", "attempts per task submitted"),
    ("retries.count", "retries", "lower", "retries granted"),
    ("retries.exhausted", "failures", "lower", "failures for which no retry was left"),
    ("retries.over_deadline", "failures", "lower", "of these, because the next retry would have come too late"),
    ("retries.over_budget", "failures", "lower", "of these, because the retry budget was empty"),
    ("retries.held_back", "failures", "lower", "of these, because a circuit breaker was open"),
    ("breaker.openings", "openings", "lower", "times that a circuit breaker opened"),
    ("retries.delay.*", "s", None, "delay before a retry"),
    ("retries.per_failure.mean", "retries", "lower", "retries per failure"),
    # recovery, detection and diagnosis
    ("recovery.count", "recoveries", None, "recoveries opened"),
    ("recovery.succeeded", "recoveries", "higher", "recoveries verified"),
    ("recovery.failed", "tries", "lower", "tries at a recovery that did not work"),
    ("recovery.escalated", "recoveries", "lower", "recoveries handed to an operator"),
    ("recovery.dismissed", "recoveries", None, "recoveries for which there was nothing left to do"),
    ("recovery.censored", "recoveries", None, "recoveries that the end of the run cut off"),
    ("escalations.open", "escalations", "lower", "recoveries handed to an operator who has not resolved them"),
    ("alerts.raised", "alerts", "lower", "alerts that the recovery monitor sent; nothing without a monitor"),
    ("alerts.warning", "alerts", "lower", "alerts sent with severity warning"),
    ("alerts.critical", "alerts", "lower", "alerts sent with severity critical, storms included"),
    ("recovery.time.*", "s", "lower", "from the fault to the verified recovery"),
    ("recovery.detect.*", "s", "lower", "from the fault to its detection"),
    ("recovery.wait.*", "s", "lower", "retry delay and queueing for a recovery slot"),
    ("recovery.analyze.*", "s", "lower", "finding out what happened"),
    ("recovery.execute.*", "s", "lower", "the runbook's recovery commands"),
    ("recovery.verify.*", "s", "lower", "checking that the recovery worked"),
    ("recovery.paced.*", "s", "lower", "wait of tasks that the load limit kept from going back to work at once"),
    ("detection.latency.*", "s", "lower", "from an injected fault to its detection"),
    ("detection.false_positives", "alarms", "lower", "suspicions of somebody who was well"),
    ("detection.missed", "faults", "lower", "faults that nobody noticed"),
    *(
        row
        for signal, what in SIGNALS.items()
        for row in (
            (f"detection.{signal}.latency.*", "s", "lower", f"of this detector alone: {what}"),
            (f"detection.{signal}.false_positives", "alarms", "lower", f"of this detector alone: {what}"),
        )
    ),
    ("diagnosis.accuracy", "fraction", "higher", "share of recoveries that found the fault that was injected"),
    # work, agents, queue
    ("work.useful", "agent-s", "higher", "agent time that went into accepted effects"),
    ("work.wasted", "agent-s", "lower", "agent time whose work was thrown away"),
    ("work.checkpoint", "agent-s", "lower", "agent time spent on writing and reading checkpoints"),
    ("work.wasted_fraction", "fraction", "lower", "wasted agent time as a share of all agent time spent"),
    ("agents.availability", "fraction", "higher", "share of agent time up, in truth"),
    ("agents.availability_observed", "fraction", "higher", "share of agent time up, as the detector believes"),
    ("agents.up.mean", "agents", "higher", "agents up, over time"),
    ("agents.all_up", "fraction", "higher", "share of time in which all agents are up"),
    ("agents.utilization", "fraction", None, "share of slots at work, over time"),
    ("agents.restarts", "restarts", None, "restarts of agents"),
    ("queue.depth.mean", "tasks", "lower", "queued tasks, over time"),
    ("queue.depth.max", "tasks", "lower", "most queued tasks at once"),
    ("queue.deliveries", "deliveries", None, "deliveries to agents"),
    ("queue.redeliveries", "deliveries", "lower", "deliveries after the first of a task"),
    ("queue.duplicates", "deliveries", "lower", "deliveries that arrived twice"),
    ("queue.dead_lettered", "tasks", "lower", "tasks that were delivered as often as they may be"),
    # service
    ("service.availability", "fraction", "higher", "share of time in steady state"),
    ("restoration.time.*", "s", "lower", "from the end of a fault to steady state; infinite when it never comes"),
    ("client.timeouts", "requests", "lower", "requests that clients stopped waiting for"),
    ("client.retries", "requests", "lower", "requests that clients made again"),
    ("client.abandoned", "requests", "lower", "requests that clients did not make again"),
    ("client.goodput", "1/s", "higher", "answers per second that came in time, or late and were accepted"),
    ("client.amplification", "ratio", "lower", "times that a request was made"),
    ("client.response.*", "s", "lower", "from the first time that a request was made to its answer"),
    # consistency: the violations of each invariant follow
    ("consistency.violations", "violations", "lower", "violations of all invariants"),
    *(
        (f"consistency.{name}", "violations", "lower", f"violated when not: {text}")
        for name, text in INVARIANTS.items()
    ),
    # the run
    ("run.events", "events", None, "events in the history"),
    ("run.virtual_seconds", "s", None, "virtual time that was simulated"),
)
"""Name, unit, better direction, meaning; `.*` stands for the statistics of a distribution."""
_POOL: tuple[Row, ...] = (
    ("utilization", "fraction", None, "share of the pool's units that are held, over time"),
    ("available", "fraction", "higher", "share of the pool's units in service, over time"),
)
POOL_GROUP = "resources"


def _expanded(rows: Iterable[Row]) -> Iterator[Metric]:
    for name, unit, direction, meaning in rows:
        if not name.endswith(".*"):
            yield Metric(name, unit, direction, meaning)
            continue
        for statistic in STATISTICS:
            yield Metric(f"{name[:-1]}{statistic}", unit, direction, f"{STATISTIC_MEANING[statistic]}: {meaning}")


@cache
def _fixed() -> dict[str, Metric]:
    return {metric.name: metric for metric in _expanded(ROWS)}


def pool_rows(resource: str) -> list[Row]:
    """The rows of one pool's metrics."""
    return [(f"{POOL_GROUP}.{resource}.{name}", unit, direction, meaning) for name, unit, direction, meaning in _POOL]


def _of_pool(resource: str) -> list[Metric]:
    return list(_expanded(pool_rows(resource)))


def catalogue(resources: Iterable[str] = ()) -> tuple[Metric, ...]:
    """Every metric, those of the named pools included, grouped as the contract has them."""
    return (*_fixed().values(), *(metric for resource in resources for metric in _of_pool(resource)))


def lookup(name: str, resources: Iterable[str] | None = None) -> Metric:
    """The metric of this name. `resources` are the pools that there are; None: a pool of any name.

    Raises `UnknownMetric`, which suggests the nearest one.
    """
    metric = _fixed().get(name)
    if metric is not None:
        return metric
    pools = list(resources) if resources is not None else _pool_in(name)
    of_pools = {metric.name: metric for resource in pools for metric in _of_pool(resource)}
    if name in of_pools:
        return of_pools[name]
    raise UnknownMetric(name, nearest(name, [*_fixed(), *of_pools]))


def _pool_in(name: str) -> list[str]:
    group, _, rest = name.partition(".")
    resource = rest.rpartition(".")[0]
    return [resource] if group == POOL_GROUP and resource else []

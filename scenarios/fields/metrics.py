"""The catalogue of metrics: name, unit, better direction, meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from recovery.errors import RecoveryBenchError
from scenarios.errors import nearest

Direction = Literal["lower", "higher"] | None
STATISTICS = ("mean", "sd", "p50", "p95", "p99", "max")
"""The statistics that replace `.*` in the metrics of a distribution."""
STATISTIC_MEANING = {
    "mean": "mean",
    "sd": "standard deviation",
    "p50": "median",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "max": "maximum",
}
INVARIANTS = {
    "no_lost_task": "every submitted task is completed, given up on record, or still in the system",
    "exactly_once_effect": "a task's effect is accepted at most once",
    "no_leaked_resource": "no units are held for a finished task",
    "no_double_allocation": "no unit is held twice, no pool allocates more than it has",
    "legal_transitions": "a task's status changes only as the model allows",
    "checkpoint_integrity": "no attempt starts from a damaged checkpoint",
    "fencing": "no action under a fenced epoch takes effect",
    "retry_bound": "no task is retried more often than its conditions allow",
    "audit_complete": "every recovery is recorded from its opening to its end, in order",
    "recovery_terminates": "every recovery ends: a recovery open at the end has an event in the second half of the run",
}
"""The consistency invariants and the property that each guarantees."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a run.

    `unit` is `s`, `1/s`, `fraction` (0 to 1), `ratio`, or the noun of what is counted; `direction` is the better
    direction, None when there is none.
    """

    name: str
    unit: str
    direction: Direction
    meaning: str


SIGNALS = {
    "agent": "silent agents",
    "progress": "tasks that are stalled according to heartbeats",
    "delivery": "connections with failed sends",
    "resource": "pools whose probe is unhealthy",
}
"""The signals of the detectors."""


class UnknownMetric(RecoveryBenchError, ValueError):
    """No metric has this name; `near` is the closest known name, or None."""

    def __init__(self, name: str, near: str | None) -> None:
        self.name = name
        self.near = near
        valid = f" (nearest: '{near}')" if near else "; valid: a metric of the catalogue, such as recovery.time.mean"
        super().__init__(f"unknown metric '{name}'{valid}")


Row = tuple[str, str, Direction, str]
ROWS: tuple[Row, ...] = (
    # tasks
    ("tasks.submitted", "tasks", None, "tasks submitted by clients, each request counted"),
    ("tasks.completed", "tasks", "higher", "tasks whose effect was accepted"),
    ("tasks.failed", "tasks", "lower", "tasks given up: escalated to an operator, or cancelled by their clients"),
    ("tasks.rejected", "tasks", "lower", "tasks rejected by a full queue"),
    ("tasks.lost", "tasks", "lower", "tasks without an owner, which will never finish"),
    ("tasks.unfinished", "tasks", None, "tasks still in the system at the end"),
    ("tasks.throughput", "1/s", "higher", "tasks completed per second"),
    ("tasks.wait.*", "s", "lower", "from submission to the first start"),
    ("tasks.sojourn.*", "s", "lower", "from submission to completion"),
    ("tasks.wait_probability", "fraction", "lower", "fraction of tasks that wait before their first start"),
    ("tasks.in_system.mean", "tasks", "lower", "unfinished tasks, averaged over time"),
    ("tasks.in_queue.mean", "tasks", "lower", "tasks that wait for an agent, averaged over time"),
    # attempts and retries
    ("attempts.started", "attempts", None, "attempts that began"),
    ("attempts.succeeded", "attempts", "higher", "attempts whose effect was accepted"),
    ("attempts.failed", "attempts", "lower", "attempts that ended in a failure"),
    ("attempts.interrupted", "attempts", "lower", "attempts that were interrupted"),
    ("attempts.timed_out", "attempts", "lower", "attempts that exceeded their timeout"),
    ("attempts.per_task.mean", "attempts", "lower", "attempts per task that was started"),
    ("attempts.amplification", "ratio", "lower", "attempts per task submitted"),
    ("retries.count", "retries", "lower", "retries granted"),
    ("retries.exhausted", "failures", "lower", "failures without a retry left"),
    ("retries.over_deadline", "failures", "lower", "of these, because the next retry would exceed the deadline"),
    ("retries.over_budget", "failures", "lower", "of these, because the retry budget was empty"),
    ("retries.held_back", "failures", "lower", "of these, because a circuit breaker was open"),
    ("breaker.openings", "openings", "lower", "openings of circuit breakers"),
    ("retries.delay.*", "s", None, "delay before a retry"),
    ("retries.per_failure.mean", "retries", "lower", "retries per failure"),
    # recovery, detection and diagnosis
    ("recovery.count", "recoveries", None, "recoveries opened"),
    ("recovery.succeeded", "recoveries", "higher", "recoveries verified"),
    ("recovery.failed", "tries", "lower", "failed tries at a recovery"),
    ("recovery.escalated", "recoveries", "lower", "recoveries escalated to an operator"),
    ("recovery.dismissed", "recoveries", None, "recoveries with nothing left to do"),
    ("recovery.censored", "recoveries", None, "recoveries still open at the end of the run"),
    ("escalations.open", "escalations", "lower", "escalated recoveries that no operator has resolved"),
    ("alerts.raised", "alerts", "lower", "alerts sent by the recovery monitor; not observed without a monitor"),
    ("alerts.warning", "alerts", "lower", "alerts sent with severity warning"),
    ("alerts.critical", "alerts", "lower", "alerts sent with severity critical, including storms"),
    ("recovery.time.*", "s", "lower", "from the fault to the verified recovery"),
    ("recovery.detect.*", "s", "lower", "from the fault to its detection"),
    ("recovery.wait.*", "s", "lower", "retry delay and queueing for a recovery slot"),
    ("recovery.analyze.*", "s", "lower", "diagnosis of the failure"),
    ("recovery.execute.*", "s", "lower", "the runbook's recovery commands"),
    ("recovery.verify.*", "s", "lower", "verification of the recovery"),
    ("recovery.paced.*", "s", "lower", "wait of tasks due to the load limit"),
    ("detection.latency.*", "s", "lower", "from an injected fault to its detection"),
    ("detection.false_positives", "alarms", "lower", "suspicions of healthy subjects"),
    ("detection.missed", "faults", "lower", "undetected faults"),
    *(
        row
        for signal, what in SIGNALS.items()
        for row in (
            (f"detection.{signal}.latency.*", "s", "lower", f"of this detector alone: {what}"),
            (f"detection.{signal}.false_positives", "alarms", "lower", f"of this detector alone: {what}"),
        )
    ),
    ("diagnosis.accuracy", "fraction", "higher", "fraction of recoveries whose diagnosis names the injected fault"),
    # work, agents, queue
    ("work.useful", "agent-s", "higher", "agent time spent on accepted effects"),
    ("work.wasted", "agent-s", "lower", "agent time spent on discarded work"),
    ("work.checkpoint", "agent-s", "lower", "agent time spent on writing and reading checkpoints"),
    ("work.wasted_fraction", "fraction", "lower", "wasted agent time as a fraction of all agent time spent"),
    ("agents.availability", "fraction", "higher", "true fraction of agent time up"),
    ("agents.availability_observed", "fraction", "higher", "fraction of agent time up according to the detector"),
    ("agents.up.mean", "agents", "higher", "agents up, averaged over time"),
    ("agents.all_up", "fraction", "higher", "fraction of time in which all agents are up"),
    ("agents.utilization", "fraction", None, "fraction of busy slots, averaged over time"),
    ("agents.restarts", "restarts", None, "restarts of agents"),
    ("queue.depth.mean", "tasks", "lower", "queued tasks, averaged over time"),
    ("queue.depth.max", "tasks", "lower", "maximum number of queued tasks"),
    ("queue.deliveries", "deliveries", None, "deliveries to agents"),
    ("queue.redeliveries", "deliveries", "lower", "deliveries after the first of a task"),
    ("queue.duplicates", "deliveries", "lower", "deliveries that arrived twice"),
    ("queue.dead_lettered", "tasks", "lower", "tasks that reached the maximum number of deliveries"),
    # service
    ("service.availability", "fraction", "higher", "fraction of time in steady state"),
    ("restoration.time.*", "s", "lower", "from the end of a fault to steady state; infinite when it is never reached"),
    ("client.timeouts", "requests", "lower", "requests that timed out at their client"),
    ("client.retries", "requests", "lower", "requests that clients retried"),
    ("client.abandoned", "requests", "lower", "requests that clients gave up"),
    ("client.goodput", "1/s", "higher", "responses per second that came in time, or late and were accepted"),
    ("client.amplification", "ratio", "lower", "submissions per request"),
    ("client.response.*", "s", "lower", "from the first submission of a request to its response"),
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
"""Name, unit, better direction, meaning; `.*` expands to the statistics of a distribution."""
_POOL: tuple[Row, ...] = (
    ("utilization", "fraction", None, "fraction of the pool's units that are held, averaged over time"),
    ("available", "fraction", "higher", "fraction of the pool's units in service, averaged over time"),
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
    """Every metric, including those of the named pools, grouped as in the reference."""
    return (*_fixed().values(), *(metric for resource in resources for metric in _of_pool(resource)))


def lookup(name: str, resources: Iterable[str] | None = None) -> Metric:
    """The metric of this name. `resources` are the existing pools; None accepts a pool of any name.

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

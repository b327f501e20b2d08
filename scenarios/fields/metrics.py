"""The catalogue of metrics: name, unit, better direction, meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from pydantic_core import PydanticCustomError

from recovery.errors import RecoveryBenchError
from recovery.model import FailureKind
from scenarios.errors import nearest
from scenarios.fields.quantities import seconds

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
    "recovery_terminates": "every recovery ends: one that is open at the end waits as configured, or for what a fault "
    "took away, or has an event in the second half of the run; without a limit on retries, fewer than 20 failed tries",
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
    ("attempts.succeeded", "attempts", None, "attempts whose effect was accepted"),
    ("attempts.failed", "attempts", None, "attempts that ended in a failure"),
    ("attempts.interrupted", "attempts", None, "attempts that were interrupted"),
    ("attempts.timed_out", "attempts", None, "attempts that exceeded their timeout"),
    ("attempts.per_task.mean", "attempts", None, "attempts per task that was completed or given up"),
    ("attempts.amplification", "ratio", None, "attempts per task submitted"),
    ("retries.count", "retries", None, "retries granted"),
    ("retries.exhausted", "failures", "lower", "failures without a retry left"),
    ("retries.over_deadline", "failures", "lower", "of these, because the next retry would exceed the deadline"),
    ("retries.over_budget", "failures", "lower", "of these, because the retry budget was empty"),
    ("retries.held_back", "failures", "lower", "of these, because a circuit breaker was open"),
    ("breaker.openings", "openings", None, "openings of circuit breakers"),
    ("retries.delay.*", "s", None, "delay before a retry"),
    ("retries.per_failure.mean", "retries", None, "retries per failure"),
    # recovery, detection and diagnosis
    ("recovery.count", "recoveries", None, "recoveries opened"),
    ("recovery.succeeded", "recoveries", None, "recoveries verified"),
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
    ("recovery.paced.*", "s", None, "wait of tasks due to the load limit"),
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
    ("work.useful", "agent-s", None, "slot time of work on accepted effects, or not discarded at the end of the run"),
    ("work.wasted", "agent-s", "lower", "slot time of work that was discarded, or whose answer no client waited for"),
    ("work.checkpoint", "agent-s", None, "slot time of writes and reads of checkpoints, those cut short included"),
    ("work.idle", "agent-s", None, "slot time of agents that are up, without a started attempt"),
    ("work.down", "agent-s", "lower", "slot time of agents that are crashed, hung, stopped or restarting"),
    ("work.wasted_fraction", "fraction", "lower", "wasted ÷ (useful + wasted)"),
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
    # faults and service
    ("faults.injected", "faults", None, "injected faults, each of their targets counted"),
    ("faults.skipped", "faults", None, "targets of faults that did not exist: no running task, no free unit"),
    ("service.availability", "fraction", "higher", "fraction of time in steady state"),
    ("restoration.time.*", "s", "lower", "from the end of a fault to steady state; infinite when it is never reached"),
    ("client.timeouts", "requests", "lower", "requests that timed out at their client"),
    ("client.retries", "requests", None, "requests that clients retried"),
    ("client.abandoned", "requests", "lower", "requests that clients gave up"),
    ("client.goodput", "1/s", "higher", "responses per second that came in time, or late and were accepted"),
    ("client.amplification", "ratio", None, "submissions per request"),
    ("client.response.*", "s", "lower", "from the first submission of a request to its response"),
    ("cost.total", "cost", "lower", "sum of the costs below, at the prices of `cost`; not observed without prices"),
    ("cost.agents", "cost", "lower", "cost of all agents for the window, whatever they do"),
    ("cost.retries", "cost", "lower", "cost of the retries granted"),
    ("cost.lost_tasks", "cost", "lower", "cost of the tasks that were given up, rejected or lost"),
    ("cost.late_tasks", "cost", "lower", "cost of the other tasks that took too long, also those that are unfinished"),
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
NO_DIRECTION = {
    "tasks.submitted": "the load, which a setting does not choose",
    "tasks.unfinished": "depends on the instant at which the run ends",
    "attempts.started": "follows the load",
    "retries.delay.*": "a longer delay is a price, and what it is paid for is elsewhere",
    "recovery.count": "follows the failures",
    "recovery.dismissed": "there was nothing to recover",
    "recovery.censored": "depends on the instant at which the run ends",
    "agents.utilization": "high when there is much to do, and low when it is done fast",
    "agents.restarts": "follows the failures",
    "queue.deliveries": "follows the load",
    "faults.injected": "about the experiment, not the system",
    "faults.skipped": "about the experiment, not the system",
    "run.events": "about the run, not the system",
    "run.virtual_seconds": "about the run, not the system",
    "*.sd": "less spread is not better by itself",
    "attempts.succeeded": "follows tasks.completed",
    "attempts.failed": "a policy that gives up early has fewer attempts of every kind",
    "attempts.interrupted": "a policy that gives up early has fewer attempts of every kind",
    "attempts.timed_out": "a policy that gives up early has fewer attempts of every kind",
    "attempts.per_task.mean": "a policy that gives up early has fewer attempts per task",
    "attempts.amplification": "below 1 when tasks wait without an attempt, as in a collapsed system",
    "retries.count": "a policy that gives up early grants fewer retries",
    "retries.per_failure.mean": "a policy that gives up early grants fewer retries",
    "breaker.openings": "an open breaker is what protects the system",
    "recovery.succeeded": "more recoveries may be due to more failures",
    "recovery.paced.*": "the load limit does what it is configured to do",
    "work.useful": "more work may be due to more demand, and its value is in tasks.completed",
    "work.idle": "high when there is little to do, and high when it is done fast",
    "work.checkpoint": "checkpoints cost time and save work; work.wasted has the other half",
    "client.retries": "clients that give up early retry less",
    "client.amplification": "clients that give up early retry less",
}
"""Why more or less of these metrics is not better. Comparisons call such a difference `different`."""

_POOL: tuple[Row, ...] = (
    ("utilization", "fraction", None, "fraction of the pool's units that are held, averaged over time"),
    ("available", "fraction", "higher", "fraction of the pool's units in service, averaged over time"),
)
POOL_GROUP = "resources"
DOWNSTREAM = "downstream:"
"""What stands before the name of a dependency among the parts of a scenario that have metrics of their own."""
_DOWNSTREAM: tuple[Row, ...] = (
    ("calls", "calls", None, "calls made by attempts"),
    ("answered", "calls", None, "calls that were served"),
    ("rate_limited", "calls", "lower", "calls rejected by the rate limit"),
    ("overloaded", "calls", "lower", "calls rejected because too many waited"),
    ("failed", "calls", "lower", "calls that failed because the dependency was down"),
    ("rejected", "fraction", "lower", "fraction of the calls that were rejected, for either reason"),
    ("amplification", "ratio", None, "calls per task that made any"),
    ("in_service.mean", "calls", None, "calls that are served, averaged over time"),
    ("waiting.mean", "calls", "lower", "calls that wait for the capacity, averaged over time"),
    ("wait.*", "s", "lower", "from a call to the start of its service"),
    ("response.*", "s", "lower", "from a call to its answer"),
)
WITHIN = "tasks.within"
KIND_GROUPS = ("recovery", "retries", "diagnosis")
"""The groups whose metrics also exist for one kind of failure: `recovery.agent_failure.time.p95`."""
NOT_BY_KIND = ("recovery.paced", "retries.over_deadline", "retries.over_budget", "retries.held_back")


TASK_KIND_GROUPS = ("tasks", "attempts", "retries", "recovery")
"""The groups whose metrics also exist for one kind of tasks: `tasks.chat.sojourn.p95`."""
NOT_BY_TASK_KIND = (*NOT_BY_KIND, "alerts", "breaker")
TASK_KIND = "tasks:"
"""What stands before the name of a kind of tasks among the parts of a scenario that have metrics of their own."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a metric says of a distribution: `mean`, `sd`, `max`, a percentile as `p99.9`, or the share `within` a time.

    `distribution` is the name before it, as in `tasks.sojourn`. `argument` is the share below a percentile (0.999), or
    the time in seconds.
    """

    distribution: str
    name: str
    argument: float | None = None


def statistic_of(metric: str) -> Statistic | None:
    """The statistic that a name asks for, whether the distribution exists or not. None for other names."""
    if metric.startswith(f"{WITHIN}(") and metric.endswith(")"):
        try:
            return Statistic(WITHIN, "within", seconds(metric[len(WITHIN) + 1 : -1]))
        except PydanticCustomError:
            return None
    if of_kind := re.fullmatch(r"tasks\.([\w-]+)\.within(\(.*\))", metric, re.ASCII):
        whole = statistic_of(f"{WITHIN}{of_kind[2]}")
        return whole and replace(whole, distribution=f"tasks.{of_kind[1]}.within")
    distribution, _, statistic = metric.rpartition(".")
    found = re.fullmatch(r"(.+)\.p(\d{1,2}(?:\.\d{1,6})?)", metric, re.ASCII)
    if found and 0 < float(found[2]) < 100:
        return Statistic(found[1], f"p{found[2]}", float(found[2]) / 100)
    return Statistic(distribution, statistic) if distribution and statistic in {"mean", "sd", "max"} else None


def _expanded(rows: Iterable[Row]) -> Iterator[Metric]:
    for name, unit, direction, meaning in rows:
        if not name.endswith(".*"):
            yield Metric(name, unit, direction, meaning)
            continue
        for statistic in STATISTICS:
            better = None if statistic == "sd" else direction
            yield Metric(f"{name[:-1]}{statistic}", unit, better, f"{STATISTIC_MEANING[statistic]}: {meaning}")


DISTRIBUTIONS = frozenset(row[0].removesuffix(".*") for row in ROWS if row[0].endswith(".*"))
"""The names before `.mean` or `.p95` of the distributions that every run has."""


@cache
def _fixed() -> dict[str, Metric]:
    return {metric.name: metric for metric in _expanded(ROWS)}


def pool_rows(resource: str) -> list[Row]:
    """The rows of one pool's metrics."""
    return [(f"{POOL_GROUP}.{resource}.{name}", unit, direction, meaning) for name, unit, direction, meaning in _POOL]


def _of_pool(resource: str) -> list[Metric]:
    return list(_expanded(pool_rows(resource)))


def catalogue(parts: Iterable[str] = ()) -> tuple[Metric, ...]:
    """Every metric, including those of the named pools, grouped as in the reference.

    `parts` are those of a scenario (`parts_of`); those that are not pools have their metrics when they are asked for.
    """
    pools = [part for part in parts if ":" not in part]
    return (*_fixed().values(), *(metric for pool in pools for metric in _of_pool(pool)))


def parts_of(resources: Iterable[str], kinds: Iterable[str], downstream: Iterable[str]) -> tuple[str, ...]:
    """The parts of a scenario that have metrics of their own.

    Pools are there by their names, kinds of tasks as `tasks:NAME`, and dependencies as `downstream:NAME`.
    """
    return (*resources, *(f"{TASK_KIND}{kind}" for kind in kinds), *(f"{DOWNSTREAM}{name}" for name in downstream))


def downstream_rows(dependency: str) -> list[Row]:
    """The rows of one dependency's metrics."""
    return [(f"downstream.{dependency}.{name}", *rest) for name, *rest in _DOWNSTREAM]  # type: ignore[misc]


def _of_dependency(name: str, parts: Iterable[str] | None) -> Metric | None:
    """The metric of a dependency among these parts; None accepts one of any name."""
    found = re.match(r"downstream\.([\w-]+)\.", name, re.ASCII)
    if found is None or (parts is not None and f"{DOWNSTREAM}{found[1]}" not in parts):
        return None
    known = {metric.name: metric for metric in _expanded(downstream_rows(found[1]))}
    of = statistic_of(name)
    if name in known or of is None or of.argument is None:
        return known.get(name)
    similar = known.get(f"{of.distribution}.p95")
    return similar and replace(similar, name=name)


def by_task_kind(kinds: Iterable[str]) -> tuple[str, ...]:
    """The names of the catalogue's metrics of these kinds of tasks, such as `tasks.chat.sojourn.p95`."""
    names = [name.partition(".") for name in _fixed()]
    every = (f"{group}.{kind}.{rest}" for kind in kinds for group, _, rest in names)
    return tuple(name for name in every if _of_task_kind(name, None) is not None)


def by_kind() -> tuple[str, ...]:
    """The names of the catalogue's metrics of one kind of failure, such as `recovery.agent_failure.time.p95`."""
    names = [name.partition(".") for name in _fixed()]
    every = (f"{group}.{kind}.{rest}" for kind in FailureKind for group, _, rest in names)
    return tuple(name for name in every if _of_kind(name) is not None)


def lookup(name: str, parts: Iterable[str] | None = None) -> Metric:
    """The metric of this name.

    `parts` are the existing pools and kinds of tasks (`parts_of`); None accepts a pool and a kind of any name.

    Raises `UnknownMetric`, which suggests the nearest one.
    """
    metric = _fixed().get(name) or _within(name) or _of_kind(name) or _percentile(name)
    if metric is not None:
        return metric
    parts = None if parts is None else list(parts)
    kinds = None if parts is None else [part.removeprefix(TASK_KIND) for part in parts if part.startswith(TASK_KIND)]
    pools = _pool_in(name) if parts is None else [part for part in parts if ":" not in part]
    of_pools = {metric.name: metric for pool in pools for metric in _of_pool(pool)}
    metric = of_pools.get(name) or _of_task_kind(name, kinds) or _of_dependency(name, parts)
    if metric is not None:
        return metric
    of_kinds = [*by_task_kind(kinds or ()), *_names_of_dependencies(parts or ())]
    raise UnknownMetric(name, nearest(name, [*_fixed(), *of_pools, *by_kind(), *of_kinds, f"{WITHIN}(60s)"]))


def _names_of_dependencies(parts: Iterable[str]) -> list[str]:
    names = [part.removeprefix(DOWNSTREAM) for part in parts if part.startswith(DOWNSTREAM)]
    return [metric.name for name in names for metric in _expanded(downstream_rows(name))]


def _of_task_kind(name: str, kinds: Iterable[str] | None) -> Metric | None:
    """The metric of one of these kinds of tasks; None accepts any name but a misspelled kind of failure."""
    group, _, rest = name.partition(".")
    kind, _, rest = rest.partition(".")
    whole = f"{group}.{rest}"
    if group not in TASK_KIND_GROUPS or not rest or whole.startswith(NOT_BY_TASK_KIND):
        return None
    if (kind not in kinds) if kinds is not None else nearest(kind, list(FailureKind)) is not None:
        return None
    if kind.startswith("within("):
        return None
    metric = _fixed().get(whole) or _within(whole) or _percentile(whole)
    return metric and replace(metric, name=name, meaning=f"{metric.meaning}; of this kind of tasks")


def _within(name: str) -> Metric | None:
    of = statistic_of(name)
    if of is None or of.name != "within":
        return None
    return Metric(name, "fraction", "higher", "share of the submitted tasks that were completed within this time")


def _of_kind(name: str) -> Metric | None:
    group, _, rest = name.partition(".")
    kind, _, rest = rest.partition(".")
    whole = f"{group}.{rest}"
    if group not in KIND_GROUPS or kind not in list(FailureKind) or whole.startswith(NOT_BY_KIND):
        return None
    metric = _fixed().get(whole) or _percentile(whole)
    return metric and replace(metric, name=name, meaning=f"{metric.meaning}; of this kind of failure")


def _percentile(name: str) -> Metric | None:
    of = statistic_of(name)
    similar = None if of is None or of.argument is None else _fixed().get(f"{of.distribution}.p95")
    if of is None or similar is None:
        return None
    return replace(similar, name=name, meaning=similar.meaning.replace("95th percentile", f"percentile {of.name[1:]}"))


def _pool_in(name: str) -> list[str]:
    group, _, rest = name.partition(".")
    resource = rest.rpartition(".")[0]
    return [resource] if group == POOL_GROUP and resource else []

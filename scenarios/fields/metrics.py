"""Metrics by name: those of every run, of parts of a scenario, of kinds of failures and of tasks, and percentiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from pydantic_core import PydanticCustomError

from recovery.errors import RecoveryBenchError
from recovery.model import FailureKind
from scenarios.errors import nearest
from scenarios.fields.metric_rows import (
    DOWNSTREAM_ROWS,
    RESOURCE_ROWS,
    ROWS,
    STATISTIC_MEANING,
    STATISTICS,
    Direction,
    Row,
)
from scenarios.fields.quantities import seconds


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


class UnknownMetric(RecoveryBenchError, ValueError):
    """No metric has this name; `near` is the closest known name, or None."""

    def __init__(self, name: str, near: str | None) -> None:
        self.name = name
        self.near = near
        valid = f" (nearest: '{near}')" if near else "; valid: a metric of the catalogue, such as recovery.time.mean"
        super().__init__(f"unknown metric '{name}'{valid}")


def _rows_of(group: str, part: str) -> tuple[Row, ...]:
    """The rows of a group for one part of it, without the group."""
    own = [(row[0].removeprefix(f"{group}."), *row[1:]) for row in ROWS if row[0].startswith(f"{group}.")]
    return tuple((name, unit, better, f"{meaning}; of this {part}") for name, unit, better, meaning in own)


PARTS: dict[str, tuple[str, tuple[Row, ...]]] = {
    "resources": ("", RESOURCE_ROWS),
    "downstream": ("downstream:", DOWNSTREAM_ROWS),
    "agents": ("agents:", _rows_of("agents", "pool")),
    "work": ("agents:", _rows_of("work", "pool")),
    "queue": ("queue:", _rows_of("queue", "queue")),
}
"""The groups with metrics of single parts, as `agents.gpu.utilization`: what stands before the name of such a part
among the `parts` of a scenario, and the rows of its metrics.
"""
WITHIN = "tasks.within"
KIND_GROUPS = ("recovery", "retries", "diagnosis")
"""The groups whose metrics also exist for one kind of failure: `recovery.agent_failure.time.p95`."""
NOT_BY_KIND = ("recovery.paced", "retries.over_deadline", "retries.over_budget", "retries.held_back")


TASK_KIND_GROUPS = ("tasks", "attempts", "retries", "recovery", "client")
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


def part_rows(group: str, name: str) -> list[Row]:
    """The rows of the metrics of one part of a group: a resource, a dependency, a pool of agents or a queue."""
    return [(f"{group}.{name}.{metric}", *rest) for metric, *rest in PARTS[group][1]]  # type: ignore[misc]


def catalogue(parts: Iterable[str] = ()) -> tuple[Metric, ...]:
    """Every metric, including those of the named resources, grouped as in the reference.

    `parts` are those of a scenario (`parts_of`); those that are not resources have their metrics when they are asked
    for (`by_part`).
    """
    resources = [part for part in parts if ":" not in part]
    of_resources = (metric for name in resources for metric in _expanded(part_rows("resources", name)))
    return (*_fixed().values(), *of_resources)


def parts_of(
    resources: Iterable[str],
    kinds: Iterable[str],
    downstream: Iterable[str],
    pools: Iterable[str] = (),
    queues: Iterable[str] = (),
) -> tuple[str, ...]:
    """The parts of a scenario that have metrics of their own.

    Resources are there by their names, kinds of tasks as `tasks:NAME`, dependencies as `downstream:NAME`, pools of
    agents as `agents:NAME`, and further queues as `queue:NAME`.
    """
    named = {"downstream": downstream, "agents": pools, "queue": queues}
    others = (f"{PARTS[group][0]}{name}" for group, names in named.items() for name in names)
    return (*resources, *(f"{TASK_KIND}{kind}" for kind in kinds), *others)


def _of_part(name: str, parts: Iterable[str] | None) -> Metric | None:
    """The metric of one of these parts; None accepts a part of any name."""
    found = re.match(r"(\w+)\.([\w-]+)\.", name, re.ASCII)
    if found is None or found[1] not in PARTS:
        return None
    if parts is not None and f"{PARTS[found[1]][0]}{found[2]}" not in parts:
        return None
    known = {metric.name: metric for metric in _expanded(part_rows(found[1], found[2]))}
    of = statistic_of(name)
    if name in known or of is None or of.argument is None:
        return known.get(name)
    similar = known.get(f"{of.distribution}.p95")
    return similar and replace(similar, name=name)


def _part_in(name: str) -> list[str]:
    """The part that the name of a metric has, whether it exists or not."""
    found = re.match(r"(\w+)\.([\w-]+)\.", name, re.ASCII)
    return [f"{PARTS[found[1]][0]}{found[2]}"] if found is not None and found[1] in PARTS else []


def by_part(parts: Iterable[str]) -> tuple[str, ...]:
    """The names of the metrics of these parts, without resources and kinds of tasks, as `agents.gpu.up.mean`."""
    groups = [(group, before) for group, (before, _) in PARTS.items() if before]
    named = [
        (group, part.removeprefix(before)) for part in parts for group, before in groups if part.startswith(before)
    ]
    return tuple(metric.name for group, name in named for metric in _expanded(part_rows(group, name)))


def by_task_kind(kinds: Iterable[str]) -> tuple[str, ...]:
    """The names of the catalogue's metrics of these kinds of tasks, such as `tasks.chat.sojourn.p95`."""
    return _by_task_kind(tuple(kinds))


@lru_cache(maxsize=128)  # each name takes a search for misspellings
def _by_task_kind(kinds: tuple[str, ...]) -> tuple[str, ...]:
    names = [name.partition(".") for name in _fixed()]
    every = (f"{group}.{kind}.{rest}" for kind in kinds for group, _, rest in names)
    return tuple(name for name in every if _of_task_kind(name, None) is not None)


@cache
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
    metric = _of_part(name, parts) or _of_task_kind(name, kinds)
    if metric is not None:
        return metric
    parts = _part_in(name) if parts is None else parts
    names = [metric.name for metric in catalogue(parts)]
    of_parts = [*by_task_kind(kinds or ()), *by_part(parts)]
    raise UnknownMetric(name, nearest(name, [*names, *by_kind(), *of_parts, f"{WITHIN}(60s)"]))


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

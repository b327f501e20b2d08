"""A scenario as one kind of tasks sees it, for checks that are about single tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenarios.errors import Path
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Diurnal, Interval, Poisson
from scenarios.sections.tasks import TaskSettings

_TASK_FAILURE = ("recovery", "conditions", "task_failure")


def views(scenario: ScenarioFields) -> list[tuple[str, ScenarioFields]]:
    """For each kind of tasks its name and the scenario with this kind alone; without kinds, `""` and the scenario.

    It has the share of the arrivals, the queue, the number of agents that take the kind, and the policy for failed
    attempts that apply to the kind.
    """
    return [(name, _view(scenario, name)) for name in scenario.tasks.kinds] or [("", scenario)]


def _view(scenario: ScenarioFields, name: str) -> ScenarioFields:
    kind = scenario.tasks.kinds[name]
    tasks = scenario.tasks.of_kind(name)
    if kind.arrivals is None:
        tasks = _thinned(tasks, scenario.tasks.shares[name])
    changes: dict[str, Any] = {"tasks": tasks}
    if kind.retry is not None:
        conditions = scenario.recovery.conditions.model_copy(update={"task_failure": kind.retry})
        changes["recovery"] = scenario.recovery.model_copy(update={"conditions": conditions})
    queue = queue_of(scenario, name)
    if queue in scenario.queues:
        changes["queue"] = scenario.queues[queue]
    every = scenario.agents.pools
    pools = {key: pool for key, pool in every.items() if pool.takes is None or name in pool.takes}
    if pools:
        agents = {"count": sum(pool.count for pool in pools.values()), "pools": pools}
        changes["agents"] = scenario.agents.model_copy(update=agents)
    return scenario.model_copy(update=changes)


def queue_of(scenario: ScenarioFields, name: str) -> str:
    """The queue of a kind of tasks in `queues`; empty for that of `queue`."""
    return scenario.tasks.kinds[name].queue or ""


def _thinned(tasks: TaskSettings, share: float) -> TaskSettings:
    """The tasks with a share of the mean rate of arrivals, where they have one."""
    arrivals = tasks.arrivals
    if share <= 0:
        return tasks
    if isinstance(arrivals, Poisson | Diurnal):
        return tasks.model_copy(update={"arrivals": arrivals.model_copy(update={"rate": arrivals.rate * share})})
    if isinstance(arrivals, Interval):
        return tasks.model_copy(update={"arrivals": arrivals.model_copy(update={"every": arrivals.every / share})})
    return tasks


def own_path(scenario: ScenarioFields, name: str, path: Path) -> Path:
    """Where a value of a view is in the scenario itself: at the kind, or at what all kinds have in common."""
    if not name:
        return path
    kind = scenario.tasks.kinds[name]
    if path[:1] == ("tasks",) and len(path) > 1 and getattr(kind, str(path[1]), None) is not None:
        return ("tasks", "kinds", name, *path[1:])
    if path[:3] == _TASK_FAILURE and kind.retry is not None:
        return ("tasks", "kinds", name, "retry", *path[3:])
    if path[:1] == ("queue",) and (queue := queue_of(scenario, name)):
        return ("queues", queue, *path[1:])
    return path


def any_task(scenario: ScenarioFields) -> Sequence[TaskSettings]:
    """The settings of each kind of tasks; without kinds, of all tasks."""
    return [view.tasks for _, view in views(scenario)]

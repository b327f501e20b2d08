"""Settings of a scenario that are valid and contradict each other in effect: warnings, which prevent nothing.

Contradictions that make a scenario meaningless are errors of `scenarios.cross_checks`. A warning is about settings that
hardly do what they are for, such as a time limit below the duration of what it limits. It compares closed forms;
nothing is run.
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.consistency.budgets import about_budgets
from scenarios.consistency.faults import about_faults
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind
from scenarios.consistency.leases import about_leases
from scenarios.consistency.limits import about_limits
from scenarios.consistency.load import about_load, about_overload
from scenarios.consistency.retry_schedules import about_retries
from scenarios.consistency.retry_waves import about_waves
from scenarios.consistency.time_limits import about_time_limits
from scenarios.errors import shown, written
from scenarios.schema import ScenarioFields
from scenarios.task_views import own_path, views

__all__ = ["Inconsistency", "InconsistencyKind", "inconsistencies"]


def inconsistencies(scenario: ScenarioFields) -> tuple[Inconsistency, ...]:
    """Every warning about a scenario, in a fixed order; empty if its settings are consistent.

    Those about single tasks are of each kind of tasks. What is wrong for all kinds alike is one warning.
    """
    kinds = views(scenario)
    checks = (about_load, about_time_limits, about_retries, about_waves, about_budgets, about_leases, about_limits)
    of_tasks = [_of_kinds(scenario, {name: list(check(view)) for name, view in kinds}) for check in checks]
    return (*about_overload(scenario), *(each for found in of_tasks for each in found), *about_faults(scenario))


def _of_kinds(scenario: ScenarioFields, found: dict[str, list[Inconsistency]]) -> list[Inconsistency]:
    """The warnings about several kinds of tasks, by their names, with the paths of the scenario."""
    told: dict[str, Inconsistency] = {}
    for name, of_kind in found.items():
        for each in of_kind:
            if all(any(str(other) == str(each) for other in others) for others in found.values()):
                told[str(each)] = each
                continue
            paths = tuple(written(own_path(scenario, name, tuple(path.split(".")))) for path in each.paths)
            own = replace(each, paths=paths, problem=f"kind {shown(name)}: {each.problem}")
            told[str(own)] = own
    return list(told.values())

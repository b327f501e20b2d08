"""Settings of a scenario that are valid and contradict each other in effect: warnings, which prevent nothing.

Contradictions that make a scenario meaningless are errors of `scenarios.cross_checks`. A warning is about settings that
hardly do what they are for, such as a time limit below the duration of what it limits. It compares closed forms;
nothing is run.
"""

from __future__ import annotations

from scenarios.consistency.budgets import about_budgets
from scenarios.consistency.faults import about_faults
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind
from scenarios.consistency.leases import about_leases
from scenarios.consistency.limits import about_limits
from scenarios.consistency.load import about_load
from scenarios.consistency.retry_schedules import about_retries
from scenarios.consistency.retry_waves import about_waves
from scenarios.consistency.time_limits import about_time_limits
from scenarios.schema import ScenarioFields

__all__ = ["Inconsistency", "InconsistencyKind", "inconsistencies"]


def inconsistencies(scenario: ScenarioFields) -> tuple[Inconsistency, ...]:
    """Every warning about a scenario, in a fixed order; empty if its settings are consistent."""
    checks = (
        about_load,
        about_time_limits,
        about_retries,
        about_waves,
        about_budgets,
        about_leases,
        about_limits,
        about_faults,
    )
    return tuple(found for check in checks for found in check(scenario))

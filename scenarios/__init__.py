"""Scenarios: experiments as validated data from YAML files.

`load` and `loads` return a `Scenario`, `Scenario.with_values` returns a copy with changed values, `ScenarioError`
describes invalid input in one line, and `inconsistencies` finds settings that contradict each other.
"""

from recovery.errors import RecoveryBenchError
from scenarios.consistency import Inconsistency, InconsistencyKind, inconsistencies
from scenarios.errors import ScenarioError
from scenarios.fields.metrics import UnknownMetric
from scenarios.loader import load, loads, names, path
from scenarios.scenario import Scenario

__all__ = [
    "Inconsistency",
    "InconsistencyKind",
    "RecoveryBenchError",
    "Scenario",
    "ScenarioError",
    "UnknownMetric",
    "inconsistencies",
    "load",
    "loads",
    "names",
    "path",
]

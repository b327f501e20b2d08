"""Scenarios: what goes wrong, as validated data from YAML files. `load` and `loads` make a
`Scenario`, `Scenario.with_values` another one with changes, and `ScenarioError` says in one line what is wrong.
"""

from recovery.errors import RecoveryBenchError
from scenarios.errors import ScenarioError
from scenarios.fields.metrics import UnknownMetric
from scenarios.loader import load, loads, names, path
from scenarios.scenario import Scenario

__all__ = ["RecoveryBenchError", "Scenario", "ScenarioError", "UnknownMetric", "load", "loads", "names", "path"]

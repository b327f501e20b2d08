"""Scenarios: experiments as validated data from YAML files. `load` and `loads` return a `Scenario`,
`Scenario.with_values` returns a copy with changed values, and `ScenarioError` describes invalid input in one line.
"""

from recovery.errors import RecoveryBenchError
from scenarios.errors import ScenarioError
from scenarios.fields.metrics import UnknownMetric
from scenarios.loader import load, loads, names, path
from scenarios.scenario import Scenario

__all__ = ["RecoveryBenchError", "Scenario", "ScenarioError", "UnknownMetric", "load", "loads", "names", "path"]

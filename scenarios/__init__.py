"""Scenarios: what goes wrong, as validated data from YAML files. `load` and `loads` make a
`Scenario`, `Scenario.with_values` another one with changes, and `ScenarioError` says in one line what is wrong.
"""

from scenarios.errors import ScenarioError
from scenarios.loader import load, loads, names, path
from scenarios.schema import Scenario

__all__ = ["Scenario", "ScenarioError", "load", "loads", "names", "path"]

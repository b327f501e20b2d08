"""Hypothesis strategies of scenarios: worlds, loads and schedules of faults within bounds.

A test with `@given(searched(scenarios.load("agent-failure"), faults=["core_crash"]))` gets scenarios, which `sim.run`
runs. `recovery-bench search` uses the same strategies.
"""

from sim.strategies.bounds import Bounds, BoundsError, Range, parse_values
from sim.strategies.schedules import Drawn, drawn, fault_schedules, searched

__all__ = [
    "Bounds",
    "BoundsError",
    "Drawn",
    "Range",
    "drawn",
    "fault_schedules",
    "parse_values",
    "searched",
]

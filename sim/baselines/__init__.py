"""Baselines: what a suite of scenarios measured before, and whether it measures worse now.

A baseline file has the metrics of each scenario with a value for each replication. A later run repeats these
replications: an unchanged system gives equal values, and a change is judged in pairs.
"""

from sim.baselines.file import BaselineError, read_baselines, write_baselines
from sim.baselines.judgment import Judgment, MetricJudgment, Verdict, judge
from sim.baselines.scenario_baseline import ScenarioBaseline, baseline_of
from sim.baselines.tolerances import read_tolerances

__all__ = [
    "BaselineError",
    "Judgment",
    "MetricJudgment",
    "ScenarioBaseline",
    "Verdict",
    "baseline_of",
    "judge",
    "read_baselines",
    "read_tolerances",
    "write_baselines",
]

"""The small scenario of the tests of baselines, its results and its baseline."""

from tests.sim.baselines.conftest import baseline, result, run_with, small_scenario

__all__ = ["baseline", "result", "run_with", "small_scenario"]

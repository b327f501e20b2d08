"""A small scenario, its results and its baseline."""

import pytest

import scenarios
import sim
from sim.baselines import baseline_of
from tests.sim.cli.small import SMALL

REPLICATIONS = 8


@pytest.fixture(scope="session")
def small_scenario():
    return scenarios.loads(SMALL % "40s", "small.scenario.yaml").with_values({"tasks.arrivals.poisson.rate": "0.5/s"})


@pytest.fixture(scope="session")
def result(small_scenario):
    return sim.replicate(small_scenario, seed=7, replications=REPLICATIONS)


@pytest.fixture(scope="session")
def baseline(result):
    return baseline_of(result)


@pytest.fixture(scope="session")
def run_with(small_scenario):
    """The result of the scenario with other values, on the replications of the baseline. Equal ones are made once."""
    results = {}

    def run(values, seed=7, replications=REPLICATIONS):
        key = (repr(values), seed, replications)
        if key not in results:
            results[key] = sim.replicate(small_scenario.with_values(values), seed=seed, replications=replications)
        return results[key]

    return run

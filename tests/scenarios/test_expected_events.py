"""The expected number of events, and the key that makes it high."""

import pytest

import scenarios
import sim
from scenarios.expected_events import expected_events


@pytest.fixture(scope="module")
def baseline():
    return scenarios.load("baseline")


@pytest.mark.parametrize("name", ["baseline", "agent-failure", "stale-checkpoints", "execution-failure"])
def test_the_estimate_has_the_order_of_magnitude_of_a_run(name):
    scenario = scenarios.load(name).with_values({"duration": "20m"})
    events = sim.run(scenario, seed=1).metrics["run.events"]
    assert events / 10 < expected_events(scenario).events < events * 10


def test_every_shipped_scenario_is_cheap():
    assert max(expected_events(scenarios.load(name)).events for name in scenarios.names()) < 1e6


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("agents.count", 10**20, "agents.count"),
        ("agents.slots", 10**15, "agents.slots"),
        ("agents.mtbf", 1e-9, "agents.mtbf"),
        ("duration", 1e300, "duration"),
        ("recovery.detection.heartbeat_interval", 1e-9, "recovery.detection.heartbeat_interval"),
        ("recovery.detection.poll", 1e-9, "recovery.detection.poll"),
        ("tasks.arrivals.poisson.rate", 1e15, "tasks.arrivals.poisson.rate"),
        ("tasks.arrivals", {"interval": {"every": 1e-300}}, "tasks.arrivals.interval.every"),
        ("tasks.arrivals", {"burst": {"size": 10**12}}, "tasks.arrivals.burst.size"),
        ("tasks.arrivals", {"closed": {"clients": 10**12}}, "tasks.arrivals.closed.clients"),
        ("tasks.arrivals", {"diurnal": {"rate": 1e12}}, "tasks.arrivals.diurnal.rate"),
        ("tasks.checkpoint", {"every": 1e-9}, "tasks.checkpoint.every"),
        ("steady_state", {"window": 1e-9, "holds": ["queue.depth.mean <= 20"]}, "steady_state.window"),
        ("recovery.cores.count", 10**15, "recovery.cores.count"),
        ("recovery.cores", {"count": 2, "lease": {"renew_every": 1e-9}}, "recovery.cores.lease.renew_every"),
        ("recovery.monitor", {"every": 1e-9}, "recovery.monitor.every"),
        ("faults", [{"agent_flap": {"at": "1s", "down": 1e-9, "up": 1e-9}}], "faults[0].agent_flap.down"),
        ("faults", [{"agent_crash": {"targets": 1, "every": 1e-9}}], "faults[0].agent_crash.every"),
        ("faults", [{"load_surge": {"at": "1m", "for": "5s", "factor": 1e12}}], "faults[0].load_surge.factor"),
    ],
)
def test_the_key_that_is_furthest_from_its_usual_value_is_named(baseline, path, value, key):
    found = expected_events(baseline.with_values({path: value}))
    assert found.key == key
    assert found.events > 1e9


def test_the_evaluations_of_the_service_are_expected(baseline):
    few = {"tasks.count": 3, "recovery.detection.detector": "perfect", "agents.mtbf": None, "faults": []}
    found = expected_events(baseline.with_values({**few, "duration": "1000000d"}))
    assert (found.key, found.events > 1e9) == ("duration", True)


def test_a_limit_on_the_tasks_limits_the_estimate(baseline):
    limited = baseline.with_values({"tasks.arrivals.poisson.rate": 1e15, "tasks.count": 100})
    assert expected_events(limited).events < 1e5

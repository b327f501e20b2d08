"""Two results compared: by pairs of replications where these are the same, as independent ones where they are not."""

from dataclasses import replace
from functools import partial

import pytest

import scenarios
import sim
from recovery import RetryPolicy

FASTER = {"recovery.detection.heartbeat_interval": "2s"}
SHORT = {"duration": "20m", "warmup": "2m", "tasks.arrivals.poisson.rate": "0.2/s"}
FAILING = {"tasks.failure_probability": "20%", "duration": "5m", "warmup": "0s", "faults": "[]", "expect": "[]"}


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load("agent-failure").with_values(SHORT)


@pytest.fixture(scope="module")
def before(scenario):
    return sim.replicate(scenario, seed=7, replications=5)


@pytest.fixture(scope="module")
def after(scenario):
    return sim.replicate(scenario.with_values(FASTER), seed=7, replications=5)


def without(result, *places):
    return replace(result, runs=tuple(run for place, run in enumerate(result.runs) if place not in places))


def test_two_results_give_the_same_comparison_as_two_settings(scenario, before, after):
    found = sim.compare(before, after)
    settings = sim.compare(scenario, {}, FASTER, seed=7, replications=5)
    assert found.differences == settings.differences
    assert found.a_values == {"recovery.detection.heartbeat_interval": 5.0}
    assert found.b_values == {"recovery.detection.heartbeat_interval": 2.0}


def test_stored_results_are_compared(before, after, tmp_path):
    before.save(tmp_path / "a.json")
    after.save(tmp_path / "b.json")
    found = sim.compare(sim.load(tmp_path / "a.json"), sim.load(tmp_path / "b.json"))
    assert found == sim.compare(before, after)
    found.save(tmp_path / "c.json")
    assert sim.load(tmp_path / "c.json") == found


def test_only_replications_of_both_results_are_paired(before, after):
    """Pairs are by name, and not by place."""
    found = sim.compare(without(before, 0), without(after, 2))
    assert found.paired
    assert [run.seed for run in found.a.runs] == ["7/1", "7/3", "7/4"]
    assert found.left_out == (1, 1)
    assert found.as_json()["left_out"] == {"a": 1, "b": 1}
    assert "a: 1 replication without a counterpart left out" in found._repr_html_()
    assert found.differences == sim.compare(without(before, 0, 2), without(after, 0, 2)).differences


def test_replications_in_another_order_are_paired(before, after):
    assert (
        sim.compare(before, replace(after, runs=after.runs[::-1])).differences == sim.compare(before, after).differences
    )


def test_results_of_other_seeds_are_independent(scenario, before):
    other = sim.replicate(scenario.with_values(FASTER), seed=8, replications=3)
    found = sim.compare(before, other)
    assert (found.paired, found.replications, found.counted) == (False, 3, "5 and 3 replications, not paired")
    of = found.differences["recovery.time.mean"]
    assert (of.verdict, of.variance_reduction) == ("better", None)
    assert "seeds 7 and 8, 5 and 3 replications, not paired" in found._repr_html_()
    assert found.as_json()["paired"] is False
    low, high = of.difference.ci95
    assert low < -7.5 < high


def test_equal_results_show_no_difference(before):
    assert {each.verdict for each in sim.compare(before, before).differences.values()} == {"no difference shown"}


@pytest.mark.parametrize("seed", [7, 8])
def test_pictures_of_results(scenario, before, seed):
    found = sim.compare(before, sim.replicate(scenario.with_values(FASTER), seed=seed, replications=3))
    assert found.counted in found.plot.differences().get_title(loc="left")
    drawn = found.plot.metric("recovery.time.mean")
    assert len([line for line in drawn.get_lines() if line.get_label() != "mean"]) == (3 if seed == 7 else 8)


@pytest.mark.long
def test_two_policies_are_compared():
    scenario = scenarios.load("execution-failure").with_values(FAILING)
    run = partial(sim.replicate, scenario, 7, 3)
    patient, hasty = (
        run(policies={"task_failure": RetryPolicy(max_retries=9, retry_delay=delay)}) for delay in (20.0, 1.0)
    )
    found = sim.compare(patient, hasty, metrics=["retries.delay.mean", "tasks.sojourn.mean"])
    assert found.differences["retries.delay.mean"].difference.mean == pytest.approx(-19.0)
    assert found.differences["tasks.sojourn.mean"].difference.mean < 0
    assert [{*values} for values in (found.a_values, found.b_values)] == [{"core"}, {"core"}]


def test_settings_are_compared_under_another_policy():
    scenario = scenarios.load("execution-failure").with_values(FAILING)
    policy = RetryPolicy(max_retries=9, retry_delay=4.0)
    found = sim.compare(
        scenario, {}, {"agents.count": 20}, 7, 2, metrics="retries.delay.mean", policies={"task_failure": policy}
    )
    assert found.differences["retries.delay.mean"].a == pytest.approx(4.0)


def test_one_replication_is_not_compared(before, after):
    with pytest.raises(ValueError, match="at least 2 replications of each result, and b has 1"):
        sim.compare(before, without(after, 1, 2, 3, 4))


@pytest.mark.parametrize("given", [("run",), ("result", {}), ({}, {})])
def test_other_arguments_are_refused(before, given):
    known = {"run": sim.run, "result": before}
    with pytest.raises(TypeError, match="two results, or a scenario and two mappings"):
        sim.compare(*(known.get(each, each) if isinstance(each, str) else each for each in (*given, {})[:3]))

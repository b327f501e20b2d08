"""Two settings on common random numbers."""

from dataclasses import replace

import pytest

import scenarios
import sim
from scenarios.errors import ScenarioError
from scenarios.fields.metric_rows import STATISTICS
from scenarios.fields.metrics import UnknownMetric
from sim.experiments.comparison.compare import CORE, compare
from sim.experiments.runs.unobserved import NeverObserved

FASTER = {"recovery.detection.heartbeat_interval": "2s"}
KINDS = ("agent_failure", "task_failure")
SHORT = {"duration": "20m", "warmup": "2m", "tasks.arrivals.poisson.rate": "0.2/s"}


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load("agent-failure").with_values(SHORT)


@pytest.fixture(scope="module")
def found(scenario):
    return compare(scenario, {}, FASTER, seed=7, replications=6, metrics=("*",))


def test_both_settings_use_common_random_numbers(found, scenario):
    alone = [sim.run(scenario.with_values(values), seed=7, replication=3) for values in ({}, FASTER)]
    assert [result.runs[3].history_sha256 for result in (found.a, found.b)] == [run.history_sha256 for run in alone]
    assert [run.metrics["tasks.submitted"] for run in found.a.runs] == [
        run.metrics["tasks.submitted"] for run in found.b.runs
    ]


def test_the_setting_with_the_better_expected_value_is_better(found):
    """Three missed heartbeats of 2 s instead of 5 s: detected 3 · 2.5 · (5 − 2) / 3 = 7.5 s earlier on average."""
    detect = found.differences["recovery.detect.mean"]
    low, high = detect.difference.ci95
    assert low <= -7.5 <= high
    assert (detect.verdict, detect.unit) == ("better", "s")
    assert found.differences["agents.availability"].verdict == "better"


def test_equal_settings_show_no_difference(scenario):
    found = compare(scenario, {}, {"agents.restart_time": "20s"}, seed=7, replications=3)
    assert {each.verdict for each in found.differences.values()} == {"no difference shown"}
    assert {each.difference.mean for each in found.differences.values()} == {0.0}


@pytest.mark.usefixtures("parallel")
def test_jobs_do_not_change_the_results(found, scenario):
    again = compare(scenario, {}, FASTER, seed=7, replications=6, jobs=2, metrics=("*",))
    assert again.frame.equals(found.frame)


def test_the_comparison_as_tidy_rows_and_json(found):
    row = found.frame.set_index("metric").loc["recovery.detect.mean"]
    assert row["difference"] == found.differences["recovery.detect.mean"].difference.mean
    assert (row["low"], row["high"]) == found.differences["recovery.detect.mean"].difference.ci95
    data = found.as_json()
    assert (data["a"], data["b"], data["replications"]) == ({}, FASTER, 6)
    told = data["metrics"]["recovery.detect.mean"]
    assert {"a", "b", "unit", "difference", "verdict"} <= told.keys()
    assert told["difference"]["mean"] == row["difference"]


@pytest.fixture(scope="module")
def of_two_kinds(scenario):
    mixed = scenario.with_values({"tasks.failure_probability": 0.02})
    return compare(mixed, {}, {"agents.restart_time": "5s"}, seed=7, replications=3)


def test_several_kinds_of_failure_are_compared_each(of_two_kinds, scenario):
    """A mean over all kinds depends on how many there are of each."""
    assert of_two_kinds.differences["recovery.agent_failure.time.mean"].verdict == "better"
    assert of_two_kinds.differences["recovery.task_failure.time.mean"].verdict == "no difference shown"
    assert set(of_two_kinds.differences) <= {*CORE, *(f"recovery.{kind}.time.mean" for kind in KINDS)}
    one_kind = compare(scenario, {}, FASTER, seed=7, replications=2)
    assert set(one_kind.differences) <= set(CORE)


def test_metrics_that_are_computed_on_demand_can_be_compared(of_two_kinds):
    names = ("recovery.agent_failure.time.p90", "tasks.within(10s)", "tasks.sojourn.p99.9")
    asked = replace(of_two_kinds, chosen=names)
    assert set(asked.differences) == set(names)
    assert asked.differences["recovery.agent_failure.time.p90"].difference.mean == pytest.approx(-15, abs=0.5)
    with pytest.raises(NeverObserved):
        replace(of_two_kinds, chosen=("recovery.communication_failure.time.p90",)).differences  # noqa: B018


def test_a_pattern_can_be_about_one_kind_of_failure(of_two_kinds, scenario):
    asked = replace(of_two_kinds, chosen=("recovery.agent_failure.time.*",))
    assert set(asked.differences) == {f"recovery.agent_failure.time.{name}" for name in STATISTICS}
    whole = replace(of_two_kinds, chosen=("recovery.time.*",))
    assert set(whole.differences) == {f"recovery.time.{name}" for name in STATISTICS}
    with pytest.raises(UnknownMetric):
        compare(scenario, {}, FASTER, metrics=("recovery.agent_failures.time.*",))


def test_fewer_metrics_are_fewer_hypotheses(scenario):
    found = compare(scenario, {}, FASTER, seed=7, replications=3, metrics=("recovery.time.*", "tasks.lost"))
    assert set(found.differences) == {
        "tasks.lost",
        *(f"recovery.time.{each}" for each in ("mean", "sd", "p50", "p95", "p99", "max")),
    }


def test_metrics_of_the_run_itself_are_not_compared(found):
    assert not [name for name in found.differences if name.startswith("run.")]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"metrics": ("recovery.tme.mean",)}, UnknownMetric),
        ({"metrics": ("nothing.*",)}, UnknownMetric),
        ({"metrics": ("client.goodput",)}, NeverObserved),
        ({"replications": 1}, ValueError),
        ({"b": {"recovery.detection.heartbeet": "1s"}}, ScenarioError),
    ],
)
def test_incomparable_settings_are_rejected(scenario, values, error):
    given = {"a": {}, "b": FASTER, "seed": 7, "replications": 2} | values
    with pytest.raises(error):
        compare(scenario, **given).differences  # noqa: B018 - it is worked out then


def test_an_interrupt_compares_the_finished_replications(scenario):
    seen = []

    def stop(summary):
        seen.append(summary)
        if len(seen) == 5:
            raise KeyboardInterrupt

    found = compare(scenario, {}, FASTER, seed=7, replications=6, on_run=stop)
    assert (found.interrupted, found.replications) == (True, 2)


def test_an_interrupt_before_the_first_pair_is_raised(scenario):
    def stop(summary):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(scenario, {}, FASTER, seed=7, replications=2, on_run=stop)


def test_common_random_numbers_narrow_the_interval(found):
    saved = [each.variance_reduction for each in found.differences.values() if each.variance_reduction is not None]
    assert sorted(saved)[len(saved) // 2] > 1


@pytest.mark.parametrize("seed", [-1, 1.5, True, "x", ""])
def test_an_invalid_seed_is_rejected_everywhere(scenario, seed):
    point = {"agents.count": 8}
    for experiment in (
        lambda: sim.run(scenario, seed),
        lambda: sim.replicate(scenario, seed, 2),
        lambda: sim.compare(scenario, {}, point, seed),
        lambda: sim.sweep(scenario, [point], seed),
        lambda: sim.select(scenario, [point, {"agents.count": 9}], "recovery.time.mean", 1.0, seed),
        lambda: sim.rare(scenario, "recovery.time > 60s", seed),
        lambda: sim.find_warmup(scenario, seed, 2),
    ):
        with pytest.raises(
            ValueError, match="is not a seed; valid: a whole number of at least 0, or a string such as '7/3'"
        ):
            experiment()


def test_a_single_metric_can_be_named(scenario):
    found = sim.compare(scenario, {}, {"agents.count": 8}, 7, 2, metrics="tasks.lost")
    assert [*found.differences] == ["tasks.lost"]


def test_one_replication_gives_no_interval(scenario):
    point = {"agents.count": 8}
    for experiment in (
        lambda: sim.compare(scenario, {}, point, "7/3"),
        lambda: sim.sweep(scenario, [point], "7/3"),
        lambda: sim.select(scenario, [point, {"agents.count": 9}], "recovery.time.mean", 1.0, "7/3"),
        lambda: sim.rare(scenario, "recovery.time > 60s", "7/3"),
    ):
        with pytest.raises(ValueError, match=r"7/3 is a single replication, .*; valid: a whole seed"):
            experiment()

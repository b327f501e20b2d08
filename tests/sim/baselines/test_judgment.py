"""PASS, REGRESSION or INCONCLUSIVE: by equal values, shown changes, tolerances and power."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

import sim
from scenarios.fields.tolerances import Tolerance
from sim.baselines import Verdict, baseline_of, judge

SLOWER = {"agents.restart_time": "25s"}
FASTER = {"agents.restart_time": "10s"}
LITTLE = {"agents.restart_time": "20100ms"}


def verdicts(judgment):
    return {each.metric: str(each.verdict) for each in judgment.metrics}


def of(judgment, metric="recovery.time.mean"):
    return next(each for each in judgment.metrics if each.metric == metric)


def test_an_unchanged_system_is_identical(baseline, small_scenario):
    judgment = judge(baseline, sim.replicate(small_scenario, seed=7, replications=8))
    assert judgment.identical
    assert judgment.verdict is Verdict.PASS
    assert judgment.changes == ()
    assert all(each.difference is None for each in judgment.metrics)


def test_a_slower_recovery_is_a_regression(baseline, run_with):
    judgment = judge(baseline, run_with(SLOWER))
    assert (judgment.verdict, judgment.paired) == (Verdict.REGRESSION, True)
    found = of(judgment)
    assert found.verdict is Verdict.REGRESSION
    assert found.difference.difference.mean == pytest.approx(5.0)
    assert found.margin == pytest.approx(0.05 * found.before.mean)
    assert verdicts(judgment)["tasks.lost"] == "PASS"


def test_a_shown_change_within_its_tolerance_passes(baseline, run_with):
    found = of(judge(baseline, run_with(LITTLE)))
    assert found.difference.p < 1e-6
    assert (found.verdict, found.improved) == (Verdict.PASS, False)
    assert of(judge(baseline, run_with(LITTLE), {"recovery.time.mean": Tolerance()})).verdict is Verdict.REGRESSION


def test_an_improvement_passes_and_is_reported(baseline, run_with):
    judgment = judge(baseline, run_with(FASTER))
    assert judgment.verdict is not Verdict.REGRESSION
    found = of(judgment)
    assert (found.verdict, found.improved) == (Verdict.PASS, True)
    assert "recovery.time.mean" in [each.metric for each in judgment.improved]


@pytest.mark.parametrize(
    ("tolerances", "expected"),
    [
        ({"recovery.time.mean": Tolerance(relative=0.5)}, Verdict.PASS),
        ({"recovery.time.mean": Tolerance(absolute=6.0)}, Verdict.PASS),
        ({"recovery.time.mean": Tolerance(absolute=4.0)}, Verdict.REGRESSION),
        ({"recovery.time.*": Tolerance(relative=0.5)}, Verdict.PASS),
        ({"*": Tolerance(relative=0.5), "recovery.time.mean": Tolerance(absolute=1.0)}, Verdict.REGRESSION),
    ],
)
def test_tolerances_are_relative_or_absolute(baseline, run_with, tolerances, expected):
    assert of(judge(baseline, run_with(SLOWER), tolerances)).verdict is expected


def test_the_tolerance_of_the_scenario_comes_first(baseline, run_with):
    own = run_with({**SLOWER, "tolerances": "{recovery.time.mean: 50%}"})
    found = of(judge(baseline, own, {"recovery.time.mean": Tolerance()}))
    assert (found.verdict, found.tolerance) == (Verdict.PASS, Tolerance(relative=0.5))


def test_more_of_a_metric_that_should_be_high_is_no_regression(baseline, run_with):
    """More load completes more tasks; less load fewer."""
    more, fewer = (run_with({"tasks.arrivals.poisson.rate": rate}) for rate in ("1/s", "0.1/s"))
    assert of(judge(baseline, more), "tasks.completed").improved
    assert of(judge(baseline, fewer), "tasks.completed").verdict is Verdict.REGRESSION


def test_a_metric_without_a_direction_is_judged_only_with_a_tolerance(small_scenario, run_with):
    with_tolerance = small_scenario.with_values({"tolerances": "{attempts.amplification: 5%}"})
    baseline = baseline_of(sim.replicate(with_tolerance, seed=7, replications=8))
    failing = run_with({"tasks.failure_probability": "20%", "tolerances": "{attempts.amplification: 5%}"})
    assert of(judge(baseline, failing), "attempts.amplification").verdict is Verdict.REGRESSION
    assert of(judge(baseline, run_with({"tasks.failure_probability": "20%"})), "attempts.amplification").verdict is (
        Verdict.PASS
    )
    assert "attempts.amplification" not in baseline_of(run_with({})).metrics


def test_too_few_replications_are_inconclusive_and_more_would_do(result):
    """Nothing has changed, but the means of so few replications vary by more than the tolerance."""
    name, draws = "tasks.completed", np.random.default_rng(5)

    def drawn(seed, count):
        values = draws.normal(100.0, 10.0, count)
        runs = [
            replace(result.runs[0], seed=f"{seed}/{place}", metrics={name: float(value)}, samples={})
            for place, value in enumerate(values)
        ]
        return replace(result, seed=str(seed), runs=tuple(runs))

    found = of(judge(baseline_of(drawn(7, 8)), drawn(8, 8)), name)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert 8 < found.needed < 400
    more = judge(baseline_of(drawn(7, found.needed)), drawn(8, found.needed))
    assert of(more, name).verdict is Verdict.PASS


def test_one_replication_is_judged_only_if_it_is_identical(run_with):
    baseline = baseline_of(run_with({}, replications=1))
    assert judge(baseline, run_with({}, replications=1)).identical
    found = of(judge(baseline, run_with(SLOWER, replications=1)))
    assert (found.verdict, found.difference.difference) == (Verdict.INCONCLUSIVE, None)


def test_a_metric_that_is_no_longer_observed_is_inconclusive(baseline, run_with):
    found = of(judge(baseline, run_with({"faults": "[]", "expect": "[]"})))
    assert (found.verdict, found.now) == (Verdict.INCONCLUSIVE, None)


def test_infinite_values_are_judged_by_rank(baseline, run_with):
    name = "recovery.time.mean"
    before = replace(baseline.metrics[name], pooled=(), values=tuple(map(float, range(8))), mean=3.5)
    worse = replace(before, values=(inf,) * 8, mean=inf)
    base = replace(baseline, metrics={name: before})
    result = run_with({}, replications=8)
    runs = tuple(replace(run, metrics={**run.metrics, name: inf}, samples={}) for run in result.runs)
    assert of(judge(base, replace(result, runs=runs))).verdict is Verdict.REGRESSION
    assert of(judge(replace(baseline, metrics={name: worse}), result)).improved


def test_fewer_replications_are_judged_by_those_that_both_have(baseline, run_with):
    judgment = judge(baseline, run_with({}, replications=5))
    assert (judgment.paired, judgment.identical) == (True, True)
    assert of(judge(baseline, run_with(SLOWER, replications=6)), "recovery.time.max").difference.difference.n == 6


def test_every_change_of_the_scenario_is_said_in_words(baseline, run_with):
    changes = judge(baseline, run_with({**SLOWER, "queue.capacity": 100, "expect": "[]"})).changes
    assert changes == (
        "agents.restart_time.constant.value: 20.0 in the baseline, now 25.0",
        "queue.capacity: not given in the baseline, now 100",
    )
    assert judge(baseline, run_with({"faults": "[]"})).changes[-1].endswith("not given now")


def test_another_version_is_said_in_words(baseline, result):
    old = replace(baseline, versions={**baseline.versions, "recovery_bench": "0.0.1"}, digest="0" * 64)
    first, second = judge(old, result).changes
    assert first == "other defaults than those of the baseline"
    assert second.startswith("Recovery Bench 0.0.1 in the baseline, ")


def test_all_metrics_of_all_scenarios_share_the_level(baseline, run_with):
    """The same change is not shown when a thousand scenarios are judged together."""
    noisy = run_with({"tasks.work.exponential.mean": "3300ms"})
    name = "tasks.sojourn.mean"
    assert of(judge(baseline, noisy), name).verdict is Verdict.REGRESSION
    assert of(judge(baseline, noisy, scenarios=10**9), name).verdict is not Verdict.REGRESSION


def test_a_baseline_has_the_first_replications_of_a_seed(small_scenario):
    with pytest.raises(ValueError, match="a baseline has replications 0, 1, 2"):
        baseline_of(sim.replicate(small_scenario, seed="7/3"))


@pytest.mark.parametrize(("pairs", "verdict", "needed"), [(2, "INCONCLUSIVE", 3), (3, "REGRESSION", None)])
def test_a_duration_that_is_longer_by_the_same_in_every_pair_is_a_regression(result, pairs, verdict, needed):
    fewer = replace(result, runs=result.runs[:pairs])
    by_5 = {"recovery.time.max": 5.0, "tasks.lost": 1.0}
    later = [
        replace(run, metrics={name: value + by_5.get(name, 0.0) for name, value in run.metrics.items() if value})
        for run in (replace(run, metrics={**run.metrics, "tasks.lost": 1.0}) for run in fewer.runs)
    ]
    judgment = judge(baseline_of(fewer), replace(fewer, runs=tuple(later)))
    found = of(judgment, "recovery.time.max")
    assert (str(found.verdict), found.needed) == (verdict, needed)
    assert of(judgment, "tasks.lost").verdict is Verdict.INCONCLUSIVE

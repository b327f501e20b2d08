"""Estimates over replications, against tables and by hand."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
import pytest

from scenarios.fields.metrics import UnknownMetric, lookup, statistic_of
from sim.stats.estimates import Estimate, estimate, estimate_difference, estimate_pooled
from sim.stats.samples import Sample


def test_a_paired_difference_has_the_t_interval() -> None:
    """1, 2, 3: mean 2, s = 1, t(2, 0.975) = 4.3027."""
    found = estimate_difference([1.0, 2.0, 3.0], "s")
    assert (found.mean, found.n, found.unit) == (2.0, 3, "s")
    assert found.ci95 == pytest.approx((2 - 4.302653 / sqrt(3), 2 + 4.302653 / sqrt(3)), rel=1e-6)


def test_one_replication_has_no_interval() -> None:
    assert estimate([5.0], "s") == Estimate(5.0, None, 1, "s")


def test_a_deterministic_duration_has_an_interval_of_zero_width() -> None:
    assert estimate([5.0, 5.0, 5.0], "s").ci95 == (5.0, 5.0)


def test_an_infinite_observation_makes_the_mean_infinite() -> None:
    assert estimate([1.0, inf], "s") == Estimate(inf, None, 2, "s")


@pytest.mark.parametrize("values", [[], [1.0, nan]])
def test_missing_observations_are_rejected(values: list[float]) -> None:
    with pytest.raises(ValueError, match="observation"):
        estimate(values, "s")


def test_t_intervals_have_95_percent_coverage() -> None:
    """Coverage of 4,000 intervals from 5 normal observations each lies within four standard errors of 0.95."""
    draws = np.random.default_rng(20241).normal(3.0, 2.0, size=(4000, 5))
    intervals = [estimate_difference(row).ci95 for row in draws]
    covered = sum(interval is not None and interval[0] <= 3.0 <= interval[1] for interval in intervals) / 4000
    assert abs(covered - 0.95) <= 4 * sqrt(0.95 * 0.05 / 4000)


def test_replications_that_one_value_dominates_are_skewed() -> None:
    assert estimate([1.0, 1.1, 0.9, 1.0, 30.0], "s").skewed
    assert not estimate([1.0, 1.1, 0.9, 1.0, 1.05], "s").skewed


# ------------------------------------------------------------------------------------------------------------- pooled
def pooled(samples: list[Sample], statistic: str) -> Estimate | None:
    of = statistic_of(f"tasks.sojourn.{statistic}")
    assert of is not None
    return estimate_pooled(samples, of, "s")


RUNS = [Sample.of(np.array([1.0, 2.0])), Sample.of(np.array([3.0, 10.0])), Sample.of(np.array([]))]


def test_a_quantile_is_of_all_observations_together() -> None:
    """1, 2, 3, 10 as one sample: 3 + 0.85 · 7. The mean of the two runs' own p95 would be 5.8."""
    found = pooled(RUNS, "p95")
    assert found is not None
    assert found.mean == pytest.approx(3 + 0.85 * 7)
    assert found.n == 2  # the third run observed nothing


def test_any_percentile_can_be_asked_for() -> None:
    observations = np.random.default_rng(5).exponential(1.0, 1000)
    runs = [Sample.of(part) for part in np.split(observations, 10)]
    found = pooled(runs, "p99.5")
    assert found is not None
    assert found.mean == pytest.approx(float(np.quantile(observations, 0.995)))


@pytest.mark.parametrize("statistic", ["median", "p0", "p100", "p", "95", "p-5"])
def test_another_statistic_is_not_a_metric(statistic: str) -> None:
    with pytest.raises(UnknownMetric):
        lookup(f"tasks.sojourn.{statistic}")


def test_the_maximum_is_the_mean_of_the_longest_of_each_run() -> None:
    found = pooled(RUNS, "max")
    assert found is not None
    assert found.mean == 6.0


def test_the_share_that_was_cut_off_is_part_of_the_estimate() -> None:
    runs = [Sample.of(np.array([1.0]), np.array([5.0])), Sample.of(np.array([2.0, 3.0]))]
    for statistic in ("mean", "p50", "sd", "max"):
        found = pooled(runs, statistic)
        assert found is not None
        assert found.cut_off == 0.25


@pytest.mark.parametrize(
    ("observed", "cut_off", "restricted_to"),
    [
        ([1.0, 2.0, 3.0, 10.0], [], None),
        ([1.0, 2.0, 3.0, 10.0], [0.5], None),
        ([1.0, 2.0, 3.0], [10.0], 10.0),
        ([1.0, 2.0, 3.0, 10.0], [8.0, 8.5, 9.0], 10.0),  # the longest has ended, and stands for all four
    ],
)
def test_a_mean_is_restricted_where_the_longest_observations_were_cut_off(
    observed: list[float], cut_off: list[float], restricted_to: float | None
) -> None:
    found = pooled([Sample.of(np.array(observed), np.array(cut_off))], "mean")
    assert found is not None
    assert found.restricted_to == restricted_to


def test_the_standard_deviation_of_one_observation_does_not_exist() -> None:
    assert pooled([Sample.of(np.array([4.0]))], "sd") is None


def test_nothing_observed_is_rejected() -> None:
    with pytest.raises(ValueError, match="observation"):
        pooled([Sample.of(np.array([]))], "mean")

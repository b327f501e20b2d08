"""Confidence intervals over replications against tables."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
import pytest

from sim.stats.estimates import Estimate, estimate


def test_an_interval_computed_by_hand() -> None:
    """1, 2, 3: mean 2, s = 1, t(2, 0.975) = 4.3027."""
    found = estimate([1.0, 2.0, 3.0], "s")
    assert (found.mean, found.n, found.unit) == (2.0, 3, "s")
    assert found.ci95 == pytest.approx((2 - 4.302653 / sqrt(3), 2 + 4.302653 / sqrt(3)), rel=1e-6)


def test_one_observation_has_no_interval_and_equal_ones_an_empty_one() -> None:
    """One replication gives no information about the variance."""
    assert estimate([5.0], "s") == Estimate(5.0, None, 1, "s")
    assert estimate([5.0, 5.0, 5.0]).ci95 == (5.0, 5.0)


def test_an_infinite_observation_makes_the_mean_infinite() -> None:
    """Infinite observations are not omitted."""
    assert estimate([1.0, inf]) == Estimate(inf, None, 2, "")


@pytest.mark.parametrize("values", [[], [1.0, nan]])
def test_missing_observations_are_rejected(values: list[float]) -> None:
    """The caller omits missing observations."""
    with pytest.raises(ValueError, match="observation"):
        estimate(values)


def test_intervals_have_95_percent_coverage() -> None:
    """Coverage of 4,000 intervals from 5 normal observations each lies within four standard errors of 0.95."""
    draws = np.random.default_rng(20241).normal(3.0, 2.0, size=(4000, 5))
    intervals = [estimate(row).ci95 for row in draws]
    covered = sum(interval is not None and interval[0] <= 3.0 <= interval[1] for interval in intervals) / 4000
    assert abs(covered - 0.95) <= 4 * sqrt(0.95 * 0.05 / 4000)

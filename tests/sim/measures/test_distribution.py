"""Statistics of samples, with and without censoring, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measures.tables.distribution import describe, describe_censored

STATISTICS = ("mean", "sd", "p50", "p95", "p99", "max")


def test_a_sample_computed_by_hand() -> None:
    """1, 2, 3, 10: mean 4, sd √(50/3), and linear interpolation between the order statistics."""
    assert describe("x", np.array([10.0, 1.0, 3.0, 2.0])) == pytest.approx(
        {
            "x.mean": 4.0,
            "x.sd": (50 / 3) ** 0.5,
            "x.p50": 2.5,
            "x.p95": 3 + 0.85 * 7,
            "x.p99": 3 + 0.97 * 7,
            "x.max": 10.0,
        }
    )


def test_without_observations_the_mean_is_none_and_one_has_no_deviation() -> None:
    """Never 0 without an observation; NaN is a missing observation as well."""
    assert describe("x", np.array([])) == {f"x.{statistic}": None for statistic in STATISTICS}
    assert describe("x", np.array([np.nan, 2.0]))["x.mean"] == 2.0
    assert describe("x", np.array([2.0]))["x.sd"] is None


def test_kaplan_meier_computed_by_hand() -> None:
    """1, 2+, 3, 4+ (+: censored): S = 3/4 from 1 on, 3/8 from 3 on; the mean up to 4 is 1/4·1 + 3/8·3 + 3/8·4."""
    found = describe_censored("x", np.array([1.0, 3.0]), np.array([2.0, 4.0]))
    mean = 1 / 4 + 9 / 8 + 12 / 8
    assert found["x.mean"] == pytest.approx(mean)
    assert found["x.p50"] == 3.0
    assert found["x.p95"] is None
    assert found["x.max"] is None
    second = 1 / 4 + 3 / 8 * 9 + 3 / 8 * 16
    assert found["x.sd"] == pytest.approx(((second - mean**2) * 4 / 3) ** 0.5)


def test_early_censoring_matters_little_and_late_censoring_much() -> None:
    """One that was only seen for an instant changes nothing; one that lasted beyond all others moves the mean up."""
    observed = np.array([10.0, 20.0])
    assert describe_censored("x", observed, np.array([0.0]))["x.mean"] == 15.0
    assert describe_censored("x", observed, np.array([40.0]))["x.mean"] == pytest.approx((10 + 20 + 40) / 3)


def test_only_censored_observations_give_none() -> None:
    """No complete duration was observed."""
    assert set(describe_censored("x", np.array([]), np.array([5.0])).values()) == {None}


times = st.lists(st.floats(0.1, 1e3), min_size=1, max_size=20)


@given(times)
def test_without_censoring_the_estimators_agree(observed: list[float]) -> None:
    """An observation that is censored at once carries no information: mean, sd and maximum are those of the sample."""
    sample = np.array(observed)
    assert describe_censored("x", sample, np.array([])) == describe("x", sample)
    nearly = describe_censored("x", sample, np.array([0.0]))
    assert nearly["x.mean"] == pytest.approx(sample.mean())
    assert nearly["x.max"] == sample.max()


@given(times, times)
def test_censored_observations_never_lower_the_mean(observed: list[float], censored: list[float]) -> None:
    """The mean lies between that of all numbers taken as complete and the longest of them."""
    mean = describe_censored("x", np.array(observed), np.array(censored))["x.mean"]
    assert mean is not None
    together = np.array(observed + censored)
    assert together.mean() * (1 - 1e-9) <= mean <= together.max() * (1 + 1e-9)

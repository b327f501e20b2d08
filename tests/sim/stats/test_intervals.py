"""Intervals of means: their bounds are possible, and they cover the mean of skewed observations."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.stats.intervals import Range, binomial, is_too_skewed, mean_interval, poisson, probability_interval, skewness

counts = st.lists(st.integers(0, 1000).map(float), min_size=2, max_size=20)
shares = st.lists(st.integers(0, 1000).map(lambda part: part / 1000), min_size=2, max_size=20)
positives = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=20)


@given(counts)
def test_the_interval_of_a_count_is_positive_and_has_a_width(values: list[float]) -> None:
    low, high = mean_interval(values, Range.COUNT)
    assert 0 <= low <= np.mean(values) <= high
    assert low < high


@given(shares)
def test_the_interval_of_a_share_lies_between_0_and_1_and_has_a_width(values: list[float]) -> None:
    low, high = mean_interval(values, Range.SHARE)
    assert 0 <= low <= np.mean(values) * (1 + 1e-9)
    assert np.mean(values) * (1 - 1e-9) <= high <= 1
    assert low < high


@given(positives)
def test_the_lower_bound_of_a_positive_quantity_is_positive(values: list[float]) -> None:
    low, high = mean_interval(values, Range.POSITIVE)
    assert 0 < low <= np.mean(values) * (1 + 1e-9)
    assert np.mean(values) * (1 - 1e-9) <= high


def test_no_event_in_n_replications_has_the_exact_poisson_bound() -> None:
    """After no event the mean is at most −ln 0.05 = 2.996 events in all: 3 ÷ n in each replication."""
    assert mean_interval([0.0] * 10, Range.COUNT) == (0.0, pytest.approx(-np.log(0.05) / 10))


def test_the_poisson_interval_is_the_exact_one() -> None:
    """By chi-squared quantiles, as F. Garwood has it."""
    assert poisson(7) == pytest.approx((stats.chi2.ppf(0.025, 14) / 2, stats.chi2.ppf(0.975, 16) / 2))


def test_a_share_of_1_in_all_replications_has_the_exact_binomial_bound() -> None:
    assert mean_interval([1.0] * 10, Range.SHARE) == (pytest.approx(0.05**0.1), 1.0)


def test_the_binomial_interval_is_the_exact_one() -> None:
    expected = stats.binomtest(7, 20).proportion_ci(method="exact")
    assert binomial(7, 20) == pytest.approx((expected.low, expected.high))


def test_a_difference_has_the_t_interval() -> None:
    low, high = mean_interval([-1.0, 0.0, 1.0], Range.REAL)
    assert (low, high) == pytest.approx((-4.302653 / sqrt(3), 4.302653 / sqrt(3)))


@pytest.mark.parametrize(
    ("values", "of"),
    [([1.0], Range.COUNT), ([1.0, np.inf], Range.POSITIVE), ([-1.0, 1.0], Range.POSITIVE), ([0.5, 1.5], Range.SHARE)],
)
def test_values_that_have_no_interval_are_rejected(values: list[float], of: Range) -> None:
    with pytest.raises(ValueError, match=r"interval|range"):
        mean_interval(values, of)


def test_the_skewness_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(1.0, 50)
    assert skewness(values) == pytest.approx(float(stats.skew(values)))


Draw = Callable[[np.random.Generator, int], np.ndarray[tuple[int], np.dtype[np.float64]]]
KINDS: dict[str, tuple[Draw, float, Range]] = {
    "normal": (lambda rng, n: rng.normal(10, 1, n), 10.0, Range.POSITIVE),
    "exponential": (lambda rng, n: rng.exponential(1, n), 1.0, Range.POSITIVE),
    "gamma": (lambda rng, n: rng.gamma(0.5, 2, n), 1.0, Range.POSITIVE),
    "rare count": (lambda rng, n: rng.poisson(0.2, n).astype(np.float64), 0.2, Range.COUNT),
    "count": (lambda rng, n: rng.poisson(5, n).astype(np.float64), 5.0, Range.COUNT),
    "share": (lambda rng, n: rng.beta(0.5, 9.5, n), 0.05, Range.SHARE),
}


def test_lognormal_values_have_the_bound_of_cox() -> None:
    """ȳ = 0, v = 2.5: exp(1.25 + 2.776 · √(0.5 + 0.78125)) is above m + 4 · t · s / √n, and above 1 at v = 0.01."""
    logs = np.array([-0.1, -0.05, 0.0, 0.05, 0.1])
    spread = float(logs.var(ddof=1))
    high = np.exp(spread / 2 + stats.t.ppf(0.975, 4) * sqrt(spread / 5 + spread**2 / 8))
    assert mean_interval(np.exp(logs), Range.POSITIVE)[1] == pytest.approx(high, rel=2e-3)
    wide = np.exp(20 * logs)
    assert mean_interval(wide, Range.POSITIVE)[1] == pytest.approx(_farthest(wide))


def test_the_upper_bound_of_two_values_is_not_hundreds_of_means_away() -> None:
    values = np.array([1.0, 10.0])
    assert mean_interval(values, Range.POSITIVE)[1] == pytest.approx(_farthest(values))


def _farthest(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    half_width = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / sqrt(len(values))
    return float(values.mean() + 4 * half_width)


@pytest.mark.parametrize("replications", [5, 20])
def test_intervals_cover_a_heavy_tailed_mean(replications: int) -> None:
    """In 90 of 100 cases, less four standard errors of the 2,000 drawn: lognormal with cv 3."""
    draws = np.random.default_rng(7).lognormal(-np.log(10) / 2, sqrt(np.log(10)), (2000, replications))
    bounds = [mean_interval(draw, Range.POSITIVE) for draw in draws]
    covered = sum(low <= 1.0 <= high for low, high in bounds) / 2000
    assert covered >= 0.90 - 4 * sqrt(0.90 * 0.10 / 2000)


def test_the_interval_of_a_probability_has_the_lower_bound_of_its_logarithm() -> None:
    estimates = np.array([1e-6, 2e-6, 4e-6, 1e-6, 2e-6])
    low, high = probability_interval(estimates)
    relative = stats.t.ppf(0.975, 4) * estimates.std(ddof=1) / sqrt(5) / estimates.mean()
    assert low == pytest.approx(estimates.mean() * np.exp(-relative))
    assert high >= estimates.mean() * np.exp(relative) * (1 - 1e-9)
    assert probability_interval(np.array([0.9, 0.99]))[1] == 1.0


@pytest.mark.parametrize("replications", [5, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_mean(kind: str, replications: int) -> None:
    """In at least 93 of 100 cases, less four standard errors of the 1,000 drawn."""
    draw, truth, of = KINDS[kind]
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        low, high = mean_interval(draw(rng, replications).tolist(), of)
        covered += low <= truth <= high
    assert covered / 1000 >= 0.93 - 4 * sqrt(0.93 * 0.07 / 1000)


def test_the_t_interval_alone_does_not_cover_a_skewed_mean() -> None:
    """The reason for the union: the same check fails for it."""
    rng = np.random.default_rng(7)
    draws = [rng.gamma(0.5, 2, 5).tolist() for _ in range(1000)]
    covered = sum(low <= 1.0 <= high for low, high in (mean_interval(draw, Range.REAL) for draw in draws))
    assert covered / 1000 < 0.88


def test_an_average_of_counts_is_not_a_number_of_rare_events():
    """Attempts per task in eight runs: no Poisson number of ten, whose interval would be 0.6 to 2.3."""
    low, high = mean_interval([1.25, 1.24, 1.26, 1.25, 1.27, 1.23, 1.25, 1.24], Range.COUNT)
    assert 1.23 < low < 1.25 < high < 1.27


def test_values_that_differ_by_rounding_are_not_skewed():
    assert not is_too_skewed([5.0, 5.0, 5.0, 5.0, 5.0, 5.000000000000001])

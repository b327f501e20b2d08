"""Paired differences: interval coverage, verdicts by direction, and multiple-testing correction."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.stats.differences import Observed, PooledPair, differences, holm
from sim.stats.samples import Sample
from sim.stats.survival import Pooled


def observed(a, b, direction="lower", name="x"):
    return Observed(name, "s", direction, list(a), list(b))


def one(a, b, direction="lower"):
    return differences([observed(a, b, direction)])["x"]


def test_the_interval_is_that_of_the_paired_t_test():
    generator = np.random.default_rng(1)
    a = generator.normal(10, 2, 12)
    b = a + generator.normal(0.4, 0.5, 12)
    found, reference = one(a, b), stats.ttest_rel(b, a)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-12)
    assert found.difference.ci95 == pytest.approx(tuple(reference.confidence_interval(0.95)), rel=1e-12)
    assert found.difference.mean == pytest.approx(b.mean() - a.mean())
    assert found.variance_reduction == pytest.approx((a.var(ddof=1) + b.var(ddof=1)) / (b - a).var(ddof=1))


@pytest.mark.parametrize(("direction", "verdict"), [("lower", "worse"), ("higher", "better"), (None, "different")])
def test_a_verdict_follows_the_direction_of_the_metric(direction, verdict):
    a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert one(a, [value + 1 for value in a], direction).verdict == verdict
    assert one(a, a, direction).verdict == "no difference shown"
    if direction is not None:
        assert one([value + 1 for value in a], a, direction).verdict != verdict


def test_equal_differences_of_a_duration_are_exact():
    """Also where they are equal but for rounding; two pairs may agree by chance."""
    a = [1.0, 2.0, 3.0]
    found = one(a, [2.0, 3.0, 4.0])
    assert (found.p, found.difference.ci95, found.verdict) == (0.0, (1.0, 1.0), "worse")
    assert found.variance_reduction == math.inf
    assert one([0.1, 0.2, 0.3], [1.1, 1.2, 1.3]).p == 0.0
    assert one(a, a).p == one(a, [1.0, 2.0, 3.0 + 1e-12]).p == 1.0
    assert one(a[:2], [2.0, 3.0]).p == 0.5


def test_equal_differences_of_a_count_are_judged_by_the_sign_test():
    """Three pairs cannot show more than 2^(1 − 3)."""
    a = [1.0, 2.0, 3.0]
    assert differences([Observed("x", "tasks", "lower", a, [2.0, 3.0, 4.0])])["x"].p == 0.25
    assert one([1.0, 1.0], [1.0, 1.0]).variance_reduction is None


def test_only_replications_observed_by_both_are_compared():
    found = one([1.0, None, 3.0, None, 5.0], [2.0, 2.0, None, None, 6.0])
    assert (found.difference.n, found.difference.mean) == (2, 1.0)
    assert (found.missing_a, found.missing_b) == (2, 2)


def test_a_metric_observed_under_one_setting_only_is_not_compared():
    found = one([None] * 6, [1.0] * 6)
    assert (found.verdict, found.a, found.b, found.missing_a, found.missing_b) == ("not compared", None, 1.0, 6, 0)
    assert found.difference is None
    assert found.adjusted_p is None


def test_a_service_that_is_never_restored_is_worse():
    """6 finite values against 6 infinite ones: 2 of 924 ways to divide them are as extreme."""
    restored = [10.0, 12.0, 9.0, 30.0, 14.0, 11.0]
    found = one(restored, [math.inf] * 6)
    assert found.p == pytest.approx(2 / 924)
    assert (found.verdict, found.infinite_a, found.infinite_b) == ("worse", 0, 6)
    assert found.difference.mean == math.inf
    assert one([math.inf] * 6, restored).verdict == "better"
    assert one([math.inf] * 6, [math.inf] * 6).p == 1.0


def test_two_pairs_never_show_a_difference():
    for b in ([2.0, 3.0], [math.inf, math.inf]):
        assert one([1.0, 2.0], b).p >= 1 / 3


def test_pooled_estimates_take_the_place_of_single_values():
    pooled = PooledPair(5.0, 7.0, np.array([4.0, 5.0, 6.0]), np.array([6.1, 6.9, 8.0]))
    found = differences([Observed("x", "s", "lower", [1.0] * 3, [1.0] * 3, pooled)])["x"]
    assert (found.a, found.b) == (5.0, 7.0)
    assert found.difference.mean == pytest.approx(2.0)


def pooled_mean(values):
    """The mean over all replications, and their pseudo-values; None: not observed."""
    seen = [value for value in values if value is not None]
    mean, n = float(np.mean(seen)), len(values)
    without = [
        np.mean([each for other, each in enumerate(values) if other != place and each is not None])
        for place in range(n)
    ]
    return mean, np.array([n * mean - (n - 1) * each for each in without])


def test_replications_without_an_observation_show_nothing():
    """Two of fifteen observed 15 s, and two of fifteen others 30 s: it is one of six ways to divide four values."""
    a, b = [15.0] * 2 + [None] * 13, [None] * 13 + [30.0] * 2
    (mean_a, pseudo_a), (mean_b, pseudo_b) = pooled_mean(a), pooled_mean(b)
    pair = PooledPair(mean_a, mean_b, pseudo_a, pseudo_b)
    assert differences([Observed("x", "s", "lower", a, b, pair, paired=False)])["x"].p == pytest.approx(1 / 3)


@pytest.mark.parametrize("paired", [True, False])
def test_the_test_of_pooled_means_is_that_of_the_replications_that_observed_them(paired):
    generator = np.random.default_rng(3)
    a, b = generator.normal(10, 2, 6), generator.normal(12, 2, 6)
    plain = differences([Observed("x", "s", "lower", list(a), list(b), None, paired)])["x"]
    with_others = [[*values, *[None] * 9] for values in (list(a), list(b))]
    pooled = [pooled_mean(values) for values in with_others]
    pair = PooledPair(pooled[0][0], pooled[1][0], pooled[0][1], pooled[1][1])
    found = differences([Observed("x", "s", "lower", *with_others, pair, paired)])["x"]
    assert found.p == pytest.approx(plain.p)
    assert found.difference.ci95 == pytest.approx(plain.difference.ci95)


def test_a_quantile_without_a_difference_is_rarely_said_to_differ():
    """The jackknife of a quantile said so in 15 of 100 comparisons of 20 pairs."""
    generator, wrong = np.random.default_rng(5), 0
    for _ in range(300):
        a, b = (Pooled.of([Sample.of(run) for run in generator.lognormal(0, 1.5, (20, 30))]) for _ in "ab")
        values = (a.quantile(0.95).value, b.quantile(0.95).value)
        pair = PooledPair(*values, a.pseudo_quantiles(0.95), b.pseudo_quantiles(0.95))
        found = differences([Observed("x", "s", "lower", [1.0] * 20, [1.0] * 20, pair)])["x"]
        wrong += found.verdict != "no difference shown"
    assert stats.binomtest(wrong, 300).proportion_ci(0.999).low <= 0.05


def test_a_relative_difference():
    assert one([10.0, 10.0], [9.0, 9.0]).relative == -0.1
    assert one([0.0, 0.0], [9.0, 9.0]).relative is None


def test_holm_correction_computed_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    assert holm({}) == {}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_correction_keeps_the_order_and_never_lowers_p_values(p_values):
    adjusted = holm(p_values)
    assert list(adjusted) == list(p_values)
    assert all(p_values[name] <= adjusted[name] <= 1 for name in p_values)
    ordered = sorted(p_values, key=lambda name: (p_values[name], name))
    assert [adjusted[name] for name in ordered] == sorted(adjusted.values())
    assert all(adjusted[name] <= min(1, len(p_values) * p_values[name]) for name in p_values)  # Bonferroni's are wider


@pytest.mark.long
def test_familywise_error_of_equal_settings_is_at_most_5_percent():
    """Familywise: in at most 5 % of comparisons of 20 equal metrics."""
    generator = np.random.default_rng(7)
    wrong = 0
    for _ in range(400):
        found = differences([observed(*generator.normal(0, 1, (2, 10)), name=f"x{number}") for number in range(20)])
        wrong += any(each.verdict != "no difference shown" for each in found.values())
    low, _ = stats.binomtest(wrong, 400).proportion_ci(0.999)
    assert low <= 0.05
    assert wrong > 0  # or it would not be looked at


def test_intervals_have_nominal_coverage():
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        noise = generator.normal(0, 3, 10)
        found = one(noise + generator.normal(0, 1, 10), noise + generator.normal(0.5, 1, 10))
        low, high = found.difference.ci95
        covered += low <= 0.5 <= high
    low, high = stats.binomtest(covered, 1000).proportion_ci(0.999)
    assert low <= 0.95 <= high


@pytest.mark.parametrize(("unit", "count", "p"), [("s", 2, 0.5), ("tasks", 2, 0.5), ("tasks", 6, 2**-5)])
def test_a_constant_difference_of_counts_may_be_chance(unit, count, p):
    """Three tasks less in both of two replications is a coin that fell twice on one side."""
    found = differences([Observed("x", unit, "lower", [3.0] * count, [0.0] * count)])["x"]
    assert found.p == p


def of_results(a, b):
    return differences([Observed("recovery.time.mean", "s", "lower", a, b, paired=False)])["recovery.time.mean"]


def test_independent_values_are_compared_by_the_test_of_welch():
    """The reference is scipy's test of Welch."""
    a, b = [20.0, 22.0, 19.0, 24.0, 25.0], [28.0, 27.0, 31.0]
    found = of_results(a, b)
    theirs = stats.ttest_ind(b, a, equal_var=False)
    assert found.difference.mean == pytest.approx(28.6667 - 22.0, abs=1e-4)
    assert found.p == theirs.pvalue
    assert found.difference.ci95 == tuple(theirs.confidence_interval(0.95))
    assert (found.verdict, found.variance_reduction, found.difference.n) == ("worse", None, 3)


def test_the_order_of_independent_values_does_not_matter():
    a, b = [1.0, 5.0, 9.0], [2.0, 6.0, 10.5]
    assert of_results(a, b).p == of_results(a[::-1], b).p
    assert differences([Observed("m", "s", "lower", a, b)])["m"].p != of_results(a, b).p


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        ([2.0, 2.0, 2.0], [3.0, 3.0], 2 / 10),
        ([2.0, 2.0, 2.0], [2.0, 2.0], 1.0),
        ([2.0, None, 2.0, 2.0], [3.0, None, 3.0], 2 / 10),
        ([30.0, 30.0 + 1e-13, 30.0], [30.0, 30.0 - 1e-13], 1.0),
        ([30.0, 30.0 + 1e-13, 30.0], [33.0, 33.0 - 1e-13], 2 / 10),
    ],
)
def test_independent_values_without_variance_are_compared_by_permutation(a, b, p):
    assert of_results(a, b).p == pytest.approx(p)


def test_equal_values_on_one_side_give_no_warning():
    found = of_results([30.0, 30.0, 30.0], [31.0, 32.0, 33.5])
    assert found.p == pytest.approx(stats.ttest_1samp([1.0, 2.0, 3.5], 0).pvalue)


def test_independent_infinite_values_are_compared_by_rank():
    found = of_results([1.0, 2.0, 3.0, 4.0], [5.0, math.inf, math.inf])
    assert found.difference.mean == math.inf
    assert found.p == pytest.approx(2 / 35)


def test_too_few_independent_values_are_not_compared():
    assert of_results([1.0, 2.0, 3.0], [4.0, None]).verdict == "not compared"

"""The power of a one-sided t-test, against statistics of simulated tests."""

import numpy as np
import pytest
from scipy import stats

from sim.baselines.power import POWER, Test

Test.__test__ = False  # not a test of pytest


@pytest.mark.parametrize(("paired", "count"), [(True, 10), (False, 10), (True, 40)])
def test_the_power_is_the_share_of_tests_that_detect_the_change(paired, count):
    draws = np.random.default_rng(1)
    change, spread, level = 1.0, 1.5, 0.01
    test = Test(level, spread if paired else spread * np.sqrt(2), paired)
    values = draws.normal(change, spread, (4000, count))
    if paired:
        found = stats.ttest_1samp(values, 0, axis=1, alternative="greater")
    else:
        found = stats.ttest_ind(values, draws.normal(0, spread, (4000, count)), axis=1, alternative="greater")
    assert test.power(change, count) == pytest.approx((found.pvalue < level).mean(), abs=0.03)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("change", [0.2, 1.0, 50.0])
def test_the_number_of_replications_is_the_smallest_with_this_power(change, paired):
    test = Test(0.0005, 1.0, paired)
    found = test.replications(change)
    assert test.power(change, found) >= POWER
    assert found == 2 or test.power(change, found - 1) < POWER


def test_equal_differences_need_as_many_as_the_sign_test():
    """2^(−n) is below the level: 2^(−9) = 0.00195 and 2^(−10) = 0.00098."""
    assert Test(0.001, 0.0).replications(1.0) in (10, 11)
    assert Test(0.001, 0.0).power(1.0, 9) == 0.0
    assert Test(0.001, 0.0).power(1.0, 10) == 1.0


@pytest.mark.parametrize(("change", "spread"), [(0.0, 1.0), (-1.0, 1.0), (1e-6, 1.0)])
def test_some_changes_cannot_be_detected(change, spread):
    assert Test(0.001, spread).replications(change) is None

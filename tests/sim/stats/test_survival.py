"""Pooled samples with observations that were cut off, by hand, against scipy, and against the jackknife."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.stats.samples import MOST, RELATIVE_ERROR, Sample
from sim.stats.survival import Pooled

pytestmark = pytest.mark.long

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


def sample(observed: list[float], censored: list[float] | None = None) -> Sample:
    return Sample.of(np.array(observed), np.array(censored or [], dtype=np.float64))


def test_kaplan_meier_by_hand() -> None:
    """1, 2+, 3, 4+ (+: cut off): S = 3/4 from 1 on, 3/8 from 3 on; the mean up to 4 is 1/4·1 + 3/8·3 + 3/8·4."""
    pooled = Pooled.of([sample([1.0], [2.0]), sample([3.0], [4.0])])
    mean = 1 / 4 + 9 / 8 + 12 / 8
    assert pooled.mean().value == pytest.approx(mean)
    assert pooled.quantile(0.5).value == 3.0
    assert pooled.quantile(0.95).value == inf
    assert pooled.maximum == inf
    assert pooled.horizon == 4.0
    second = 1 / 4 + 3 / 8 * 9 + 3 / 8 * 16
    assert pooled.deviation == pytest.approx(((second - mean**2) * 4 / 3) ** 0.5)


times = st.lists(st.floats(0.1, 1e3), min_size=1, max_size=20)


@given(times, times)
def test_the_distribution_is_that_of_scipy(observed: list[float], censored: list[float]) -> None:
    expected = stats.ecdf(stats.CensoredData(uncensored=observed, right=censored)).sf
    pooled = Pooled.of([sample(observed, censored)])
    for share in (0.1, 0.5, 0.9):
        reached = np.flatnonzero(expected.probabilities <= 1 - share + 1e-12)
        assert pooled.quantile(share).value == (expected.quantiles[reached[0]] if len(reached) else inf)


@given(st.lists(times, min_size=1, max_size=5))
def test_without_censoring_the_figures_are_those_of_numpy(runs: list[list[float]]) -> None:
    whole = np.concatenate([np.array(run) for run in runs])
    pooled = Pooled.of([sample(run) for run in runs])
    assert pooled.mean().value == pytest.approx(whole.mean())
    assert pooled.maximum == whole.max()
    for share in (0.05, 0.5, 0.99):
        assert pooled.quantile(share).value == pytest.approx(float(np.quantile(whole, share)))
    if len(whole) > 1:
        assert pooled.deviation == pytest.approx(whole.std(ddof=1), abs=1e-9)


@given(times, times)
def test_censored_observations_never_shorten_the_mean(observed: list[float], censored: list[float]) -> None:
    """The mean lies between that of all numbers taken as complete and the longest of them."""
    together = np.array(observed + censored)
    mean = Pooled.of([sample(observed, censored)]).mean().value
    assert together.mean() * (1 - 1e-9) <= mean <= together.max() * (1 + 1e-9)


def test_a_run_whose_observations_are_all_cut_off_counts() -> None:
    """Without the second run, the median would be 1; with it, half of all never ended within 50."""
    first, second = sample([1.0, 1.0]), sample([], [50.0, 50.0, 50.0])
    assert Pooled.of([first]).quantile(0.5).value == 1.0
    assert Pooled.of([first, second]).quantile(0.5).value == inf


def test_when_nothing_has_ended_the_mean_is_infinite() -> None:
    assert Pooled.of([sample([], [5.0])]).mean().value == inf
    assert Pooled.of([sample([], [5.0])]).deviation is None


def test_an_observation_that_never_ends_makes_the_mean_infinite_and_not_the_median() -> None:
    pooled = Pooled.of([sample([1.0, 2.0, 3.0, inf])])
    assert pooled.mean().value == pooled.maximum == pooled.quantile(0.95).value == inf
    assert pooled.quantile(0.5).value == 2.0


def test_nothing_at_all_is_rejected() -> None:
    with pytest.raises(ValueError, match="observation"):
        Pooled.of([sample([])])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_outside_of_0_to_1_is_rejected(share: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        Pooled.of([sample([1.0])]).quantile(share)


# ------------------------------------------------------------------------------------------------------------ buckets
def test_many_observations_are_counted_in_buckets_within_the_stated_error() -> None:
    observations = np.random.default_rng(3).lognormal(0, 2, MOST + 1)
    observations[:100] = 0.0
    pooled = Pooled.of([Sample.of(observations)])
    for share in (0.001, 0.01, 0.5, 0.99, 0.9999):
        exact = float(np.quantile(observations, share))
        assert pooled.quantile(share).value == pytest.approx(exact, rel=RELATIVE_ERROR)
    assert pooled.mean().value == pytest.approx(observations.mean(), rel=RELATIVE_ERROR)
    assert len(Sample.of(observations).observed.values) < MOST / 2


def test_up_to_the_limit_observations_are_kept_exactly() -> None:
    observations = np.random.default_rng(3).exponential(1, MOST)
    assert np.array_equal(Sample.of(observations).observed.values, np.sort(observations))


# ---------------------------------------------------------------------------------------------------------- intervals
def _runs(rng: np.random.Generator, number: int, end: float = 2.0) -> list[Sample]:
    """Runs of 30 durations each, whose mean is another in each run; what begins late is cut off."""
    runs = []
    for _ in range(number):
        seconds = rng.exponential(rng.gamma(10, 0.1), 30)
        left = rng.uniform(0, end, 30)
        runs.append(Sample.of(seconds[seconds <= left], left[seconds > left]))
    return runs


def _jackknife(runs: list[Sample], figure: Callable[[Pooled], float]) -> float:
    found = np.array([figure(Pooled.of(runs[:place] + runs[place + 1 :])) for place in range(len(runs))])
    return sqrt((len(runs) - 1) / len(runs) * float(((found - found.mean()) ** 2).sum()))


def test_the_error_of_the_mean_is_about_that_of_the_jackknife() -> None:
    """Both are of how it differs between replications; the jackknife runs it again without each of them."""
    runs = _runs(np.random.default_rng(11), 40, end=8.0)
    pooled = Pooled.of(runs)
    error = float(np.std(pooled.pseudo_means, ddof=1)) / sqrt(len(runs))
    assert error == pytest.approx(_jackknife(runs, lambda of: of.mean().value), rel=0.15)


@pytest.mark.parametrize("replications", [5, 20])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_intervals_cover_a_censored_quantile(share: float, replications: int) -> None:
    """In at least 93 of 100 cases, less four standard errors of the 400 drawn."""
    rng = np.random.default_rng(13)
    truth = float(np.quantile(np.concatenate([rng.exponential(rng.gamma(10, 0.1), 30) for _ in range(20_000)]), share))
    covered = 0
    for _ in range(400):
        interval = Pooled.of(_runs(rng, replications)).quantile(share).ci95
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert covered / 400 >= 0.93 - 4 * sqrt(0.93 * 0.07 / 400)


def test_two_replications_that_agree_by_chance_have_an_interval_of_their_observations() -> None:
    """Each of two runs has 95 of its 100 observations within the p95. The interval is not narrower than the exact one
    of 200 independent observations: shares of 0.910 to 0.976."""
    values = np.arange(1.0, 201.0)
    pooled = Pooled.of([Sample.of(values[::2]), Sample.of(values[1::2])])
    interval = pooled.quantile(0.95).ci95
    assert interval is not None
    low, high = (float(bound) for bound in stats.beta.ppf([0.025, 0.975], [190, 191], [11, 10]))
    assert interval[0] <= 201 * low
    assert interval[1] >= 201 * high


def test_equal_observations_have_an_interval_of_zero_width() -> None:
    assert Pooled.of([sample([20.0]), sample([20.0])]).quantile(0.95).ci95 == (20.0, 20.0)


def test_bounds_that_the_observations_do_not_reach_are_0_and_infinite() -> None:
    found = Pooled.of([sample([1.0]), sample([2.0])]).quantile(0.5)
    assert (found.value, found.ci95) == (1.5, (0.0, inf))


def test_the_last_observation_does_not_bound_every_quantile_because_it_has_ended() -> None:
    """All but two of the lifetimes are cut off at 1 to 3; the longest ends at 4 and takes the curve to 0."""
    runs = [sample([0.5], [1.0, 2.0, 3.0]), sample([4.0], [1.0, 2.0, 3.0])] * 3
    found = Pooled.of(runs).quantile(0.9)
    assert found.value == 4.0
    assert found.ci95 is not None
    assert found.ci95[1] == inf


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_error_of_a_quantile_is_that_of_its_pseudo_values(share: float) -> None:
    """Against the standard deviation over 300 experiments; of a p95 it is about a fifth too large."""
    rng = np.random.default_rng(23)
    found, errors = [], []
    for _ in range(300):
        pooled = Pooled.of(_runs(rng, 10, end=1e9))
        pseudo = pooled.pseudo_quantiles(share)
        found.append(pooled.quantile(share).value)
        assert float(pseudo.mean()) == pytest.approx(found[-1], rel=0.05)
        errors.append(float(pseudo.std(ddof=1)) / sqrt(10))
    assert float(np.sqrt(np.mean(np.square(errors)))) == pytest.approx(float(np.std(found)), rel=0.3)


def test_a_median_beyond_the_horizon_is_infinite_and_its_interval_begins_at_the_horizon_or_before() -> None:
    """Restarts with a mean of 100 s, seen for 50 s: the median, 100 ln 2, is beyond in almost every sample."""
    rng = np.random.default_rng(17)
    runs = []
    for _ in range(100):
        seconds = rng.exponential(100.0, 10)
        runs.append(Sample.of(seconds[seconds <= 50], np.full(np.count_nonzero(seconds > 50), 50.0)))
    found = Pooled.of(runs).quantile(0.5)
    assert found.value == inf
    assert found.ci95 is not None
    assert found.ci95[0] <= 50 < 100 * log(2) < found.ci95[1] == inf


def test_one_replication_has_no_interval() -> None:
    assert Pooled.of([sample([1.0, 2.0])]).mean().ci95 is None
    assert Pooled.of([sample([1.0, 2.0])]).quantile(0.5).ci95 is None


# ----------------------------------------------------------------------------- parts of durations
def cut_at(horizon, parts, *, over=False):
    """A sample of one of several parts of durations that a horizon cuts off."""
    whole = np.sum(parts, axis=0)
    before = np.zeros(len(whole))
    samples = []
    for number, part in enumerate(parts):
        so_far = np.clip(horizon - before, 0.0, part)
        are_over = over and number == 0
        samples.append(Sample.of_parts(so_far, np.minimum(whole, horizon), whole <= horizon, are_over=are_over))
        before = before + part
    return samples


def test_means_of_parts_add_up_to_the_mean_of_the_durations():
    random = np.random.default_rng(5)
    runs = [[random.exponential(mean, 20) for mean in (2.0, 7.0, 1.0)] for _ in range(6)]
    samples = [cut_at(14.0, parts) for parts in runs]
    wholes = [Sample.of(w[w <= 14], np.full(np.count_nonzero(w > 14), 14.0)) for w in (np.sum(r, axis=0) for r in runs)]
    means = [Pooled.of([run[number] for run in samples]).mean().value for number in range(3)]
    assert sum(means) == pytest.approx(Pooled.of(wholes).mean().value)
    naive = [np.mean(np.concatenate([r[n][np.sum(r, axis=0) <= 14] for r in runs])) for n in range(3)]
    assert sum(naive) < 0.9 * sum(means)


def test_a_part_that_decides_when_its_duration_is_cut_off_is_estimated_without_bias():
    """A long first part leaves less time for the second. Taken as independent, that would hide long second parts."""
    random = np.random.default_rng(11)
    count = 20_000
    first = random.choice([1.0, 9.0], count)
    second = np.where(first == 9.0, 8.0, 1.0) * random.uniform(0.9, 1.1, count)
    started = random.uniform(0.0, 30.0, count)  # the runs end at 30 s: durations are cut off at random
    whole, left = first + second, 30.0 - started
    is_complete = whole <= left
    part = np.clip(left - first, 0.0, second)
    pooled = Pooled.of([Sample.of_parts(part, np.minimum(whole, left), is_complete)])
    assert pooled.mean().value == pytest.approx(second.mean(), rel=0.03)
    assert pooled.quantile(0.6).value == pytest.approx(np.quantile(second, 0.6), rel=0.03)
    independent = Pooled.of([Sample.of(part[is_complete], part[~is_complete])])
    assert independent.mean().value != pytest.approx(second.mean(), rel=0.1)


def test_a_part_beyond_the_horizon_is_infinite_unless_it_is_over():
    parts = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 50.0, 50.0])]
    detect, execute = cut_at(10.0, parts, over=True)
    assert Pooled.of([detect]).quantile(0.95).value == 4.0
    assert Pooled.of([execute]).quantile(0.95).value == np.inf
    assert Pooled.of([execute]).quantile(0.5).value == 1.0


def test_parts_without_cut_off_durations_are_a_plain_sample():
    one = Sample.of_parts(np.array([1.0, 3.0]), np.array([2.0, 5.0]), np.array([True, True]))
    assert Pooled.of([one]).quantile(0.5).value == 2.0
    assert Pooled.of([one]).mean().value == 2.0


def test_parts_survive_as_text():
    (sample,) = cut_at(10.0, [np.array([1.0, 30.0])])
    assert Sample.from_text(sample.text()) == sample
    (other,) = cut_at(9.0, [np.array([1.0, 30.0])])
    assert other != sample


def test_the_interval_of_a_part_covers_its_mean():
    covered = 0
    for seed in range(200):
        random = np.random.default_rng([3, seed])
        samples = []
        for _ in range(8):
            first, second = random.exponential(2.0, 15), random.exponential(5.0, 15)
            left = random.uniform(5.0, 60.0, 15)
            whole = first + second
            part = np.clip(left - first, 0.0, second)
            samples.append(Sample.of_parts(part, np.minimum(whole, left), whole <= left))
        low, high = Pooled.of(samples).mean().ci95
        covered += low <= 5.0 <= high
    assert 0.88 <= covered / 200 <= 0.99

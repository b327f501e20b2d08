"""Phi accrual: the formulas, and the detector."""

import asyncio
from math import inf, log10
from statistics import NormalDist, fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.detection.agent_detectors import DeadlineDetector, PhiAccrualTimeout
from recovery.detection.phi_accrual import Arrivals, phi, phi_timeout
from sim.loop import run

THRESHOLDS = st.floats(0.31, 300)
MEANS = st.floats(0.01, 1000)
DEVIATIONS = st.floats(0.001, 100)


# -------------------------------------------------------------------------------------------------- the formula
def test_phi_at_the_mean_silence_is_log10_of_two():
    assert phi(5.0, 5.0, 1.0) == pytest.approx(log10(2))


@pytest.mark.parametrize("z", [-3.0, 0.0, 1.0, 5.0])
def test_phi_is_the_logarithm_of_the_odds_of_a_longer_gap(z):
    assert phi(10 + 2 * z, 10.0, 2.0) == pytest.approx(-log10(NormalDist().cdf(-z)))


@given(threshold=THRESHOLDS, mean=MEANS, deviation=DEVIATIONS)
def test_timeout_is_the_inverse_of_phi(threshold, mean, deviation):
    assert phi(phi_timeout(threshold, mean, deviation), mean, deviation) == pytest.approx(threshold, rel=1e-6)


@given(one=st.floats(0, 1e4), more=st.floats(0, 1e4), mean=MEANS, deviation=DEVIATIONS)
def test_phi_is_monotonic_in_the_silence(one, more, mean, deviation):
    assert phi(one + more, mean, deviation) >= phi(one, mean, deviation) - 1e-9
    assert phi(one + more, mean, deviation) < inf


@given(one=THRESHOLDS, more=st.floats(0, 100), mean=MEANS, deviation=DEVIATIONS)
def test_a_higher_threshold_gives_a_longer_timeout(one, more, mean, deviation):
    other = min(300.0, one + more)
    assert phi_timeout(other, mean, deviation) >= phi_timeout(one, mean, deviation)


def test_threshold_eight_corresponds_to_five_and_a_half_deviations():
    """One in 10⁸: the quantile of the standard normal distribution is 5.612."""
    assert phi_timeout(8.0, 10.0, 1.0) == pytest.approx(15.612, abs=1e-3)


def test_the_tail_expansion_continues_the_formula_where_odds_underflow():
    assert phi(36.999999, 0.0, 1.0) == pytest.approx(phi(37.000001, 0.0, 1.0), rel=1e-5)


# ---------------------------------------------------------------------------------------------------- the window
@given(count=st.integers(2, 40), mean=MEANS, deviation=st.floats(0, 100), size=st.integers(40, 50))
def test_a_window_can_be_restored_by_its_size_mean_and_deviation(count, mean, deviation, size):
    arrivals = Arrivals(size, 4.0)
    arrivals.restore(count, mean, deviation)
    assert arrivals.count == count
    assert arrivals.mean == pytest.approx(mean)
    assert arrivals.deviation == pytest.approx(deviation, abs=1e-6)


def test_a_restored_window_is_limited_to_its_size():
    arrivals = Arrivals(10, 4.0)
    arrivals.restore(1000, 5.0, 1.0)
    assert (arrivals.count, arrivals.mean, arrivals.deviation) == (10, 5.0, 1.0)
    for _ in range(10):
        arrivals.add(2.0)
    assert (arrivals.mean, arrivals.deviation) == (2.0, 0.0)


@given(gaps=st.lists(st.floats(0.001, 1000), min_size=1, max_size=60), size=st.integers(2, 10))
def test_mean_and_deviation_are_over_the_last_gaps(gaps, size):
    arrivals = Arrivals(size, 4.0)
    for gap in gaps:
        arrivals.add(gap)
    last = [3.0, 5.0, *gaps][-size:]
    assert arrivals.mean == pytest.approx(fmean(last), rel=1e-9)
    assert arrivals.deviation == pytest.approx(pstdev(last), rel=1e-4, abs=1e-4)


def test_without_gaps_the_interval_and_a_quarter_of_it_are_used():
    arrivals = Arrivals(1000, 8.0)
    assert (arrivals.mean, arrivals.deviation) == (8.0, 2.0)


def test_a_million_gaps_accumulate_no_rounding_error():
    arrivals = Arrivals(100, 1.0)
    for number in range(100_000):
        arrivals.add(1e6 if number < 50 else 1.0 + (number % 2) * 1e-3)
    assert arrivals.mean == pytest.approx(1.0005, rel=1e-12)
    assert arrivals.deviation == pytest.approx(5e-4, rel=1e-9)


# -------------------------------------------------------------------------------------------------- the detector
def watched(beats, until=200.0, interval=5.0, *, threshold=8.0, window=1000, deviation=0.1, pause=0.0, poll=None):
    """The reports of the detector about an agent that is watched from 0 on and sends heartbeats at these times."""
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()
        detector = DeadlineDetector(
            PhiAccrualTimeout(interval, threshold, window, deviation, pause),
            lambda agent: alarms.append((round(loop.time(), 6), f"{agent} suspected")),
            lambda agent: alarms.append((round(loop.time(), 6), f"{agent} cleared")),
            loop,
            poll,
        )
        detector.watch("a")
        for at in beats:
            loop.call_at(at, detector.beat, "a")
        await asyncio.sleep(until)
        detector.stop()

    run(story())
    return alarms


def regular(interval: float, count: int) -> list[float]:
    return [interval * number for number in range(count)]


Z8 = -NormalDist().inv_cdf(1e-8)
"""Deviations that a threshold of 8 bears."""


def test_an_agent_without_heartbeats_is_judged_by_the_configured_interval():
    assert watched([]) == [(round(5 + Z8 * 1.25, 6), "a suspected")]


def test_a_regular_agent_is_suspected_soon_after_a_missed_heartbeat():
    """The first two gaps of the window are estimates; when they have gone, the least deviation remains."""
    (at, what), *others = watched(regular(5.0, 20), window=10)
    assert (at, what) == (round(95 + 5 + Z8 * 0.1, 6), "a suspected")
    assert not others


def test_an_irregular_agent_has_a_longer_timeout():
    irregular = [5.0 * number + (2.0 if number % 2 else 0.0) for number in range(20)]
    (at, _), *_ = watched(irregular, window=10)
    assert at == pytest.approx(irregular[-1] + 5 + Z8 * 2.0, abs=0.5)


def test_threshold_and_pause_lengthen_the_timeout():
    beats = regular(5.0, 20)
    (usual, _), *_ = watched(beats, window=10)
    (strict, _), *_ = watched(beats, window=10, threshold=12.0)
    (paused, _), *_ = watched(beats, window=10, pause=3.0)
    assert usual < strict
    assert paused == pytest.approx(usual + 3.0)


def test_the_deadline_moves_earlier_when_an_agent_becomes_regular():
    """The initial timeout would last until 12 s, but the agent has sent a heartbeat every second since."""
    beats = [float(number) for number in range(1, 7)]
    (at, _), *_ = watched(beats, window=4)
    assert at == pytest.approx(6 + 1 + Z8 * 0.1, abs=1e-3)


def test_a_suspected_silence_is_not_added_to_the_window():
    beats = [*regular(5.0, 20), 150.0, 155.0, 160.0]
    alarms = watched(beats, window=10)
    assert [what for _, what in alarms] == ["a suspected", "a cleared", "a suspected"]
    assert alarms[-1][0] == pytest.approx(160 + 5 + Z8 * 0.1, abs=1e-6)


def test_a_polling_detector_checks_only_at_multiples_of_the_interval():
    (at, _), *_ = watched(regular(5.0, 20), window=10, poll=10.0)
    assert at == 110.0


def test_a_probe_response_clears_the_suspicion_and_is_not_a_gap():
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()
        timeout = PhiAccrualTimeout(5.0, 8.0, 10, 0.1, 0.0)
        detector = DeadlineDetector(timeout, alarms.append, lambda agent: alarms.append(f"not {agent}"), loop)
        detector.watch("a")
        for at in regular(5.0, 20):
            loop.call_at(at, detector.beat, "a")
        await asyncio.sleep(110)
        before = timeout.of("a")
        detector.answered("a")
        await asyncio.sleep(1)
        detector.beat("a")
        detector.stop()
        assert timeout.of("a") == before

    run(story())
    assert alarms == ["a", "not a"]

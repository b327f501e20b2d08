"""The presets of well-known engines give the documented delays."""

from math import inf
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery import PRESETS, preset
from recovery.policies.presets import aws

UNIFORM = st.floats(0, 1, exclude_max=True)
GRID = [(place + 0.5) / 1000 for place in range(1000)]
ALMOST_ONE = 1 - 2**-53


def delays(name: str, count: int, u: float = 0.5) -> list[float | None]:
    """The first delays, each derived from the previous one; None: no such retry."""
    found, previous = [], None
    for retry in range(1, count + 1):
        previous = preset(name).delay(retry, u, previous)
        found.append(previous)
    return found


def test_temporal_doubles_from_1_to_100_seconds_without_a_retry_limit():
    assert delays("temporal", 9) == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert preset("temporal").delay(10_000) == 100


def test_step_functions_retries_three_times():
    assert delays("stepfunctions", 4) == [1, 2, 4, None]


def test_celery_applies_full_jitter_to_1_2_4_seconds():
    assert delays("celery", 4) == [0.5, 1, 2, None]
    assert delays("celery", 3, u=0) == [0, 0, 0]
    policy = preset("celery")
    assert policy.unlimited_delay(10, ALMOST_ONE) == pytest.approx(512)
    assert policy.unlimited_delay(11, ALMOST_ONE) == pytest.approx(600)


def test_a_kubernetes_job_waits_10_20_40_seconds_and_fails_after_six_retries():
    assert delays("kubernetes", 7) == [10, 20, 40, 80, 160, 320, None]
    assert preset("kubernetes").unlimited_delay(7) == 360


def test_dbos_attempts_a_step_three_times():
    assert delays("dbos", 3) == [1, 2, None]
    assert preset("dbos").unlimited_delay(20) == 3600


def test_resilience4j_applies_half_jitter_to_each_delay():
    assert delays("resilience4j", 3) == [0.5, 0.75, None]
    assert delays("resilience4j", 2, u=0) == [0.25, 0.375]
    assert delays("resilience4j", 2, u=ALMOST_ONE) == pytest.approx([0.75, 1.125])


def test_dapr_derives_each_delay_from_the_previous_one():
    assert delays("dapr", 3) == [0.5, 0.75, 1.125]
    assert preset("dapr").delay(2, u=0, previous=10) == 10 * 1.5 * 0.5
    assert preset("dapr").delay(2, u=ALMOST_ONE, previous=10) == pytest.approx(10 * 1.5 * 1.5)
    assert delays("dapr", 50, u=0.9)[-1] == 60


@given(UNIFORM, st.integers(1, 20))
def test_aws_sdks_apply_full_jitter_up_to_20_seconds(u, retry):
    assert aws().unlimited_delay(retry, u) == pytest.approx(u * min(20, 2 ** (retry - 1)))
    assert aws(base=0.05).unlimited_delay(retry, u) == pytest.approx(u * min(20, 0.05 * 2 ** (retry - 1)))


def test_aws_sdks_attempt_three_times():
    assert delays("aws", 3) == [0.5, 1, None]


@pytest.mark.parametrize(
    ("name", "retry", "previous", "mean", "variance"),
    [
        ("celery", 3, None, 4 / 2, 4**2 / 12),
        ("aws", 2, None, 2 / 2, 2**2 / 12),
        ("resilience4j", 2, None, 0.75, 0.75**2 * 0.5**2 / 3),
        ("dapr", 4, 2.0, 3.0, 3**2 * 0.5**2 / 3),
    ],
)
def test_random_delays_have_the_documented_mean_and_variance(name, retry, previous, mean, variance):
    drawn = [preset(name).unlimited_delay(retry, u, previous) for u in GRID]
    assert fmean(drawn) == pytest.approx(mean)
    assert pvariance(drawn) == pytest.approx(variance, rel=1e-5)


@given(st.sampled_from(sorted(PRESETS)), UNIFORM, st.integers(1, 60), st.floats(0, 100))
def test_no_preset_exceeds_its_cap(name, u, retry, previous):
    policy = preset(name)
    cap = inf if policy.max_delay is None else policy.max_delay
    assert 0 <= policy.unlimited_delay(retry, u, previous) <= cap


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_each_preset_cites_its_source(name):
    assert "Source: " in PRESETS[name].__doc__


def test_an_unknown_preset_is_rejected_with_a_suggestion():
    with pytest.raises(ValueError, match=r"no preset 'temporel'; known: temporal, .* \(nearest: 'temporal'\)"):
        preset("temporel")

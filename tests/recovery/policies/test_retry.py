"""Delays match their closed forms, and invalid policies are rejected."""

from math import inf
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recovery.audit import EscalationReason
from recovery.policies.backoff import (
    compounding_jitter,
    decorrelated_jitter,
    equal_jitter,
    exponential,
    fixed,
    full_jitter,
    linear,
    proportional_jitter,
)
from recovery.policies.durations import seconds
from recovery.policies.retry import RetryPolicy

DELAYS = st.floats(0, 1e6)
RETRIES = st.integers(1, 200)
UNIFORM = st.floats(0, 1, exclude_max=True)
GRID = [(place + 0.5) / 1000 for place in range(1000)]  # the uniform distribution, as evenly as a thousand numbers can


def policy(**settings) -> RetryPolicy:
    return RetryPolicy(**{"max_retries": None, "retry_delay": 2.0, **settings})


def test_fixed_delays_are_constant():
    assert [policy(backoff="fixed").delay(retry) for retry in (1, 2, 3, 9)] == [2, 2, 2, 2]


def test_linear_delays_are_multiples_of_the_first():
    assert [policy(backoff="linear").delay(retry) for retry in (1, 2, 3, 9)] == [2, 4, 6, 18]


def test_exponential_delays_start_at_the_retry_delay():
    grown = policy(backoff="exponential", multiplier=3)
    assert [grown.delay(retry) for retry in (1, 2, 3, 4)] == [2, 6, 18, 54]


def test_the_cap_applies_to_every_longer_delay():
    capped = policy(backoff="exponential", max_delay=5)
    assert [capped.delay(retry) for retry in (1, 2, 3, 4)] == [2, 4, 5, 5]


def test_the_cap_applies_before_the_jitter():
    assert policy(max_delay=1, jitter="equal").delay(1, u=0.5) == 0.75


@given(DELAYS, st.floats(1, 10), RETRIES)
def test_delays_match_the_closed_forms(delay, multiplier, retry):
    assert fixed(delay) == delay
    assert linear(delay, retry) == delay * retry
    assert exponential(delay, multiplier, retry) == pytest.approx(delay * multiplier ** (retry - 1))


def test_an_overflow_is_infinite_and_zero_stays_zero():
    assert exponential(1.0, 2.0, 5000) == inf
    assert exponential(0.0, 2.0, 5000) == 0


@given(DELAYS, st.sampled_from(["fixed", "linear", "exponential"]), st.floats(1, 4), st.none() | DELAYS, RETRIES)
def test_without_jitter_delays_never_decrease_and_never_exceed_the_cap(delay, backoff, multiplier, cap, retry):
    grown = policy(retry_delay=delay, backoff=backoff, multiplier=multiplier, max_delay=cap)
    this, following = grown.delay(retry), grown.delay(retry + 1)
    assert 0 <= this <= following <= (inf if cap is None else cap)


@given(DELAYS, UNIFORM)
def test_full_jitter_lies_between_zero_and_the_delay(delay, u):
    assert 0 <= full_jitter(delay, u) <= delay


@given(DELAYS, UNIFORM)
def test_equal_jitter_lies_between_half_the_delay_and_the_delay(delay, u):
    assert delay / 2 <= equal_jitter(delay, u) <= delay


@given(DELAYS, DELAYS, st.floats(0.001, 1e6), UNIFORM)
def test_decorrelated_jitter_lies_between_base_and_three_times_the_previous_delay(base, more, cap, u):
    previous = base + more
    drawn = decorrelated_jitter(base, previous, cap, u)
    assert min(base, cap) * (1 - 1e-12) <= drawn <= min(3 * previous, cap) * (1 + 1e-12)


@given(DELAYS, st.floats(0, 1), UNIFORM)
def test_proportional_jitter_lies_around_the_delay(delay, spread, u):
    drawn = proportional_jitter(delay, spread, u)
    assert delay * (1 - spread) * (1 - 1e-12) <= drawn <= delay * (1 + spread) * (1 + 1e-12)


@given(DELAYS, st.floats(0, 1), st.floats(0.001, 1e6), UNIFORM)
def test_compounding_jitter_lies_around_the_grown_previous_delay(grown, spread, cap, u):
    drawn = compounding_jitter(grown, spread, cap, u)
    assert min(cap, grown * (1 - spread)) * (1 - 1e-12) <= drawn <= min(cap, grown * (1 + spread)) * (1 + 1e-12)


JITTERS = ["none", "full", "equal", "decorrelated", "proportional", "compounding", "additive"]


@given(st.sampled_from(JITTERS), DELAYS, st.integers(1, 60), st.lists(UNIFORM, min_size=2, max_size=2).map(sorted))
def test_a_larger_draw_never_gives_a_shorter_delay(jitter, previous, retry, draws):
    spread = policy(jitter=jitter, backoff="exponential", max_delay=1e5)
    shorter, longer = (spread.delay(retry, u, max(2, previous)) for u in draws)
    assert shorter <= longer


@given(st.sampled_from(JITTERS), st.lists(UNIFORM, min_size=1, max_size=30), st.floats(0.1, 100))
def test_equal_streams_give_equal_delays_within_the_cap(jitter, stream, cap):
    def waited():
        found, previous = [], None
        for retry, u in enumerate(stream, 1):
            previous = policy(jitter=jitter, backoff="exponential", max_delay=cap).delay(retry, u, previous)
            found.append(previous)
        return found

    assert waited() == waited()
    assert all(0 <= delay <= cap for delay in waited())


def test_jitter_accepts_an_infinite_delay():
    assert full_jitter(inf, 0.0) == 0
    assert equal_jitter(inf, 0.0) == inf
    assert proportional_jitter(inf, 1.0, 0.0) == 0
    assert policy(retry_delay=1, backoff="exponential", jitter="proportional").delay(5000, 0.5) == inf


@pytest.mark.parametrize(
    ("jitter", "mean", "variance"),
    [
        ("none", 12, 0),
        ("full", 12 / 2, 12**2 / 12),
        ("equal", 12 * 3 / 4, 12**2 / 48),
        ("decorrelated", (12 + 36) / 2, (36 - 12) ** 2 / 12),  # the first delay: uniform over [base, 3 base)
        ("proportional", 12, 12**2 * 0.5**2 / 3),
        ("compounding", 12, 12**2 * 0.5**2 / 3),
        ("additive", 12 + 1 / 2, 1 / 12),
    ],
)
def test_jitter_has_the_mean_and_the_variance_of_its_distribution(jitter, mean, variance):
    drawn = [policy(retry_delay=12, jitter=jitter).delay(1, u) for u in GRID]
    assert fmean(drawn) == pytest.approx(mean)
    assert pvariance(drawn) == pytest.approx(variance, rel=1e-5)


def test_decorrelated_jitter_starts_from_the_previous_delay():
    spread = policy(retry_delay=10, jitter="decorrelated", max_delay=100)
    assert spread.delay(1, u=0.5) == 20  # in the middle of 10 and 30
    assert spread.delay(2, u=0.5, previous=20) == 35  # of 10 and 60
    assert spread.delay(3, u=0.99, previous=35) == 100  # the cap, not 104.05


def test_compounding_jitter_starts_from_the_previous_delay():
    spread = policy(retry_delay=10, multiplier=2, jitter="compounding", spread=0.1, max_delay=100)
    assert spread.delay(1, u=0.5) == 10
    assert spread.delay(2, u=0.5, previous=10) == 20
    assert spread.delay(3, u=0.75, previous=20) == pytest.approx(42)  # 40 · 1.05
    assert spread.delay(4, u=0.9, previous=60) == 100


def test_additive_jitter_is_added_to_the_grown_delay_before_the_cap():
    spread = policy(retry_delay=2, backoff="exponential", jitter="additive", jitter_width=4, max_delay=10)
    assert [spread.delay(retry, u=0.75) for retry in (1, 2, 3)] == [5, 7, 10]


def test_the_cap_applies_after_upward_jitter():
    assert policy(max_delay=2.5, jitter="proportional").delay(1, u=0.99) == 2.5


def test_a_delay_may_end_at_the_deadline_but_not_later():
    limited = policy(retry_delay=10, deadline=30)
    assert [limited.delay(retry, elapsed=elapsed) for retry, elapsed in ((1, 0), (2, 20), (2, 20.1), (3, 31))] == [
        10,
        10,
        None,
        None,
    ]


def test_the_reason_is_the_first_exhausted_limit():
    limited = policy(max_retries=2, deadline=30)
    assert limited.refusal(2, 2, 28) is None
    assert limited.refusal(2, 2, 28.5) == EscalationReason.DEADLINE_PASSED
    assert limited.refusal(3, 2, 28.5) == EscalationReason.RETRIES_EXHAUSTED


@given(
    st.sampled_from(JITTERS),
    st.sampled_from(["fixed", "linear", "exponential"]),
    st.floats(0.1, 10),
    st.floats(0, 1000),
    st.lists(st.tuples(UNIFORM, st.floats(0, 20)), min_size=1, max_size=50),
)
def test_the_total_is_never_past_the_deadline(jitter, backoff, retry_delay, deadline, story):
    limited = policy(retry_delay=retry_delay, backoff=backoff, jitter=jitter, deadline=deadline)
    now, previous = 0.0, None
    for retry, (u, trying) in enumerate(story, 1):
        delay = limited.delay(retry, u, previous, elapsed=now)
        if delay is None:
            assert now + limited.unlimited_delay(retry, u, previous) > deadline
            return
        now += delay
        assert now <= deadline
        now += trying
        previous = delay


def test_a_memoryless_backoff_needs_no_previous_delay():
    remembering = [policy(jitter=jitter).remembers for jitter in JITTERS]
    assert remembering == [False, False, False, True, False, True, False]
    assert policy(deadline=5).remembers


@given(st.integers(0, 50))
def test_n_retries_are_n_plus_one_attempts(max_retries):
    limited = policy(max_retries=max_retries)
    attempts = 1
    while limited.delay(attempts) is not None:  # before retry number `attempts`
        attempts += 1
    assert attempts == max_retries + 1


def test_without_a_limit_retries_continue():
    assert policy(max_retries=None).allows(10**9)


def test_no_delay_follows_the_last_failure():
    limited = policy(max_retries=3)
    assert [limited.delay(retry) for retry in (3, 4)] == [2, None]
    assert limited.unlimited_delay(4) == 2


def test_retries_count_from_one():
    with pytest.raises(ValueError, match="retries count from 1, not 0"):
        policy().delay(0)


@pytest.mark.parametrize(
    ("text", "value"),
    [("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5s", 1.5), (" 7 s ", 7), ("12", 12)],
)
def test_durations_accept_units(text, value):
    assert policy(retry_delay=text).retry_delay == value
    assert seconds(value) == value


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"retry_delay": "30x"}, "'30x' is not a duration; valid: 250ms, 30s, 5m, 2h, 1d or a number of seconds"),
        ({"retry_delay": "soon"}, "'soon' is not a duration"),
        ({"retry_delay": "-1s"}, "'-1s' is not a duration"),
        ({"retry_delay": True}, "True is not a duration"),
        ({"retry_delay": -1}, "greater than or equal to 0"),
        ({"retry_delay": inf}, "finite"),
        ({"retry_delay": float("nan")}, "greater than or equal to 0|finite"),
        ({"max_delay": "-1s"}, "'-1s' is not a duration"),
        ({"max_retries": -1}, "greater than or equal to 0"),
        ({"max_retries": 1.5}, "valid integer"),
        ({"multiplier": 0.5}, "greater than or equal to 1"),
        ({"backoff": "cubic"}, "'fixed', 'linear' or 'exponential'"),
        ({"jitter": "some"}, "'decorrelated', 'proportional', 'compounding' or 'additive'"),
        ({"spread": 1.5}, "less than or equal to 1"),
        ({"deadline": "-1s"}, "'-1s' is not a duration"),
        ({"try_timeout": 0}, "greater than 0"),
        ({"budget": 3}, "BudgetPolicy"),
        ({"breaker": {"failure": 3}}, "Extra inputs"),
        ({"delay": 1}, "Extra inputs"),
    ],
)
def test_an_invalid_value_is_rejected(settings, complaint):
    with pytest.raises(ValidationError, match=complaint):
        policy(**settings)

"""The circuit breaker: closed, open, half open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recovery import BreakerPolicy, CircuitBreaker


def breaker(**settings) -> CircuitBreaker:
    return CircuitBreaker(BreakerPolicy(**{"failures": 2, "open_for": 10, **settings}))


def tried(guard: CircuitBreaker, now: float, *, works: bool | None) -> str:
    """The state after a try, or that it did not pass."""
    ticket = guard.admit(now)
    if ticket is None:
        return "held back"
    guard.settle(ticket, works, now)
    return guard.state.value


def test_consecutive_failures_open_the_breaker():
    guard = breaker(failures=3)
    assert [tried(guard, 0, works=False) for _ in range(4)] == ["closed", "closed", "open", "held back"]


def test_a_success_resets_the_failure_count():
    guard = breaker(failures=2)
    assert [tried(guard, 0, works=works) for works in (False, True, False, False)] == ["closed"] * 3 + ["open"]


def test_a_try_without_a_result_is_not_counted():
    guard = breaker(failures=2)
    assert [tried(guard, 0, works=works) for works in (False, None, False)] == ["closed", "closed", "open"]


def test_the_breaker_stays_open_for_the_open_time():
    guard = breaker()
    tried(guard, 5, works=False), tried(guard, 5, works=False)
    assert guard.reopens_at == 15
    assert [guard.would_admit(now) for now in (5, 14.9, 15)] == [False, False, True]


def test_a_successful_probe_closes_the_breaker():
    guard = breaker(failures=1)
    assert tried(guard, 0, works=False) == "open"
    ticket = guard.admit(10)
    assert guard.state == "half_open"
    assert guard.admit(10) is None  # one probe at a time
    guard.settle(ticket, worked=True, now=12)
    assert guard.state == "closed"


def test_a_failed_probe_reopens_the_breaker():
    guard = breaker(failures=3)
    for _ in range(3):
        tried(guard, 0, works=False)
    assert tried(guard, 10, works=False) == "open"
    assert guard.reopens_at == 20


def test_a_probe_without_a_result_admits_another():
    guard = breaker(failures=1)
    tried(guard, 0, works=False)
    assert tried(guard, 10, works=None) == "half_open"
    assert tried(guard, 10, works=True) == "closed"


def test_all_probes_must_succeed_to_close():
    guard = breaker(failures=1, probes=2)
    tried(guard, 0, works=False)
    first, second = guard.admit(10), guard.admit(10)
    assert guard.admit(10) is None
    guard.settle(first, worked=True, now=11)
    assert guard.state == "half_open"
    assert guard.admit(11) is None  # what has worked need not be tried again
    guard.settle(second, worked=True, now=12)
    assert guard.state == "closed"


def test_one_failed_probe_reopens_and_the_other_is_ignored():
    guard = breaker(failures=1, probes=2)
    tried(guard, 0, works=False)
    first, second = guard.admit(10), guard.admit(10)
    guard.settle(first, worked=False, now=11)
    guard.settle(second, worked=True, now=12)
    assert (guard.state, guard.reopens_at) == ("open", 21)


def test_a_try_from_before_the_opening_is_ignored():
    guard = breaker(failures=1)
    slow = guard.admit(0)
    tried(guard, 0, works=False)
    probe = guard.admit(10)
    guard.settle(slow, worked=False, now=10)
    assert guard.state == "half_open"
    guard.settle(probe, worked=True, now=11)
    assert guard.state == "closed"


def test_the_failure_ratio_opens_the_breaker_after_enough_tries():
    guard = breaker(failures=None, share=0.5, window=4)
    works = [False, True, False, True, True]
    assert [tried(guard, 0, works=one) for one in works] == ["closed", "closed", "closed", "open", "held back"]


def test_the_failure_ratio_covers_only_the_latest_tries():
    guard = breaker(failures=None, share=0.5, window=4)
    works = [True, True, True, True, False, True, False]
    assert [tried(guard, 0, works=one) for one in works] == ["closed"] * 6 + ["open"]


@pytest.mark.parametrize("limit", [{"failures": 2}, {"failures": None, "share": 1, "window": 2}], ids=["row", "share"])
def test_a_closed_breaker_starts_with_empty_counts(limit):
    guard = breaker(**limit)
    tried(guard, 0, works=False), tried(guard, 0, works=False)
    assert [tried(guard, 10, works=works) for works in (True, False, False)] == ["closed", "closed", "open"]


STORY = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 9.9, 10.0]), st.sampled_from([True, False, None])), max_size=60)


@given(st.integers(1, 4), st.integers(1, 3), STORY)
def test_an_open_breaker_admits_nothing_and_a_half_open_one_only_probes(failures, probes, story):
    guard = breaker(failures=failures, probes=probes)
    now = 0.0
    for pause, works in story:
        now += pause
        was_open = guard.state == "open"
        ticket = guard.admit(now)
        assert (ticket is None) == (was_open and now < guard.reopens_at)
        assert guard.state != "open" or ticket is None
        if ticket is not None:
            more = [guard.admit(now) for _ in range(5)] if guard.state == "half_open" else []
            assert sum(one is not None for one in more) <= probes - 1
            for one in [ticket, *(one for one in more if one is not None)]:
                guard.settle(one, works, now)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"failures": None}, "would never open; give failures or share"),
        ({"failures": 0}, "greater than or equal to 1"),
        ({"share": 0}, "greater than 0"),
        ({"share": 1.1}, "less than or equal to 1"),
        ({"open_for": 0}, "greater than 0"),
        ({"open_for": "soon"}, "'soon' is not a duration"),
        ({"probes": 0}, "greater than or equal to 1"),
        ({"when_open": "panic"}, "'wait' or 'refuse'"),
    ],
)
def test_an_invalid_value_is_rejected(settings, complaint):
    with pytest.raises(ValidationError, match=complaint):
        BreakerPolicy(**settings)


def test_a_window_may_be_longer_than_a_sequence_can_be():
    breaker = CircuitBreaker(BreakerPolicy(failures=None, share=0.5, window=10**300))
    ticket = breaker.admit(0.0)
    breaker.settle(ticket, worked=False, now=0.0)
    assert breaker.would_admit(0.0)

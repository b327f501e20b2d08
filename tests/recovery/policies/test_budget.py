"""The retry budget: spent by retries, refilled by successes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recovery import BudgetPolicy, RetryBudget


def budget(tokens: float, refill: float) -> RetryBudget:
    return RetryBudget(BudgetPolicy(tokens=tokens, refill=refill))


def test_the_budget_starts_full_and_retries_spend_it():
    bucket = budget(2, 0)
    assert [bucket.spend() for _ in range(3)] == [True, True, False]
    assert bucket.left == 0


def test_a_success_refunds_its_share_of_a_retry():
    bucket = budget(1, 0.5)
    assert bucket.spend()
    bucket.succeeded()
    assert not bucket.spend()
    bucket.succeeded()
    assert bucket.spend()


def test_ten_tenths_add_up_to_one_retry():
    bucket = budget(1, 0.1)
    assert bucket.spend()
    for _ in range(10):
        bucket.succeeded()
    assert bucket.spend()
    assert bucket.left == 0


def test_a_refused_retry_costs_nothing():
    bucket = budget(1.5, 0.5)
    assert bucket.spend()
    assert not bucket.spend()
    assert bucket.left == 0.5


def test_the_budget_never_exceeds_its_capacity():
    bucket = budget(2, 5)
    assert bucket.spend()
    bucket.succeeded()
    assert bucket.left == 2


def test_the_defaults_are_the_retry_quota_of_the_aws_sdks():
    assert BudgetPolicy() == BudgetPolicy(tokens=500 / 5, refill=1 / 5)


@given(st.integers(1, 20), st.sampled_from([0, 0.1, 0.25, 1, 3]), st.lists(st.booleans(), max_size=200))
def test_retries_never_exceed_capacity_plus_refunds(tokens, refill, story):
    bucket = budget(tokens, refill)
    retries = successes = 0
    for is_success in story:
        if is_success:
            bucket.succeeded()
            successes += 1
        else:
            retries += bucket.spend()
        assert retries <= tokens + refill * successes + 1e-6
        assert 0 <= bucket.left <= tokens


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"tokens": 0.5}, "greater than or equal to 1"),
        ({"refill": -1}, "greater than or equal to 0"),
        ({"tokens": float("inf")}, "finite"),
        ({"size": 3}, "Extra inputs"),
    ],
)
def test_an_invalid_value_is_rejected(settings, complaint):
    with pytest.raises(ValidationError, match=complaint):
        BudgetPolicy(**settings)

"""Delays of policies and random numbers of a user: what is not a finite number of at least 0 is refused."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest
import tenacity
from pydantic import ValidationError

from recovery import RetryPolicy, from_tenacity
from recovery.model import FailureKind
from recovery.policies.delays import InvalidDelay, checked_delay, checked_draw
from tests.recovery.small_system import SmallSystem
from tests.recovery.supervised import report, supervise

WRONG = [
    (-1, "-1"),
    (-0.5, "-0.5"),
    (nan, "nan"),
    (inf, "inf"),
    ("30s", "'30s'"),
    (None, "None"),
    (True, "True"),
    (1j, "of the type complex"),
    (timedelta(seconds=3), "of the type timedelta"),
    (np.float64(-2), "-2.0"),
]


class Returning(RetryPolicy):
    """A policy that returns one value for every delay."""

    value: object = 0.0

    def unlimited_delay(self, retry, u=0.0, previous=None):
        return self.value


def escalated(policy, **options) -> str:
    """The reason for which a failed task with this policy is escalated."""
    system = SmallSystem()
    system.failed("task.1")
    system.raises["enqueue"] = ConnectionError()
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={"task_failure": policy}, **options)
    return system.trail[-1].removeprefix("recovery.escalated ")


@pytest.mark.parametrize(("value", "shown"), WRONG)
def test_an_invalid_delay_is_refused_with_policy_retry_and_value(value, shown):
    assert escalated(Returning(max_retries=3, retry_delay=0, value=value)) == (
        f"InvalidDelay: policy Returning of task_failure, task.1: the delay before retry 1 is {shown}; "
        "valid: a finite number of seconds, 0 or more" + ("; a growing delay needs max_delay" if value == inf else "")
    )


@pytest.mark.parametrize("value", [0, 3, 2.5, np.float32(0.5), np.int64(2), Fraction(1, 2)])
def test_every_finite_real_number_is_a_delay(value):
    assert checked_delay(value, 1, "policy") == float(value)
    assert escalated(Returning(max_retries=2, retry_delay=0, value=value)) == "retries exhausted"


def test_the_message_names_the_error_code_of_the_policy():
    system = SmallSystem()
    system.failed("task.1")
    good, bad = (Returning(max_retries=3, retry_delay=0, value=value) for value in (1.0, -1.0))
    by_error = {"task_failure": {"E1": bad}}

    async def story(supervisor):
        from tests.recovery.small_system import failure_of

        supervisor.report(failure_of("task.1", FailureKind.TASK, error_code="E1"))

    supervise(system, story, conditions={"task_failure": good}, by_error=by_error)
    assert "policy Returning of task_failure.by_error.E1, task.1: the delay before retry 1 is -1.0" in system.trail[-1]


@pytest.mark.parametrize("value", [-3, nan, inf, "30", None])
def test_an_invalid_wait_of_tenacity_is_refused(value):
    policy = from_tenacity(lambda state: value, tenacity.stop_after_attempt(3))
    assert escalated(policy).startswith("InvalidDelay: policy TenacityPolicy of task_failure, task.1: the delay before")


def test_a_delay_beyond_the_range_of_floats_needs_a_limit():
    grown = RetryPolicy(max_retries=None, retry_delay=1e300, backoff="exponential", multiplier=1e300)
    system = SmallSystem()
    system.failed("task.1")
    system.store.count_retry("task.1", FailureKind.TASK, 3)
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={"task_failure": grown})
    assert system.trail[-1].endswith(
        "retry 4 is inf; valid: a finite number of seconds, 0 or more; a growing delay needs max_delay"
    )
    in_time = grown.model_copy(update={"deadline": 60.0})
    system.failed("task.2")
    system.store.count_retry("task.2", FailureKind.TASK, 3)
    supervise(system, report(("task.2", FailureKind.TASK)), conditions={"task_failure": in_time})
    assert system.trail[-1] == "recovery.escalated retry deadline passed"


@pytest.mark.parametrize("u", [-0.1, 1, 1.5, nan, "0.5", None, True])
def test_a_random_number_of_a_jitter_has_to_be_in_its_range(u):
    with pytest.raises(InvalidDelay, match=r"^jitter of task.1: the random number for retry 2 is .*; valid: 0 or more"):
        checked_draw(u, 2, "task.1")
    spread = RetryPolicy(max_retries=3, retry_delay=1, jitter="full")
    assert escalated(spread).startswith("retries exhausted")
    system = SmallSystem()
    system.failed("task.1")
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={"task_failure": spread}, jitter=lambda *_: u)
    assert "InvalidDelay: jitter of task.1: the random number for retry 1" in system.trail[-1]


class Limited(RetryPolicy):
    """A policy with a delay and a limit of its own."""

    def delay(self, retry, u=0.0, previous=None, elapsed=0.0):
        return 4.0 if retry <= 2 else None


def test_a_policy_may_override_delay_and_returns_none_at_its_end():
    system = SmallSystem()
    system.failed("task.1")
    system.raises["enqueue"] = ConnectionError()
    limited = Limited(max_retries=9, retry_delay=1)
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={"task_failure": limited})
    assert [entry.value for entry in system.audit.entries if entry.event == "retry.granted"] == [4, 4]
    assert system.trail[-1] == "recovery.escalated retries exhausted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"retry_delay": -1},
        {"retry_delay": nan},
        {"retry_delay": inf},
        {"retry_delay": "soon"},
        {"retry_delay": None},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"max_delay": nan},
        {"multiplier": 0.5},
        {"multiplier": nan},
        {"spread": nan},
        {"spread": 2},
        {"deadline": -1},
        {"try_timeout": 0},
        {"budget": {"tokens": nan}},
        {"budget": {"refill": -1}},
        {"breaker": {"failures": 0}},
        pytest.param({"jitter": lambda: 0}, id="jitter-function"),
    ],
    ids=str,
)
def test_a_policy_with_an_invalid_value_is_refused(wrong):
    with pytest.raises(ValidationError):
        RetryPolicy(**({"max_retries": 3, "retry_delay": 1} | wrong))


def test_the_number_of_retries_that_a_policy_allows_at_most():
    assert RetryPolicy(max_retries=3, retry_delay=1).most_retries == 3
    assert Returning(max_retries=3, retry_delay=1).most_retries == 3
    assert Limited(max_retries=3, retry_delay=1).most_retries is None
    assert from_tenacity(stop=tenacity.stop_after_attempt(4)).most_retries == 3
    assert from_tenacity(stop=tenacity.stop_never).most_retries is None
    assert from_tenacity(stop=lambda state: pytest.fail("called without a retry")).most_retries is None

"""tenacity objects as policies give the same delays and limits as tenacity."""

import random  # noqa: TID251 - with a seed
import sys

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from tenacity import stop, wait

from recovery import RecoveryConfig, from_tenacity
from recovery.audit import EscalationReason
from recovery.model import FailureKind
from recovery.policies.tenacity_adapter import adopted
from tests.recovery.small_system import SmallSystem
from tests.recovery.supervised import report, supervise

UNIFORM = st.floats(0, 1, exclude_max=True)


def as_tenacity_sleeps(retrying: tenacity.Retrying) -> list[float]:
    """How long tenacity itself sleeps when every attempt fails."""
    slept = []

    def fail():
        raise ConnectionError

    with pytest.raises(tenacity.RetryError):
        retrying.copy(sleep=slept.append)(fail)
    return slept


def as_the_policy_waits(policy, u=0.5) -> list[float]:
    waited = []
    while (delay := policy.delay(len(waited) + 1, u)) is not None:
        waited.append(delay)
    return waited


@pytest.mark.parametrize(
    "waits",
    [
        wait.wait_fixed(3),
        wait.wait_exponential(multiplier=1, max=10),
        wait.wait_incrementing(start=1, increment=2),
        wait.wait_chain(*[wait.wait_fixed(1)] * 2, wait.wait_fixed(9)),
        wait.wait_fixed(1) + wait.wait_exponential(),
        wait.wait_none(),
    ],
    ids=["fixed", "exponential", "incrementing", "chain", "sum", "none"],
)
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_delays_and_attempts_match_tenacity(waits, attempts):
    retrying = tenacity.Retrying(wait=waits, stop=stop.stop_after_attempt(attempts))
    waited = as_the_policy_waits(from_tenacity(waits, stop.stop_after_attempt(attempts)))
    assert waited == as_tenacity_sleeps(retrying)
    assert len(waited) == attempts - 1


def test_a_retrying_object_provides_delay_and_stop():
    retrying = tenacity.Retrying(wait=wait.wait_fixed(2), stop=stop.stop_after_attempt(3))
    assert as_the_policy_waits(from_tenacity(retrying)) == [2, 2]


def test_the_decorator_and_a_decorated_function_are_their_retrying_object():
    decorator = tenacity.retry(wait=wait.wait_fixed(2), stop=stop.stop_after_attempt(3))

    @decorator
    async def fetch():
        pass

    @decorator
    def read():
        pass

    for each in (decorator, fetch, read):
        assert as_the_policy_waits(adopted(each)) == [2, 2]


def test_a_function_without_retries_is_no_policy():
    assert adopted(as_the_policy_waits) is as_the_policy_waits


def test_elapsed_time_starts_at_the_first_failure():
    policy = from_tenacity(wait.wait_fixed(4), stop.stop_after_delay(10))
    assert [policy.delay(2, elapsed=elapsed) for elapsed in (0, 9.9, 10)] == [4, 4, None]
    before = from_tenacity(wait.wait_fixed(4), stop.stop_before_delay(10))
    assert [before.delay(2, elapsed=elapsed) for elapsed in (5.9, 6)] == [4, None]


def test_core_limits_apply_in_addition():
    policy = from_tenacity(wait.wait_fixed(4), stop.stop_after_attempt(3), deadline="5s")
    assert [policy.refusal(2, 4, elapsed) for elapsed in (1, 1.1)] == [None, EscalationReason.DEADLINE_PASSED]
    assert policy.refusal(3, 4, 9) == EscalationReason.RETRIES_EXHAUSTED


@given(UNIFORM, UNIFORM)
def test_random_draws_come_from_the_core(u, other):
    policy = from_tenacity(wait.wait_random(0, 10))
    assert policy.delay(1, u) == policy.delay(1, u)
    assert 0 <= policy.delay(1, u) <= 10
    assert (policy.delay(1, u) == policy.delay(1, other)) == (u == other)


def test_other_random_streams_are_unaffected():
    before = random.getstate()
    from_tenacity(wait.wait_random(0, 10)).delay(1, 0.3)
    assert random.getstate() == before


def test_retries_count_from_one():
    with pytest.raises(ValueError, match="retries count from 1, not 0"):
        from_tenacity(wait.wait_fixed(1)).delay(0)


@pytest.mark.parametrize(
    ("given", "first", "second"),
    [
        (wait.wait_fixed(7), 7, 7),
        (stop.stop_after_attempt(2), 0, None),
        (tenacity.Retrying(wait=wait.wait_fixed(7), stop=stop.stop_after_attempt(2)), 7, None),
    ],
    ids=["wait", "stop", "retrying"],
)
def test_a_tenacity_object_is_accepted_as_a_policy(given, first, second):
    config = RecoveryConfig(conditions={"task_failure": given}, by_error={"task_failure": {"E1": given}})
    for policy in (config.condition(FailureKind.TASK), config.by_error[FailureKind.TASK]["E1"]):
        assert (policy.delay(1), policy.delay(2)) == (first, second)


def test_the_supervisor_waits_as_long_as_tenacity():
    system = SmallSystem()
    system.failed("task.1")
    system.raises["enqueue"] = ConnectionError()
    retrying = tenacity.Retrying(wait=wait.wait_exponential(multiplier=3), stop=stop.stop_after_attempt(4))
    supervise(system, report(("task.1", FailureKind.TASK)), conditions={"task_failure": retrying})
    assert [entry.value for entry in system.audit.entries if entry.event == "retry.granted"] == [3, 6, 12]
    assert system.trail[-1] == "recovery.escalated retries exhausted"


def test_without_tenacity_the_error_names_the_package(monkeypatch):
    policy = from_tenacity(wait.wait_fixed(1))
    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'recovery-bench\[tenacity\]'"):
        policy.delay(1)

"""What a framework can express comes back as it was: import of an export is the policy that was used."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recovery.policies.breaker import BreakerPolicy
from recovery.policies.budget import BudgetPolicy
from recovery.policies.retry import RetryPolicy
from scenarios.errors import ScenarioError
from scenarios.exchange.frameworks import FRAMEWORKS
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import GROUPS, is_same
from tests.examples import examples

MILLISECONDS = st.integers(0, 10**7).map(lambda count: count / 1000)
POSITIVE = st.integers(1, 10**7).map(lambda count: count / 1000)
JITTERS = ("none", "full", "equal", "decorrelated", "proportional", "compounding", "additive")
BREAKERS = st.builds(
    BreakerPolicy,
    failures=st.integers(1, 50),
    share=st.none() | st.sampled_from([0.25, 0.5, 1.0]),
    window=st.integers(1, 50),
    open_for=POSITIVE,
    probes=st.integers(1, 10),
    counts=st.sampled_from(["tries", "attempts"]),
    when_open=st.sampled_from(["wait", "refuse"]),
)
POLICIES = st.builds(
    RetryPolicy,
    max_retries=st.none() | st.integers(0, 20),
    retry_delay=MILLISECONDS,
    backoff=st.sampled_from(["fixed", "linear", "exponential"]),
    multiplier=st.sampled_from([1.0, 1.25, 1.5, 2.0, 3.0]),
    max_delay=st.none() | POSITIVE,
    jitter=st.sampled_from(JITTERS),
    spread=st.sampled_from([0.0, 0.125, 0.5, 1.0]),
    jitter_width=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    deadline=st.none() | POSITIVE,
    try_timeout=st.none() | POSITIVE,
    budget=st.none() | st.builds(BudgetPolicy, tokens=st.integers(1, 500), refill=st.sampled_from([0.1, 0.2])),
    breaker=st.none() | BREAKERS,
)
CODES = st.dictionaries(st.sampled_from(["ValueError", "exit_42", "Poison"]), POLICIES, max_size=2)
PORTABLE = st.builds(Portable, POLICIES, CODES)
LANGUAGES = [(name, language) for name, each in FRAMEWORKS.items() for language in each.languages]


@pytest.mark.long
@settings(max_examples=examples(400))
@given(st.sampled_from(LANGUAGES), PORTABLE)
def test_the_import_of_an_export_is_the_policy_that_was_used(exchanged, wanted):
    name, language = exchanged
    framework = FRAMEWORKS[name]
    used = framework.fit(wanted).used
    text = framework.export(wanted, language=language)
    assert is_same(framework.load(text, "file"), used), text


@settings(max_examples=examples(200))
@given(st.sampled_from(list(FRAMEWORKS)), PORTABLE)
def test_what_a_framework_uses_it_can_express(name, wanted):
    used = FRAMEWORKS[name].fit(wanted).used
    again = FRAMEWORKS[name].fit(used)
    assert [each.group for each in again.differences] == []
    assert is_same(again.used, used)


def test_a_cap_that_a_framework_needs_shortens_no_delay():
    """0.006 · 1.5^8 s is 0.15377344 s, and Temporal has microseconds."""
    wanted = Portable(RetryPolicy(max_retries=9, retry_delay=0.006, backoff="exponential", multiplier=1.5), {})
    assert FRAMEWORKS["temporal"].fit(wanted).differences == ()


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("temporal", {"backoff": "exponential", "multiplier": 1.5, "max_delay": 300}),
        ("celery", {"backoff": "exponential", "max_delay": 600, "jitter": "full"}),
        ("tenacity", {"backoff": "exponential", "jitter": "equal", "max_delay": 100, "deadline": 60}),
        ("stamina", {"backoff": "exponential", "jitter": "additive", "jitter_width": 2, "deadline": 45}),
        ("stepfunctions", {"backoff": "exponential", "max_delay": 90, "jitter": "full"}),
        ("kubernetes", {"retry_delay": 10, "backoff": "exponential", "max_delay": 360, "deadline": 600}),
        ("dapr", {"try_timeout": 5, "breaker": {"failures": 3, "open_for": 45, "when_open": "refuse"}}),
        ("resilience4j", {"backoff": "exponential", "jitter": "proportional", "spread": 0.25, "max_delay": 60}),
        ("aws", {"retry_delay": 1, "backoff": "exponential", "jitter": "full"}),
        ("dbos", {"backoff": "exponential", "max_retries": 2}),
        ("restate", {"retry_delay": 2.3, "jitter": "proportional", "spread": 3 / 23, "deadline": 600}),
        ("langgraph", {"backoff": "exponential", "jitter": "additive", "jitter_width": 1}),
        ("openai-agents", {"backoff": "exponential", "jitter": "proportional", "spread": 0.125, "max_delay": 2}),
        ("pydantic-ai", {"jitter": "full"}),
    ],
)
def test_a_policy_that_a_framework_can_express_comes_back(name, policy):
    given = Portable(RetryPolicy(**{"max_retries": 4, "retry_delay": 2, **policy}))
    framework = FRAMEWORKS[name]
    assert framework.fit(given).differences == ()
    for language in framework.languages:
        assert is_same(framework.load(framework.export(given, language=language), "file"), given)


@given(wanted=PORTABLE)
def test_a_canonical_policy_is_canonical_and_has_the_same_delays(wanted):
    once = wanted.canonical()
    assert is_same(once.canonical(), once)
    for u in (0.0, 0.25, 0.99):
        before = after = None
        for retry in range(1, 1 + min(5, 5 if wanted.policy.max_retries is None else wanted.policy.max_retries)):
            before, after = (
                each.unlimited_delay(retry, u, previous)
                for each, previous in ((wanted.policy, before), (once.policy, after))
            )
            assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


def test_every_key_of_a_policy_belongs_to_a_group():
    assert {key for keys in GROUPS.values() for key in keys} == set(RetryPolicy.model_fields)


def test_the_rounding_of_a_framework_is_no_difference():
    """Restate stores 5 s divided by the middle of its jitter, in whole microseconds."""
    policy = RetryPolicy(max_retries=3, retry_delay=5, jitter="proportional", spread=3 / 23)
    assert FRAMEWORKS["restate"].fit(Portable(policy)).differences == ()


@pytest.mark.parametrize("policy", [{"retry_delay": 5, "jitter": "full"}, {"retry_delay": 0.001, "spread": 1.0}])
def test_the_factor_of_full_jitter_is_one_that_resilience4j_accepts(policy):
    """Its setter refuses 1. A delay of 1 ms with a jitter of 100 % is full jitter of 2 ms."""
    wanted = Portable(RetryPolicy(**{"max_retries": 3, "backoff": "exponential", "jitter": "proportional", **policy}))
    framework = FRAMEWORKS["resilience4j"]
    text = framework.export(wanted)
    assert "randomizedWaitFactor: 0.999999" in text
    assert framework.fit(wanted).differences == ()
    assert is_same(framework.load(text, "file"), wanted.canonical())
    with pytest.raises(ScenarioError, match=r"1\.0 is not valid; valid: 0 or more, up to 0\.999999"):
        framework.load(text.replace("0.999999", "1.0"), "file")

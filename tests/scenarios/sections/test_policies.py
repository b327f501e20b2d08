"""Retry policies in scenario files: presets, limits, and errors that help."""

from typing import get_args

import pytest

import scenarios
from recovery import PRESETS, BreakerPolicy, BudgetPolicy, RetryPolicy
from scenarios import ScenarioError
from scenarios.sections.policies import GIVEN_BY_PRESETS, Policy
from sim.core.build import core_config

STORY = """\
name: story
duration: 1h
tasks: {arrivals: {interval: {every: 1s}}, work: 1s}
agents: {count: 1}
recovery:
  conditions:
"""
TASK = "recovery.conditions.task_failure"


def loaded(conditions: str):
    return scenarios.loads(STORY + "".join(f"    {line}\n" for line in conditions.splitlines()), "story.yaml")


def core_policy(conditions: str, kind: str = "task_failure") -> RetryPolicy:
    """What the core makes of it."""
    return core_config(loaded(conditions)).conditions[kind]


def values(policy: RetryPolicy) -> dict[str, object]:
    """The fields of the core's policy, without those that only a scenario has."""
    return policy.model_dump(include=set(RetryPolicy.model_fields))


def test_the_presets_are_those_of_the_core():
    literal, _ = get_args(Policy.model_fields["preset"].annotation)
    assert get_args(literal) == tuple(PRESETS)


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("kind", ["task_failure", "agent_failure"])
def test_a_preset_gives_the_policy_of_its_engine(name, kind):
    assert values(core_policy(f"{kind}: {{preset: {name}}}", kind)) == values(PRESETS[name]())


def test_keys_beside_a_preset_take_precedence():
    policy = core_policy("task_failure: {preset: kubernetes, max_retries: 2, retry_delay: 1s, budget: {}}")
    assert (policy.max_retries, policy.retry_delay, policy.backoff, policy.max_delay) == (2, 1, "exponential", 360)
    assert policy.budget.model_dump() == BudgetPolicy().model_dump()


def test_resolved_values_give_an_equal_scenario():
    scenario = loaded("task_failure: {preset: dapr, deadline: 5m, by_error: {timeout: {preset: temporal}}}")
    resolved = scenario.resolved()
    assert resolved["recovery"]["conditions"]["task_failure"]["max_delay"] == 60
    assert type(scenario).model_validate(resolved) == scenario


def test_an_overridden_preset_replaces_only_the_delays():
    plain = loaded("task_failure: {retry_delay: 7s, jitter: full, deadline: 5m, budget: {tokens: 3}}")
    changed = plain.with_values({f"{TASK}.preset": "stepfunctions"}).recovery.conditions.task_failure
    assert (changed.max_retries, changed.retry_delay, changed.backoff, changed.jitter) == (3, 1, "exponential", "none")
    assert (changed.deadline, changed.budget.tokens) == (300, 3)


@pytest.mark.parametrize("backwards", [False, True])
def test_keys_overridden_with_a_preset_take_precedence_in_any_order(backwards):
    values = [(f"{TASK}.preset", "temporal"), (f"{TASK}.max_retries", 4)]
    changed = loaded("task_failure: {}").with_values(dict(values[::-1] if backwards else values))
    assert (
        changed.recovery.conditions.task_failure.max_retries,
        changed.recovery.conditions.task_failure.max_delay,
    ) == (
        4,
        100,
    )


def test_a_later_override_keeps_the_rest_of_the_preset():
    later = loaded("task_failure: {preset: kubernetes}").with_values({f"{TASK}.retry_delay": "3s"})
    assert values(core_config(later).conditions["task_failure"]) == values(
        RetryPolicy(max_retries=6, retry_delay=3, backoff="exponential", multiplier=2, max_delay=360)
    )


def test_a_removed_preset_leaves_its_values():
    back = loaded("task_failure: {preset: kubernetes}").with_values({f"{TASK}.preset": None})
    assert back.recovery.conditions.task_failure.retry_delay == 10


def test_presets_set_only_delays_and_their_number():
    given = [key for name in PRESETS for key in PRESETS[name]().model_fields_set]
    assert [key for key in given if key not in GIVEN_BY_PRESETS] == []


def test_every_key_reaches_the_core():
    policy = core_policy(
        "task_failure: {max_retries: null, retry_delay: 2s, backoff: linear, multiplier: 3, max_delay: 1m, "
        "jitter: proportional, spread: 20%, deadline: 10m, try_timeout: 5s, budget: {tokens: 7, refill: 0.3}, "
        "breaker: {failures: null, share: 40%, window: 9, open_for: 8s, probes: 2, when_open: refuse}}"
    )
    expected = RetryPolicy(
        max_retries=None,
        retry_delay=2,
        backoff="linear",
        multiplier=3,
        max_delay=60,
        jitter="proportional",
        spread=0.2,
        deadline=600,
        try_timeout=5,
        budget=BudgetPolicy(tokens=7, refill=0.3),
        breaker=BreakerPolicy(failures=None, share=0.4, window=9, open_for=8, probes=2, when_open="refuse"),
    )
    assert values(policy) == values(expected)


def test_error_policies_reach_the_core():
    config = core_config(loaded("resource_failure: {by_error: {gone: {max_retries: 0}}}"))
    policies = config.by_error["resource_failure"]
    assert list(policies) == ["gone"]
    assert values(policies["gone"]) == values(RetryPolicy(max_retries=0, retry_delay=0))
    assert config.by_error["task_failure"] == {}


def test_a_budget_is_enabled_by_one_of_its_keys():
    changed = loaded("task_failure: {}").with_values({f"{TASK}.budget.tokens": 4, f"{TASK}.breaker.probes": 2})
    assert (
        changed.recovery.conditions.task_failure.budget.tokens,
        changed.resolved()["recovery"]["conditions"]["task_failure"]["breaker"]["probes"],
    ) == (4, 2)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "task_failure: {preset: temporel}",
            (
                "task_failure.preset: 'temporel' is not valid; valid: temporal, stepfunctions, celery, kubernetes, "
                "dbos, resilience4j, dapr, aws (nearest: 'temporal')"
            ),
        ),
        ("agent_failure: {retry_delay: 5s}", "agent_failure.max_retries: is missing; it is required"),
        (
            "task_failure: {budget: 3}",
            "task_failure.budget: 3 is not valid; valid: a mapping with the keys tokens, refill",
        ),
        (
            "task_failure: {budget: {tokens: 0}}",
            "task_failure.budget.tokens: 0.0 would never allow a retry; valid: 1 or more",
        ),
        ("task_failure: {budget: {refill: -1}}", "task_failure.budget.refill: -1.0 is negative; valid: 0 or more"),
        (
            "task_failure: {budget: {token: 3}}",
            "task_failure.budget.token: unknown key; known: tokens, refill (nearest: 'tokens')",
        ),
        (
            "task_failure: {breaker: {failures: null}}",
            "task_failure.breaker.failures: would never open; give failures or share",
        ),
        ("task_failure: {breaker: {share: 0}}", "task_failure.breaker.share: 0.0 is not valid; valid: more than 0"),
        (
            "task_failure: {breaker: {when_open: refus}}",
            "task_failure.breaker.when_open: 'refus' is not valid; valid: wait, refuse (nearest: 'refuse')",
        ),
        ("task_failure: {deadline: 0s}", "task_failure.deadline: 0.0 is not valid; valid: more than 0"),
        ("task_failure: {spread: 2}", "task_failure.spread: 2 is not a probability"),
        (
            "task_failure: {by_error: {timeout: {retry_delay: 1s}}}",
            "task_failure.by_error.timeout.max_retries: is missing; it is required",
        ),
        (
            "task_failure: {by_error: {timeout: {max_retries: 1, by_error: {}}}}",
            "task_failure.by_error.timeout.by_error: unknown key",
        ),
    ],
)
def test_an_invalid_policy_is_rejected_with_position_and_valid_values(written, message):
    with pytest.raises(ScenarioError) as told:
        loaded(written)
    assert str(told.value).startswith(f"story.yaml:7: recovery.conditions.{message}")

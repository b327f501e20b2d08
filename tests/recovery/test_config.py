"""The configuration of the core and its validation."""

import pytest

from recovery.config import RecoveryConfig
from recovery.model import FailureKind


def test_given_conditions_replace_the_documented_ones():
    config = RecoveryConfig.model_validate({"conditions": {"task_failure": {"max_retries": 1, "retry_delay": "2s"}}})
    assert config.condition(FailureKind.TASK).retry_delay == 2
    assert config.condition(FailureKind.RESOURCE) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"parallel": 0},
        {"unconditional_tries": 0},
        {"conditions": {"bad_luck": None}},
        {"detection": {"heartbeat_interval": 0}},
        {"detection": {"missed_heartbeats": 0}},
        {"detection": {"poll": "0s"}},
        {"detection": {"detector": "clairvoyant"}},
        {"paralel": 3},
    ],
)
def test_an_invalid_configuration_is_rejected(wrong):
    with pytest.raises(ValueError, match="validation error"):
        RecoveryConfig.model_validate(wrong)


@pytest.mark.parametrize("kind", ["agent_failure", "communication_failure"])
def test_a_breaker_of_attempts_needs_tasks(kind):
    policy = {"max_retries": 1, "retry_delay": 1, "breaker": {"counts": "attempts"}}
    with pytest.raises(ValueError, match=f"{kind}: counts of a breaker: there are no attempts at tasks; valid: tries"):
        RecoveryConfig(conditions={kind: policy})

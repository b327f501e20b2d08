"""The default retry policies of well-known engines, with their exact delays and the source of each.

If an engine counts attempts, including the first one, `max_retries` is one less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from recovery.policies.retry import RetryPolicy


def temporal() -> RetryPolicy:
    """1, 2, 4 … 64, 100, 100 s, without a limit: 1 s × 2, capped at 100 × the initial interval.

    Source: Temporal, "What is a Temporal Retry Policy?" (docs.temporal.io/encyclopedia/retry-policies): Initial
    Interval 1 s, Backoff Coefficient 2.0, Maximum Interval 100 × Initial Interval, Maximum Attempts unlimited.
    """
    return RetryPolicy(max_retries=None, retry_delay=1, backoff="exponential", multiplier=2, max_delay=100)


def stepfunctions() -> RetryPolicy:
    """1, 2, 4 s: 1 s × 2, three retries, no cap and no jitter.

    Source: AWS Step Functions Developer Guide, "Handling errors in workflows", and the Amazon States Language: a
    Retrier has IntervalSeconds 1, BackoffRate 2.0, MaxAttempts 3, which is the number of retries; JitterStrategy NONE.
    """
    return RetryPolicy(max_retries=3, retry_delay=1, backoff="exponential", multiplier=2)


def celery() -> RetryPolicy:
    """Uniform over 0 … 1, 2, 4 … ≤ 600 s, three retries.

    Source: Celery, "Tasks: Automatic retry for known exceptions" with `retry_backoff=True`: factor 1,
    `retry_backoff_max` 600, `retry_jitter` True, `max_retries` 3; min(600, 2^n) in `celery.utils.time`. Celery draws
    whole seconds, 0 and the delay itself included: the same mean, d/2.
    """
    return RetryPolicy(max_retries=3, retry_delay=1, backoff="exponential", multiplier=2, max_delay=600, jitter="full")


def kubernetes() -> RetryPolicy:
    """10, 20, 40, 80, 160, 320 s: 10 s × 2 capped at six minutes, six retries.

    Source: Kubernetes, "Jobs: Pod backoff failure policy" (kubernetes.io/docs/concepts/workloads/controllers/job):
    `backoffLimit` 6, "an exponential back-off delay (10s, 20s, 40s …) capped at six minutes".
    """
    return RetryPolicy(max_retries=6, retry_delay=10, backoff="exponential", multiplier=2, max_delay=360)


def dbos() -> RetryPolicy:
    """1, 2 s: 1 s × 2 capped at one hour, three attempts.

    Source: DBOS Transact, "Steps: Configurable retries" (docs.dbos.dev): `interval_seconds` 1.0, `backoff_rate` 2.0,
    `max_attempts` 3; the cap is `max_retry_interval_seconds` 3600 in `dbos._core`.
    """
    return RetryPolicy(max_retries=2, retry_delay=1, backoff="exponential", multiplier=2, max_delay=3600)


def resilience4j() -> RetryPolicy:
    """0.5, 0.75, 1.125 … s, each ± 50 %; three attempts.

    Source: resilience4j, `IntervalFunction.ofExponentialRandomBackoff()`: DEFAULT_INITIAL_INTERVAL 500 ms,
    DEFAULT_MULTIPLIER 1.5, DEFAULT_RANDOMIZATION_FACTOR 0.5; `RetryConfig` maxAttempts 3.
    """
    return RetryPolicy(
        max_retries=2, retry_delay=0.5, backoff="exponential", multiplier=1.5, jitter="proportional", spread=0.5
    )


def dapr() -> RetryPolicy:
    """The previous delay × 1.5 × uniform over 0.5 … 1.5, at most 60 s, without a limit; 0.5 s ± 50 % before the first.

    Source: Dapr, "Retry resiliency policies" (docs.dapr.io/operations/resiliency/policies/retries), policy exponential:
    the formula as documented there, `maxInterval` 60 s, `maxRetries` -1. The initial interval is the 500 ms of
    `dapr/kit/retry`, which spreads the delays around 0.5 s × 1.5ⁿ⁻¹ instead: the same means below the cap.
    """
    return RetryPolicy(
        max_retries=None,
        retry_delay=0.5,
        backoff="exponential",
        multiplier=1.5,
        max_delay=60,
        jitter="compounding",
        spread=0.5,
    )


def aws(base: float = 1.0) -> RetryPolicy:
    """Uniform(0, 1) · min(20 s, base · 2ⁿ) with n from 0; three attempts. `base` is in seconds.

    Source: AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode, and `botocore.retries.standard`: base
    1 s, MAX_BACKOFF 20 s, three attempts. Its retry quota is `recovery.policies.budget.BudgetPolicy()`, which is not
    part of this.
    """
    return RetryPolicy(
        max_retries=2, retry_delay=base, backoff="exponential", multiplier=2, max_delay=20, jitter="full"
    )


PRESETS: Mapping[str, Callable[[], RetryPolicy]] = MappingProxyType(
    {
        "temporal": temporal,
        "stepfunctions": stepfunctions,
        "celery": celery,
        "kubernetes": kubernetes,
        "dbos": dbos,
        "resilience4j": resilience4j,
        "dapr": dapr,
        "aws": aws,
    }
)
"""The presets by their names in scenario files."""


def preset(name: str) -> RetryPolicy:
    """The policy of an engine by its name. Raises ValueError for an unknown name."""
    if name not in PRESETS:
        close = get_close_matches(name.lower(), list(PRESETS), n=1)
        near = f" (nearest: '{close[0]}')" if close else ""
        raise ValueError(f"no preset {name!r}; known: {', '.join(PRESETS)}{near}")
    return PRESETS[name]()

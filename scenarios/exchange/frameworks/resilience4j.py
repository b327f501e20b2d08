"""resilience4j: retry, circuit breaker and time limiter of Spring Boot, as YAML.

Source: resilience4j documentation, "Retry", "CircuitBreaker" and "Getting Started with Spring Boot"; `IntervalFunction`
and `RetryConfigurationProperties`: maxAttempts 3 with the first one; waitDuration 500 ms; with enableExponentialBackoff
waitDuration · exponentialBackoffMultiplier^(n-1), 1.5 by default, at most exponentialMaxWaitDuration; with
enableRandomizedWait uniform ± randomizedWaitFactor, 0.5 by default and below 1, of it, which is then capped.
CircuitBreaker: COUNT_BASED, slidingWindowSize 100, minimumNumberOfCalls 100, failureRateThreshold 50,
waitDurationInOpenState 60 s, permittedNumberOfCallsInHalfOpenState 10; an open one refuses calls. Durations have whole
milliseconds.
"""

from __future__ import annotations

import re
from typing import Any

from recovery.policies.breaker import BreakerPolicy
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import NEVER, Portable
from scenarios.exchange.shapes import Numbers, Shape
from scenarios.exchange.values import Values, mapping, spring_duration, words, yaml_text

RETRY = words(
    "maxAttempts waitDuration enableExponentialBackoff exponentialBackoffMultiplier "
    "exponentialMaxWaitDuration enableRandomizedWait randomizedWaitFactor retryExceptions "
    "ignoreExceptions retryExceptionPredicate resultPredicate failAfterMaxAttempts intervalBiFunction "
    "consumeResultBeforeRetryAttempt eventConsumerBufferSize baseConfig registerHealthIndicator "
    "maxRetryAttempts ignoreClassBindingExceptions"
)
BREAKER = words(
    "slidingWindowType slidingWindowSize minimumNumberOfCalls failureRateThreshold "
    "waitDurationInOpenState permittedNumberOfCallsInHalfOpenState slowCallRateThreshold "
    "slowCallDurationThreshold recordExceptions ignoreExceptions "
    "automaticTransitionFromOpenToHalfOpenEnabled maxWaitDurationInHalfOpenState registerHealthIndicator "
    "allowHealthIndicatorToFail eventConsumerBufferSize baseConfig writableStackTraceEnabled "
    "recordFailurePredicate ignoreExceptionPredicate recordResultPredicate enableExponentialBackoff "
    "exponentialBackoffMultiplier exponentialMaxWaitDurationInOpenState enableRandomizedWait "
    "randomizedWaitFactor initialState transitionToStateAfterWaitDuration ignoreClassBindingExceptions"
)
LIMITER = ("timeoutDuration", "cancelRunningFuture", "eventConsumerBufferSize", "baseConfig")
GROUPS = ("retry", "circuitbreaker", "timelimiter", "ratelimiter", "bulkhead", "thread-pool-bulkhead", "metrics")
INT = 2**31 - 1
FULL = 0.999999
"""The factor of full jitter: resilience4j refuses 1, and cuts delays to whole milliseconds."""
DURATION = "500ms, 10s, PT10S"


def write(portable: Portable, how: Written) -> str:
    """Instances of one name."""
    policy = portable.policy
    retry: dict[str, Any] = {
        "maxAttempts": INT if policy.max_retries is None else policy.max_retries + 1,
        "waitDuration": _milliseconds(policy.retry_delay),
    }
    if policy.backoff == "exponential":
        retry |= {"enableExponentialBackoff": True, "exponentialBackoffMultiplier": policy.multiplier}
        if policy.max_delay is not None:
            retry["exponentialMaxWaitDuration"] = _milliseconds(policy.max_delay)
    if policy.jitter == "proportional":
        retry |= {"enableRandomizedWait": True, "randomizedWaitFactor": min(policy.spread, FULL)}
    if policy.jitter == "full":  # delays of one length between 0 and twice their middle
        middle = policy.retry_delay / 2
        retry |= {"waitDuration": _milliseconds(middle), "enableRandomizedWait": True, "randomizedWaitFactor": FULL}
    if policy.jitter == "equal":
        middle = policy.retry_delay * 3 / 4
        retry |= {"waitDuration": _milliseconds(middle), "enableRandomizedWait": True, "randomizedWaitFactor": 1 / 3}
    if portable.not_retried:
        retry["ignoreExceptions"] = list(portable.not_retried)
    groups: dict[str, Any] = {"retry": {"instances": {how.name: retry}}}
    if policy.breaker is not None:
        groups["circuitbreaker"] = {"instances": {how.name: _of_breaker(policy.breaker)}}
    if policy.try_timeout is not None:
        limit = {"timeoutDuration": _milliseconds(policy.try_timeout)}
        groups["timelimiter"] = {"instances": {how.name: limit}}
    return yaml_text({"resilience4j": groups}, how.comments)


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _of_breaker(breaker: BreakerPolicy) -> dict[str, Any]:
    window, rate = breaker.window, 100 * (breaker.share or 1.0)
    if breaker.share is None:
        window = breaker.failures or 1
    return {
        "slidingWindowType": "COUNT_BASED",
        "slidingWindowSize": window,
        "minimumNumberOfCalls": window,
        "failureRateThreshold": round(rate, 9),
        "waitDurationInOpenState": _milliseconds(breaker.open_for),
        "permittedNumberOfCallsInHalfOpenState": breaker.probes,
    }


def read(text: str, source: str) -> Portable:
    """The one instance of a retry, with the circuit breaker and time limiter of its name."""
    whole = mapping(text, source, "an application.yml")
    found = whole.below("resilience4j")
    if not found.data:
        dotted = [key for key in whole.data if key.startswith("resilience4j.")]
        if not dotted:
            raise whole.error("has no resilience4j; valid: resilience4j.retry.instances.NAME")
        parts = {key.removeprefix("resilience4j."): whole.data[key] for key in dotted}
        return _read(Values(source, parts, lambda at: _dotted_line(whole, at)))
    return _read(found)


def _dotted_line(whole: Values, at: tuple[str | int, ...]) -> int | None:
    return whole.line_of((f"resilience4j.{at[0]}", *at[1:])) if at else 1


def _read(groups: Values) -> Portable:
    groups.check(GROUPS, "resilience4j")
    retries = _kebab(groups.below("retry", "instances"), None)
    if len(retries.data) != 1:
        names = ", ".join(retries.data) or "none"
        raise groups.error(f"has {len(retries.data)} instances ({names}); valid: one", "retry")
    name = next(iter(retries.data))
    retry = _kebab(retries.below(name), RETRY)
    retry.check(RETRY, "a retry of resilience4j")
    keys = _delays(retry)
    breaker = _kebab(groups.below("circuitbreaker", "instances").below(name), BREAKER)
    if breaker.data:
        keys["breaker"] = _breaker(breaker)
    limiter = _kebab(groups.below("timelimiter", "instances").below(name), LIMITER)
    limiter.check(LIMITER, "a time limiter of resilience4j")
    keys["try_timeout"] = limiter.duration("timeoutDuration", None, spring_duration, DURATION) or None
    return Portable(retry.policy(**keys), dict.fromkeys(retry.texts("ignoreExceptions"), NEVER))


def _kebab(values: Values, known: tuple[str, ...] | None) -> Values:
    """Keys such as `max-attempts`, which Spring binds as well, as `maxAttempts`."""
    if known is None:
        return values
    written = {_camel(key) if _camel(key) in known else key: key for key in values.data}
    data = {name: values.data[key] for name, key in written.items()}
    depth = len(values.place)

    def line(at: tuple[str | int, ...]) -> int | None:
        head = at[: depth + 1]
        return values.line_of((*head[:depth], *(written.get(str(each), each) for each in head[depth:])))

    return Values(values.source, data, line, values.place)


def _camel(key: str) -> str:
    return re.sub(r"-(\w)", lambda found: found[1].upper(), key)


def _delays(retry: Values) -> dict[str, Any]:
    attempts = retry.whole("maxAttempts", retry.whole("maxRetryAttempts", 3, 1, INT), 1, INT)
    keys: dict[str, Any] = {
        "max_retries": None if attempts == INT else attempts - 1,
        "retry_delay": retry.duration("waitDuration", 0.5, spring_duration, DURATION) or 0.5,
    }
    if retry.truth("enableExponentialBackoff", False):
        cap = retry.duration("exponentialMaxWaitDuration", None, spring_duration, DURATION)
        keys |= {"backoff": "exponential", "max_delay": cap}
        keys["multiplier"] = retry.number("exponentialBackoffMultiplier", 1.5, 1)
    if retry.truth("enableRandomizedWait", False):
        spread = retry.number("randomizedWaitFactor", 0.5, 0, FULL)
        keys |= {"jitter": "proportional", "spread": 1.0 if spread == FULL else spread}
    return keys


def _breaker(values: Values) -> BreakerPolicy:
    values.check(BREAKER, "a circuit breaker of resilience4j")
    if values.text("slidingWindowType", "COUNT_BASED", ("COUNT_BASED", "TIME_BASED")) == "TIME_BASED":
        raise values.error("TIME_BASED cannot be simulated; valid: COUNT_BASED", "slidingWindowType")
    window = values.whole("slidingWindowSize", 100, 1)
    least = min(window, values.whole("minimumNumberOfCalls", 100, 1))
    if least != window:
        raise values.error(
            f"{least} calls of a window of {window} cannot be simulated; valid: slidingWindowSize",
            "minimumNumberOfCalls",
        )
    return BreakerPolicy(
        failures=None,
        share=values.number("failureRateThreshold", 50, 1e-6, 100) / 100,
        window=window,
        open_for=values.duration("waitDurationInOpenState", 60.0, spring_duration, DURATION) or 60.0,
        probes=values.whole("permittedNumberOfCallsInHalfOpenState", 10, 1),
        when_open="refuse",
    )


def _nearest(breaker: BreakerPolicy) -> BreakerPolicy:
    """A breaker with a share of a window, or with consecutive failures, which are all of a window."""
    changed: dict[str, Any] = {"counts": None, "when_open": "refuse"}
    if breaker.share is not None:
        changed["failures"] = None
    changed["open_for"] = max(0.001, round(breaker.open_for, 3))
    return breaker.model_copy(update=changed)


_MS = Numbers(1e-3, 1e-3)
RESILIENCE4J = Framework(
    name="resilience4j",
    title="resilience4j for Spring Boot; maxAttempts includes the first attempt",
    source="resilience4j documentation, Retry, CircuitBreaker, Spring Boot; IntervalFunction",
    shapes=(
        Shape(
            jitters=("none", "proportional"),
            most_retries=INT - 2,
            delays=_MS,
            caps=_MS,
            try_timeout=_MS,
            breaker=_nearest,
            errors=True,
        ),
        Shape(
            jitters=("full",),
            most_retries=INT - 2,
            delays=Numbers(0.002, 0.002),
            has_cap=False,
            try_timeout=_MS,
            breaker=_nearest,
            errors=True,
        ),
        Shape(
            jitters=("equal",),
            most_retries=INT - 2,
            delays=Numbers(0.004, 0.004),
            has_cap=False,
            try_timeout=_MS,
            breaker=_nearest,
            errors=True,
        ),
    ),
    write=write,
    read=read,
    languages=("yaml",),
    notes={
        "breaker": "half open, resilience4j judges the rate of all permitted calls; in simulation one failure opens it",
    },
)

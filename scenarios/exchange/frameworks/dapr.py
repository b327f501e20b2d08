"""Dapr: the resiliency resource, as YAML.

Source: Dapr documentation, "Retry resiliency policies", "Circuit breaker resiliency policies" and "Resiliency spec":
policy constant with duration 5 s, or exponential with maxInterval 60 s; maxRetries -1, which is unlimited, the first
attempt not counted. Exponential: the previous delay × 1.5 × uniform 0.5 … 1.5, capped; the first one is around the
500 ms of `dapr/kit/retry`, and neither can be set. A breaker opens when `trip` holds, as in consecutiveFailures >= 5,
for `timeout` 60 s, and then admits maxRequests 1; meanwhile calls fail at once.
"""

from __future__ import annotations

import re
from typing import Any

from recovery.policies.breaker import BreakerPolicy
from scenarios.errors import instead
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import LONGEST, Numbers, Shape
from scenarios.exchange.values import Values, go_duration, in_go, mapping, yaml_text

FIRST, FACTOR, SPREAD = 0.5, 1.5, 0.5
"""The fixed parts of the exponential policy: the first delay in seconds, the growth, and the relative width."""
RETRY = ("policy", "duration", "maxInterval", "maxRetries", "matching")
BREAKER = ("maxRequests", "interval", "timeout", "trip")
DURATION = "5s, 1m30s"
TRIP = re.compile(r"\s*consecutiveFailures\s*(>=|>)\s*(\d+)\s*")


def write(portable: Portable, how: Written) -> str:
    """A resource with the policy, and no targets yet."""
    policy = portable.policy
    retries = -1 if policy.max_retries is None else policy.max_retries
    if policy.jitter in {"compounding", "proportional"}:  # proportional: of a single retry
        cap = LONGEST if policy.max_delay is None else policy.max_delay
        retry: dict[str, Any] = {"policy": "exponential", "maxInterval": in_go(cap), "maxRetries": retries}
    else:
        retry = {"policy": "constant", "duration": in_go(policy.retry_delay), "maxRetries": retries}
    policies: dict[str, Any] = {"retries": {how.name: retry}}
    if policy.try_timeout is not None:
        policies["timeouts"] = {how.name: in_go(policy.try_timeout)}
    breaker = policy.breaker
    if breaker is not None:
        policies["circuitBreakers"] = {
            how.name: {
                "maxRequests": breaker.probes,
                "timeout": in_go(breaker.open_for),
                "trip": f"consecutiveFailures >= {breaker.failures}",
            }
        }
    resource = {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Resiliency",
        "metadata": {"name": how.name},
        "spec": {"policies": policies, "targets": {}},
    }
    return yaml_text(resource, how.comments)


def read(text: str, source: str) -> Portable:
    """The one retry policy of a resource, with the timeout and the circuit breaker if there is one of each."""
    resource = mapping(text, source, "a Resiliency")
    resource.check(("apiVersion", "kind", "metadata", "scopes", "spec", "version", "targets"), "a Resiliency")
    resource.text("kind", "Resiliency", ("Resiliency",))
    spec = resource.below("spec")
    spec.check(("policies", "targets"), "the spec of a Resiliency")
    policies = spec.below("policies")
    policies.check(("timeouts", "retries", "circuitBreakers"), "policies")
    retry = _one(policies, "retries")
    if retry is None:
        raise policies.error("is missing or empty; valid: one retry policy", "retries")
    retry.check(RETRY, "a retry policy")
    keys = _delays(retry)
    breaker = _one(policies, "circuitBreakers")
    if breaker is not None:
        keys["breaker"] = _breaker(breaker)
    timeouts = policies.below("timeouts")
    if len(timeouts.data) == 1:
        name = next(iter(timeouts.data))
        keys["try_timeout"] = timeouts.duration(name, None, go_duration, DURATION) or None
    return Portable(retry.policy(**keys))


def _one(policies: Values, key: str) -> Values | None:
    found = policies.below(key)
    if len(found.data) > 1:
        names = list(found.data)
        raise found.error(f"has {len(names)} policies ({', '.join(names)}); valid: one of them", names[1])
    return found.below(next(iter(found.data))) if found.data else None


def _delays(retry: Values) -> dict[str, Any]:
    retries = retry.whole("maxRetries", -1, -1)
    keys: dict[str, Any] = {"max_retries": None if retries < 0 else retries}
    if retry.text("policy", "constant", ("constant", "exponential")) == "constant":
        return {**keys, "retry_delay": retry.duration("duration", 5.0, go_duration, DURATION)}
    cap = retry.duration("maxInterval", 60.0, go_duration, DURATION)
    growth = {"retry_delay": FIRST, "backoff": "exponential", "multiplier": FACTOR}
    return {**keys, **growth, "max_delay": None if cap >= LONGEST else cap, "jitter": "compounding", "spread": SPREAD}


def _breaker(values: Values) -> BreakerPolicy:
    values.check(BREAKER, "a circuit breaker")
    values.duration("interval", 0.0, go_duration, DURATION)
    trip = values.text("trip", "consecutiveFailures > 5")
    found = TRIP.fullmatch(trip)
    if found is None:
        valid = instead("consecutiveFailures >= 5", ("consecutiveFailures >= 5",), "valid")
        raise values.error(f"{trip!r} cannot be simulated; {valid}", "trip")
    failures = int(found[2]) + (found[1] == ">")
    return BreakerPolicy(
        failures=max(1, failures),
        open_for=values.duration("timeout", 60.0, go_duration, DURATION) or 60.0,
        probes=max(1, values.whole("maxRequests", 1)),
        when_open="refuse",
    )


def _nearest(breaker: BreakerPolicy) -> BreakerPolicy:
    """A breaker that counts attempts, opens after consecutive failures, and refuses."""
    failures = breaker.failures if breaker.share is None and breaker.failures else None
    if failures is None:
        failures = max(1, round((breaker.share or 1.0) * breaker.window))
    changed = {"failures": failures, "share": None, "counts": None, "when_open": "refuse"}
    return breaker.model_copy(update=changed)


DAPR = Framework(
    name="dapr",
    title="Dapr resiliency; maxRetries does not count the first attempt, -1 is unlimited",
    source="Dapr documentation, Resiliency: retries and circuit breakers; dapr/kit, retry",
    shapes=(
        Shape(backoffs=("fixed",), has_cap=False, try_timeout=Numbers(1e-6, 1e-6), breaker=_nearest),
        Shape(
            backoffs=("exponential",),
            jitters=("compounding",),
            delay=FIRST,
            multiplier=FACTOR,
            spread=SPREAD,
            cap_of_fixed=True,
            try_timeout=Numbers(1e-6, 1e-6),
            breaker=_nearest,
        ),
    ),
    write=write,
    read=read,
    languages=("yaml",),
    hints={"by_error": "matching takes the status codes that are retried"},
    notes={
        "breaker": "its interval, which clears the counts, is not simulated",
        "jitter": "dapr/kit spreads the delays around 0.5 s × 1.5ⁿ⁻¹; the simulated ones follow the documentation",
    },
)

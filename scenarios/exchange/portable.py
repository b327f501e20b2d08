"""A retry policy between two frameworks: the policy, and the policies of single error codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recovery.policies.breaker import BreakerPolicy
from recovery.policies.budget import BudgetPolicy
from recovery.policies.retry import RetryPolicy
from scenarios.sections.policies import Condition, Policy

DIGITS = 12
"""Significant digits of numbers that are compared: what remains of a number that was written and read."""
UNUSED = {
    "backoff": "fixed",
    "multiplier": 2.0,
    "max_delay": None,
    "jitter": "none",
    "spread": 0.5,
    "jitter_width": 1.0,
}
"""Values of keys that have no effect in a canonical policy."""


NEVER = RetryPolicy(max_retries=0, retry_delay=0)
"""The policy of an error that is not retried."""


@dataclass(frozen=True)
class Portable:
    """A policy, and those of single error codes. A code whose policy has no retries is an error that is not retried."""

    policy: RetryPolicy
    by_error: Mapping[str, RetryPolicy] = field(default_factory=dict)

    @property
    def not_retried(self) -> tuple[str, ...]:
        """The error codes that are not retried."""
        return tuple(code for code, policy in self.by_error.items() if policy.max_retries == 0)

    def canonical(self) -> Portable:
        """As `canonical` of each policy."""
        return Portable(canonical(self.policy), {code: canonical(each) for code, each in self.by_error.items()})

    def as_condition(self) -> dict[str, Any]:
        """The condition of a scenario with this policy, as data in file notation; `max_retries` and `retry_delay` are
        always there, other keys where they differ from their default.
        """
        codes = {code: _data(policy) for code, policy in self.by_error.items()}
        return {**_data(self.policy), **({"by_error": codes} if codes else {})}


def portable(condition: Condition) -> Portable:
    """The policy of a scenario's condition."""
    return Portable(_core(condition), {code: _core(policy) for code, policy in condition.by_error.items()})


def _core(policy: Policy) -> RetryPolicy:
    data = {name: getattr(policy, name) for name in RetryPolicy.model_fields if name not in {"budget", "breaker"}}
    budget = None if policy.budget is None else BudgetPolicy(**_fields(policy.budget, BudgetPolicy))
    breaker = None if policy.breaker is None else BreakerPolicy(**_fields(policy.breaker, BreakerPolicy))
    return RetryPolicy(**data, budget=budget, breaker=breaker)


def _fields(settings: Any, model: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in model.model_fields}


def _data(policy: RetryPolicy) -> dict[str, Any]:
    data: dict[str, Any] = {"max_retries": policy.max_retries, "retry_delay": _number(policy.retry_delay)}
    for name, declared in RetryPolicy.model_fields.items():
        value = getattr(policy, name)
        if name in data or value == declared.default:
            continue
        if isinstance(value, BudgetPolicy | BreakerPolicy):
            value = {key: _number(each) for key, each in value.model_dump().items()}
        data[name] = _number(value)
    return data


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# -------------------------------------------------------------------------------------------- equal in effect
def canonical(policy: RetryPolicy) -> RetryPolicy:
    """The policy in a form that is equal for policies with the same effect: keys without an effect have their default.

    Delays of one length that are uniform over a range have the same form for each kind of jitter. Numbers have `DIGITS`
    digits.
    """
    data = {name: getattr(policy, name) for name in RetryPolicy.model_fields}
    if policy.max_retries == 0:
        data |= {**UNUSED, "retry_delay": 0.0, "deadline": None, "budget": None}
    else:
        data |= _delays(policy)
    if policy.breaker is not None:
        data["breaker"] = _breaker(policy.breaker)
    return RetryPolicy(**{name: _rounded(value) for name, value in data.items()})


def _delays(policy: RetryPolicy) -> dict[str, Any]:
    """The keys that determine the delays."""
    jitter, multiplier = policy.jitter, policy.multiplier
    if jitter == "decorrelated":
        return _keys(policy, "fixed", "decorrelated")
    is_capped = policy.max_delay is not None and policy.max_delay <= policy.retry_delay
    if jitter == "compounding" and (policy.max_retries != 1 or is_capped):
        return {**_keys(policy, "exponential", jitter), "multiplier": multiplier, "spread": policy.spread}
    if jitter == "compounding":
        jitter = "proportional"
    grows = policy.backoff == "linear" or (policy.backoff == "exponential" and multiplier > 1)
    if not grows or is_capped or policy.max_retries == 1 or policy.retry_delay == 0:
        return _of_one_length(policy)
    found = _keys(policy, policy.backoff, jitter)
    if policy.backoff == "exponential":
        found["multiplier"] = multiplier
    if jitter == "proportional":
        found |= {"spread": policy.spread} if policy.spread else {"jitter": "none"}
    if jitter == "additive":
        found |= {"jitter_width": policy.jitter_width} if policy.jitter_width else {"jitter": "none"}
    if policy.max_delay is not None and policy.max_retries is not None:
        longest = policy.model_copy(update={"max_delay": None}).unlimited_delay(policy.max_retries, 1.0)
        if longest <= policy.max_delay * (1 + 1e-12):
            found["max_delay"] = None
    return _named_jitter(found) if found["jitter"] == "proportional" and found["max_delay"] is None else found


def _named_jitter(found: dict[str, Any]) -> dict[str, Any]:
    """Proportional jitter of the full delay is full jitter of twice the delay, that of a third of it equal jitter."""
    factors = {_rounded(1.0): ("full", 2.0), _rounded(1 / 3): ("equal", 4 / 3)}
    jitter, factor = factors.get(_rounded(found["spread"]), (None, 1.0))
    if jitter is None:
        return found
    return {**found, "jitter": jitter, "retry_delay": factor * found["retry_delay"], "spread": UNUSED["spread"]}


def uniform(policy: RetryPolicy) -> tuple[float, float]:
    """The shortest first delay and the width of its jitter, in seconds, without a cap."""
    free = policy.model_copy(update={"max_delay": None})
    low, high = (free.unlimited_delay(1, u) for u in (0.0, 1.0))
    return _rounded(low), _rounded(high - low)


def _keys(policy: RetryPolicy, backoff: str, jitter: str) -> dict[str, Any]:
    given = {"retry_delay": policy.retry_delay, "max_delay": policy.max_delay}
    return {**UNUSED, **given, "backoff": backoff, "jitter": jitter}


def _of_one_length(policy: RetryPolicy) -> dict[str, Any]:
    """Delays that do not grow: uniform between two bounds."""
    one = policy.model_copy(update={"backoff": "fixed", "max_delay": None})
    if one.jitter == "compounding":
        one = one.model_copy(update={"jitter": "proportional"})
    cap = policy.max_delay
    if cap is not None and one.jitter != "additive":
        one = one.model_copy(update={"retry_delay": min(cap, one.retry_delay)})
        cap = cap if one.jitter == "proportional" else None
    low, high = (_rounded(one.unlimited_delay(1, u)) for u in (0.0, 1.0))
    if cap is not None and cap <= low:
        return {**UNUSED, "retry_delay": cap}
    if cap is not None and cap < high:
        kept = {"spread": policy.spread} if one.jitter == "proportional" else {"jitter_width": policy.jitter_width}
        return {**_keys(policy, "fixed", one.jitter), "retry_delay": one.retry_delay, **kept}
    if low == high:
        return {**UNUSED, "retry_delay": low}
    if low == 0:
        return {**UNUSED, "retry_delay": high, "jitter": "full"}
    if high == _rounded(2 * low):
        return {**UNUSED, "retry_delay": high, "jitter": "equal"}
    return {
        **UNUSED,
        "retry_delay": (low + high) / 2,
        "jitter": "proportional",
        "spread": (high - low) / (high + low),
    }


def _breaker(breaker: BreakerPolicy) -> BreakerPolicy:
    """A share of 100 % of a window is that many consecutive failures."""
    if breaker.share == 1 and (breaker.failures is None or breaker.failures >= breaker.window):
        breaker = breaker.model_copy(update={"failures": breaker.window, "share": None})
    if breaker.counts == "attempts":  # the default for failures of tasks
        breaker = breaker.model_copy(update={"counts": None})
    if breaker.share is None:
        breaker = breaker.model_copy(update={"window": BreakerPolicy.model_fields["window"].default})
    return breaker


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value

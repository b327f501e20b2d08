"""What a framework cannot express, in words: what was wanted, and what is used instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recovery.policies.breaker import BreakerPolicy
from recovery.policies.budget import BudgetPolicy
from recovery.policies.retry import RetryPolicy
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import Difference, typical_delays, without_jitter

SHOWN = 4
"""Delays that are written, at most."""


def described(difference: Difference) -> str:
    """`jitter: full → none`."""
    if difference.group == "by_error":
        return f"by_error: {_errors(difference.wanted)} → {_errors(difference.used)}"
    say = WORDS[difference.group]
    before, after = say(difference.wanted.policy), say(difference.used.policy)
    return f"{difference.group}: {before} → {after}"


def seconds(value: float) -> str:
    """A duration in scenario notation, with at most six digits: `250ms`, `51.25s`, `5m`."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if value >= length and (value / length).is_integer():
            return f"{value / length:g}{unit}"
    return f"{value * 1000:.6g}ms" if 0 < value < 1 else f"{value:.6g}s"


def _retries(policy: RetryPolicy) -> str:
    return "unlimited" if policy.max_retries is None else str(policy.max_retries)


def _delays(policy: RetryPolicy) -> str:
    found = typical_delays(without_jitter(policy))
    first = [seconds(each) for each in found[:SHOWN]]
    if not first:
        return "none"
    if len(set(first)) == 1 and len({seconds(each) for each in found}) == 1:
        return f"{first[0]} each" if len(found) > 1 else first[0]
    cap = "" if policy.max_delay is None else f" (at most {seconds(policy.max_delay)})"
    return ", ".join(first) + (" …" if len(found) > SHOWN else "") + cap


def _jitter(policy: RetryPolicy) -> str:
    if policy.jitter in {"proportional", "compounding"}:
        return f"{policy.jitter} ± {100 * policy.spread:.4g} %"
    return f"additive up to {seconds(policy.jitter_width)}" if policy.jitter == "additive" else policy.jitter


def _duration(value: float | None) -> str:
    return "none" if value is None else seconds(value)


def _budget(budget: BudgetPolicy | None) -> str:
    return "none" if budget is None else f"{budget.tokens:.4g} retries, {budget.refill:.4g} back per success"


def _breaker(breaker: BreakerPolicy | None) -> str:
    if breaker is None:
        return "none"
    share = "" if breaker.share is None else f"{100 * breaker.share:.4g} % of {breaker.window}"
    failures = "" if breaker.failures is None else f"{breaker.failures} failures"
    opens = " or ".join(filter(None, (failures, share)))
    counts = breaker.counts or "attempts"
    return f"{opens} of {counts}, open for {seconds(breaker.open_for)}, then {breaker.when_open}"


def _errors(portable: Portable) -> str:
    each = {
        code: "not retried" if policy.max_retries == 0 else "own policy" for code, policy in portable.by_error.items()
    }
    return ", ".join(f"{code} {what}" for code, what in each.items()) or "as every error"


WORDS: Mapping[str, Callable[[RetryPolicy], str]] = {
    "max_retries": _retries,
    "delays": _delays,
    "jitter": _jitter,
    "deadline": lambda policy: _duration(policy.deadline),
    "try_timeout": lambda policy: _duration(policy.try_timeout),
    "honor_retry_after": lambda policy: "honored" if policy.honor_retry_after else "ignored",
    "budget": lambda policy: _budget(policy.budget),
    "breaker": lambda policy: _breaker(policy.breaker),
}
"""The words of a group of keys."""

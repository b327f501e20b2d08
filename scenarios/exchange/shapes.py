"""What a framework can express, as a table, and the nearest policy that it can.

A framework has one or several shapes: sets of policies that it can express. A policy is fitted to each of them; the one
with the fewest differences is used, and of those the one with the nearest delays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf, isclose, log
from typing import Any

from recovery.policies.breaker import BreakerPolicy
from recovery.policies.budget import BudgetPolicy
from recovery.policies.retry import RetryPolicy
from scenarios.exchange.portable import NEVER, Portable, canonical, uniform

COMPARED = 20
"""The number of retries whose delays are compared, and written in messages at most four of them."""
LONGEST = 365 * 86400.0
"""A cap that no run reaches, for a framework that needs one: a year, in seconds."""
NEAREST: Mapping[str, tuple[str, ...]] = {
    "none": ("none",),
    "full": ("full", "equal", "proportional", "compounding", "additive", "none"),
    "equal": ("equal", "full", "proportional", "compounding", "additive", "none"),
    "decorrelated": ("decorrelated", "proportional", "compounding", "equal", "full", "additive", "none"),
    "proportional": ("proportional", "compounding", "equal", "full", "additive", "none"),
    "compounding": ("compounding", "proportional", "equal", "full", "additive", "none"),
    "additive": ("additive", "equal", "proportional", "compounding", "full", "none"),
}
"""The kinds of jitter by their likeness to each kind."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "max_retries": ("max_retries",),
    "delays": ("retry_delay", "backoff", "multiplier", "max_delay"),
    "jitter": ("jitter", "spread", "jitter_width"),
    "deadline": ("deadline",),
    "try_timeout": ("try_timeout",),
    "honor_retry_after": ("honor_retry_after",),
    "budget": ("budget",),
    "breaker": ("breaker",),
}
"""The keys of a policy that belong together: what a framework cannot express is named by them."""


@dataclass(frozen=True)
class Numbers:
    """Numbers that can be written: multiples of `step` from `least` to `most`."""

    step: float = 1e-6
    least: float = 0.0
    most: float = inf

    def nearest(self, value: float) -> float:
        """The nearest of them."""
        if value == inf:
            return self.most
        per_unit = round(1 / self.step) if self.step < 1 else None
        rounded = round(value * per_unit) / per_unit if per_unit else round(value / self.step) * self.step
        return min(self.most, max(self.least, rounded))

    def not_below(self, value: float) -> float:
        """The nearest of them that is not below the value, if there is one."""
        found = self.nearest(value)
        return found if found >= value else self.nearest(value + self.step)


@dataclass(frozen=True)
class Shape:
    """A set of policies that a framework can express.

    Fixed values: `delay`, `multiplier`, `cap`, `spread`, `jitter_width`, `budget`; None: free. `delays` and `caps` are
    the numbers that can be written. `cap_needed`: growing delays always have a cap; `cap_of_fixed`: delays that do not
    grow may have one, which limits their jitter. `from_low`: a delay that does not grow is the shortest one and the
    width of its jitter. `most_retries` None: no limit. `breaker` returns the nearest breaker that can be expressed.
    `errors`: errors that are not retried, whose codes match `code` if there is one.
    """

    backoffs: tuple[str, ...] = ("fixed", "exponential")
    jitters: tuple[str, ...] = ("none",)
    most_retries: int | None = None
    is_unlimited: bool = True
    delay: float | None = None
    delays: Numbers = Numbers()
    multiplier: float | None = None
    has_cap: bool = True
    cap: float | None = None
    caps: Numbers = Numbers()
    cap_needed: bool = False
    cap_of_fixed: bool = False
    from_low: bool = False
    spread: float | None = None
    jitter_width: float | None = None
    deadline: Numbers | None = None
    try_timeout: Numbers | None = None
    budget: BudgetPolicy | None = None
    breaker: Callable[[BreakerPolicy], BreakerPolicy] | None = None
    errors: bool = False
    policies_of_errors: bool = False
    code: re.Pattern[str] | None = None

    def fitted(self, given: Portable) -> Portable:
        """The nearest policy of this shape."""
        given = given.canonical()
        policy = self._policy(given.policy)
        codes: dict[str, RetryPolicy] = {}
        for code, each in given.by_error.items():
            if self.policies_of_errors:
                codes[code] = self._policy(each)
            elif self.errors and each.max_retries == 0 and (self.code is None or self.code.fullmatch(code)):
                codes[code] = NEVER
        return Portable(policy, codes)

    def _policy(self, policy: RetryPolicy) -> RetryPolicy:
        wanted, policy = policy, _without_memory(policy) if "decorrelated" not in self.jitters else policy
        if self.from_low and policy.backoff == "fixed" and policy.jitter != "none":
            low, width = uniform(policy)
            policy = policy.model_copy(update={"retry_delay": low, "jitter": "additive", "jitter_width": width})
        data: dict[str, Any] = {"max_retries": self._retries(policy.max_retries)}
        data |= self._schedule(policy)
        data |= self._jitter(policy if policy.jitter == "additive" else wanted)
        for name, numbers in (("deadline", self.deadline), ("try_timeout", self.try_timeout)):
            value = getattr(policy, name)
            data[name] = None if numbers is None or value is None else numbers.nearest(value)
        data["budget"] = self.budget
        if self.breaker is not None and policy.breaker is not None:
            data["breaker"] = self.breaker(policy.breaker)
        made = canonical(RetryPolicy(**data))
        if made.backoff == "fixed" and made.max_delay is not None and not self.cap_of_fixed:
            made = canonical(made.model_copy(update={"max_delay": None}))
        return made

    def _retries(self, wanted: int | None) -> int | None:
        if wanted is None:
            return None if self.is_unlimited else self.most_retries
        return wanted if self.most_retries is None else min(wanted, self.most_retries)

    def _schedule(self, policy: RetryPolicy) -> dict[str, Any]:
        backoff = policy.backoff if policy.backoff in self.backoffs else self._other_backoff(policy)
        multiplier = self.multiplier
        delay = policy.retry_delay
        if backoff == "exponential" and multiplier is None:
            multiplier = _multiplier_like(policy)
        if backoff == "fixed" and policy.backoff != "fixed":
            delay = _mean_delay(policy)
        delay = self.delays.nearest(delay) if self.delay is None else self.delay
        cap = policy.max_delay
        if not self.has_cap or (backoff == "fixed" and not self.cap_of_fixed):
            cap = None
        elif self.cap is not None:
            cap = self.cap
        elif cap is not None:
            cap = self.caps.nearest(cap)
        elif self.cap_needed and backoff != "fixed":
            cap = self.caps.not_below(_longest(policy, delay, multiplier or 1.0))
        return {"backoff": backoff, "multiplier": multiplier or 2.0, "retry_delay": delay, "max_delay": cap}

    def _other_backoff(self, policy: RetryPolicy) -> str:
        if policy.backoff == "linear" and "exponential" in self.backoffs:
            return "exponential"
        if "fixed" in self.backoffs:
            return "fixed"
        return self.backoffs[0]

    def _jitter(self, policy: RetryPolicy) -> dict[str, Any]:
        kind = next((each for each in NEAREST[policy.jitter] if each in self.jitters), self.jitters[0])
        spread = policy.spread if self.spread is None else self.spread
        width = policy.jitter_width if self.jitter_width is None else self.jitter_width
        return {"jitter": kind, "spread": spread, "jitter_width": width}


def _without_memory(policy: RetryPolicy) -> RetryPolicy:
    """Decorrelated jitter as exponential backoff: the mean of the first delay, and the growth of later means."""
    if policy.jitter != "decorrelated":
        return policy
    grown = {"retry_delay": 2 * policy.retry_delay, "backoff": "exponential", "multiplier": 1.5, "jitter": "none"}
    return policy.model_copy(update=grown)


def _multiplier_like(policy: RetryPolicy) -> float:
    """Of linear backoff: the factor with the same last delay. Of fixed backoff: 1."""
    if policy.backoff == "exponential":
        return policy.multiplier
    if policy.backoff == "fixed" or policy.max_retries in {0, 1}:
        return 1.0
    retries = COMPARED if policy.max_retries is None else policy.max_retries
    return float(f"{retries ** (1 / (retries - 1)):.4g}")


def _mean_delay(policy: RetryPolicy) -> float:
    found = typical_delays(policy)
    return sum(found) / len(found) if found else policy.retry_delay


def _longest(policy: RetryPolicy, delay: float, multiplier: float) -> float:
    """The longest delay without a cap; `LONGEST` when delays grow without a limit."""
    if policy.max_retries is None:
        return LONGEST
    try:
        return min(LONGEST, delay * multiplier ** max(0, policy.max_retries - 1))
    except OverflowError:
        return LONGEST


def typical_delays(policy: RetryPolicy, count: int = COMPARED) -> list[float]:
    """The first delays of a policy, in seconds, each in the middle of its jitter."""
    found: list[float] = []
    for retry in range(1, (count if policy.max_retries is None else min(count, policy.max_retries)) + 1):
        found.append(policy.unlimited_delay(retry, 0.5, found[-1] if found else None))
    return found


# --------------------------------------------------------------------------------------------- differences
@dataclass(frozen=True)
class Difference:
    """What a framework cannot express: a group of keys (`GROUPS`, or `by_error`), before and after."""

    group: str
    wanted: Portable
    used: Portable

    @property
    def alone(self) -> Portable:
        """The wanted policy with only this difference."""
        if self.group == "by_error":
            return replace(self.wanted, by_error=self.used.by_error)
        changed = {key: getattr(self.used.policy, key) for key in GROUPS[self.group]}
        return replace(self.wanted, policy=self.wanted.policy.model_copy(update=changed))


@dataclass(frozen=True)
class Fit:
    """The nearest policy of a framework, and how it differs from the wanted one."""

    wanted: Portable
    used: Portable
    differences: tuple[Difference, ...] = field(default=())


def fit(wanted: Portable, shapes: tuple[Shape, ...]) -> Fit:
    """The nearest policy of several shapes."""
    wanted = wanted.canonical()
    fits = [_fit(wanted, shape.fitted(wanted)) for shape in shapes]
    return min(fits, key=lambda each: (len(each.differences), _distance(each)))


def _fit(wanted: Portable, used: Portable) -> Fit:
    used = used.canonical()
    return Fit(wanted, used, tuple(_differences(wanted, used)))


def _differences(wanted: Portable, used: Portable) -> Iterator[Difference]:
    for group, keys in GROUPS.items():
        before, after = ([getattr(each.policy, key) for key in keys] for each in (wanted, used))
        if all(map(_equal, before, after)):
            continue
        if group == "delays" and (all(map(_rounded, before, after)) or _equal_delays(wanted.policy, used.policy)):
            continue
        yield Difference(group, wanted, used)
    if not is_same(Portable(used.policy, wanted.by_error), used):
        yield Difference("by_error", wanted, used)


def without_jitter(policy: RetryPolicy) -> RetryPolicy:
    """The policy without jitter; that of the mean delays for jitter that depends on the previous delay."""
    return _without_memory(policy).model_copy(update={"jitter": "none"})


def _equal_delays(a: RetryPolicy, b: RetryPolicy) -> bool:
    """Whether all delays are equal without jitter, where only that differs."""
    if a.jitter == b.jitter:
        return False
    plain = [canonical(without_jitter(each).model_copy(update={"max_retries": a.max_retries})) for each in (a, b)]
    return all(_rounded(*(getattr(each, key) for each in plain)) for key in GROUPS["delays"])


def is_same(a: Portable, b: Portable) -> bool:
    """Whether two policies have the same effect, their numbers being equal up to rounding."""
    if list(a.by_error) != list(b.by_error):
        return False
    pairs = [(a.policy, b.policy), *((a.by_error[code], b.by_error[code]) for code in a.by_error)]
    return all(
        _equal(getattr(canonical(one), name), getattr(canonical(other), name))
        for one, other in pairs
        for name in RetryPolicy.model_fields
    )


def _equal(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    if isinstance(a, BudgetPolicy | BreakerPolicy) and type(a) is type(b):
        return all(_equal(getattr(a, name), getattr(b, name)) for name in type(a).model_fields)
    if isinstance(a, float) and isinstance(b, float):
        return isclose(a, b, rel_tol=tolerance, abs_tol=1e-9)
    return bool(a == b)


def _rounded(a: Any, b: Any) -> bool:
    """Whether delays are equal in the six digits in which they are printed; some frameworks store microseconds."""
    return _equal(a, b, 1e-6)


def _distance(each: Fit) -> float:
    """The mean ratio of the delays, as a logarithm; without their jitter where it differs."""
    policies = [each.wanted.policy, each.used.policy]
    if policies[0].jitter != policies[1].jitter:
        policies = [without_jitter(one) for one in policies]
    before, after = map(typical_delays, policies)
    pairs = list(zip(before, after, strict=False))
    return sum(abs(log((b + 1e-3) / (a + 1e-3))) for a, b in pairs) / len(pairs) if pairs else 0.0

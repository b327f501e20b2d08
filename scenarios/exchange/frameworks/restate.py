"""Restate: the retries of `ctx.run`, as `RunOptions` of the Python SDK.

Source: Restate documentation, "Service configuration: Retries"; `RunOptions` and `InvocationRetryPolicy` of the Python
SDK; `retries.rs` of restate-types. RunOptions: initial_retry_interval 50 ms, retry_interval_factor 2,
max_retry_interval 10 s, max_attempts with the first one and max_duration, both unlimited. InvocationRetryPolicy:
initial_interval 50 ms, exponentiation_factor 2, max_interval 60 s, max_attempts 70. The delay is
min(initial · factor^(n-1), cap) plus 0 … 30 % of it: uniform within 3/23 around 1.15 times the delay.
"""

from __future__ import annotations

from typing import Any

from recovery.policies.retry import RetryPolicy
from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import LONGEST, Numbers, Shape

MIDDLE, SPREAD = 1.15, 3 / 23
"""The middle of the jitter, as a multiple of the delay, and its relative width."""
RUN = ("initial_retry_interval", "retry_interval_factor", "max_retry_interval", "max_attempts", "max_duration")
OTHERS = ("serde", "type_hint", "max_retry_duration")
INVOCATION = ("initial_interval", "exponentiation_factor", "max_interval", "max_attempts", "on_max_attempts")


def write(portable: Portable, how: Written) -> str:
    """The options of `ctx.run_typed`."""
    policy = portable.policy
    factor = policy.multiplier if policy.backoff == "exponential" else 1.0
    cap = LONGEST if policy.max_delay is None else policy.max_delay / MIDDLE
    arguments = {
        "initial_retry_interval": python.timedelta(round(policy.retry_delay / MIDDLE, 6)),
        "retry_interval_factor": repr(float(factor)),
        "max_retry_interval": python.timedelta(round(cap, 6)),
    }
    if policy.max_retries is not None:
        arguments["max_attempts"] = str(policy.max_retries + 1)
    if policy.deadline is not None:
        arguments["max_duration"] = python.timedelta(policy.deadline)
    imports = "from datetime import timedelta\n\nfrom restate import RunOptions\n\n"
    return python.comment(how.comments) + imports + python.call("RunOptions", arguments, "options = ") + "\n"


def read(text: str, source: str) -> Portable:
    """The one `RunOptions(…)` or `InvocationRetryPolicy(…)` of a source."""
    reader = python.Reader(text, source, ignored=OTHERS[:2])
    one = reader.one(["RunOptions", "InvocationRetryPolicy"])
    is_run = one.name == "RunOptions"
    names = RUN if is_run else INVOCATION
    reader.check(one, (*names, *OTHERS) if is_run else names)
    values = python.values_of(source, one)
    seconds = "timedelta(seconds=30)"
    initial = values.duration(names[0], 0.05, _seconds, seconds)
    cap = values.duration(names[2], 10.0 if is_run else 60.0, _seconds, seconds)
    attempts = values.whole("max_attempts", 0 if is_run else 70, 1 if values.has("max_attempts") else 0)
    deadline = None
    if is_run:
        longest = values.duration("max_retry_duration", None, _seconds, seconds)
        deadline = values.duration("max_duration", longest, _seconds, seconds)
    policy: RetryPolicy = values.policy(
        max_retries=attempts - 1 if attempts else None,
        retry_delay=MIDDLE * min(initial, cap),
        backoff="exponential" if initial < cap else "fixed",
        multiplier=values.number(names[1], 2.0, 1),
        max_delay=None if cap >= LONGEST or initial >= cap else MIDDLE * cap,
        jitter="proportional",
        spread=SPREAD,
        deadline=deadline,
    )
    return Portable(policy)


def _seconds(value: Any) -> float | None:
    return float(value) if python.is_number(value) else None


class _Middles(Numbers):
    """Middles of the jitter of delays of whole microseconds."""

    def nearest(self, value: float) -> float:
        return MIDDLE * super().nearest(value / MIDDLE)


RESTATE = Framework(
    name="restate",
    title="Restate RunOptions; max_attempts includes the first one",
    source="Restate documentation, Service configuration; restate-types, retries.rs",
    shapes=(
        Shape(
            jitters=("proportional",),
            delays=_Middles(1e-6, 1e-6),
            caps=_Middles(1e-6, 1e-6),
            spread=SPREAD,
            deadline=Numbers(1e-6, 1e-6),
        ),
    ),
    write=write,
    read=read,
    hints={"by_error": "a TerminalError is not retried"},
    notes={"deadline": "max_duration counts from the first attempt, and ends the retries only when an attempt fails"},
)

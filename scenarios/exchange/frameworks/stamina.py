"""stamina: `retry(…)`, as Python.

Source: stamina, API reference of `stamina.retry`, and `stamina._core`: attempts 10 with the first one, or None; timeout
45 s, or None; wait_initial 0.1; wait_max 5.0; wait_jitter 1.0; wait_exp_base 2. The delay before retry n is
min(wait_max, wait_initial · wait_exp_base^(n-1) + uniform 0…wait_jitter). The timeout is compared when an attempt
fails, from the start of the first attempt and without the delay that follows; the simulated deadline counts from the
first failure and includes it.
"""

from __future__ import annotations

from typing import Any

from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable, uniform
from scenarios.exchange.shapes import LONGEST, Numbers, Shape
from scenarios.exchange.values import Values

WAITS = ("wait_initial", "wait_max", "wait_jitter", "wait_exp_base")
ARGUMENTS = ("on", "attempts", "timeout", *WAITS)


def write(portable: Portable, how: Written) -> str:
    """The policy as a decorator's arguments."""
    policy = portable.policy
    low, width = uniform(policy)
    factor = policy.multiplier if policy.backoff == "exponential" else 1
    cap = LONGEST if policy.max_delay is None else policy.max_delay
    arguments = {
        "on": "Exception",
        "attempts": str(None if policy.max_retries is None else policy.max_retries + 1),
        "timeout": "None" if policy.deadline is None else python.number(policy.deadline),
        "wait_initial": python.number(low),
        "wait_max": python.number(cap),
        "wait_jitter": python.number(width),
        "wait_exp_base": python.number(factor),
    }
    imports = "import stamina\n\n"
    return python.comment(how.comments) + imports + python.call("stamina.retry", arguments, "retry = ") + "\n"


def read(text: str, source: str) -> Portable:
    """The one `retry(…)`, `RetryingCaller(…)` or `retry_context(…)` of a source."""
    reader = python.Reader(text, source, ignored=("on",))
    one = reader.one(["retry", "retry_context", "RetryingCaller", "AsyncRetryingCaller"])
    reader.check(one, ARGUMENTS, 1)
    values = python.values_of(source, one)
    attempts = None if _is_none(values, "attempts") else values.whole("attempts", 10, 1)
    cap = values.number("wait_max", 5.0)
    width = values.number("wait_jitter", 1.0)
    return Portable(
        values.policy(
            max_retries=None if attempts is None else attempts - 1,
            retry_delay=values.number("wait_initial", 0.1),
            backoff="exponential",
            multiplier=values.number("wait_exp_base", 2.0, 1),
            max_delay=None if cap >= LONGEST else cap,
            jitter="additive" if width else "none",
            jitter_width=width,
            deadline=None if _is_none(values, "timeout") else values.number("timeout", 45.0),
        )
    )


def _is_none(values: Values, key: str) -> Any:
    return key in values.data and values.data[key] is None


STAMINA = Framework(
    name="stamina",
    title="stamina; attempts include the first one",
    source="stamina, API reference of stamina.retry",
    shapes=(
        Shape(
            jitters=("none", "additive"),
            delays=Numbers(1e-9),
            caps=Numbers(1e-9),
            cap_of_fixed=True,
            from_low=True,
            deadline=Numbers(1e-9, 1e-9),
        ),
    ),
    write=write,
    read=read,
    hints={"by_error": "on takes the exceptions that are retried, or a function that decides"},
    notes={"deadline": "stamina compares the timeout without the delay that follows, from the first attempt on"},
)

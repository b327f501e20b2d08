"""DBOS: a step with retries, as Python.

Source: DBOS Transact documentation, "Steps: Configurable retries", and `dbos._core`: retries_allowed False,
interval_seconds 1.0, max_attempts 3 with the first one, backoff_rate 2.0. The delay before retry n is
min(interval_seconds · backoff_rate^(n-1), 3600 s), without jitter; the cap cannot be set.
"""

from __future__ import annotations

from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import Numbers, Shape

CAP = 3600.0
"""The longest delay, in seconds."""
ARGUMENTS = ("name", "retries_allowed", "interval_seconds", "max_attempts", "backoff_rate", "should_retry")
MOST = 2**31 - 1


def write(portable: Portable, how: Written) -> str:
    """The step's decorator."""
    policy = portable.policy
    rate = policy.multiplier if policy.backoff == "exponential" else 1.0
    arguments = {
        "retries_allowed": str(policy.max_retries != 0),
        "interval_seconds": repr(float(policy.retry_delay)),
        "max_attempts": str(MOST if policy.max_retries is None else policy.max_retries + 1),
        "backoff_rate": repr(float(rate)),
    }
    return (
        python.comment(how.comments)
        + "from dbos import DBOS\n\n"
        + python.call("DBOS.step", arguments, "step = ")
        + "\n"
    )


def read(text: str, source: str) -> Portable:
    """The one `DBOS.step(…)` of a source."""
    reader = python.Reader(text, source, ignored=("should_retry",))
    one = reader.one(["step"])
    reader.check(one, ARGUMENTS)
    values = python.values_of(source, one)
    attempts = values.whole("max_attempts", 3, 1)
    if not values.truth("retries_allowed", False):
        attempts = 1
    return Portable(
        values.policy(
            max_retries=attempts - 1,
            retry_delay=values.number("interval_seconds", 1.0),
            backoff="exponential",
            multiplier=values.number("backoff_rate", 2.0, 1),
            max_delay=CAP,
        )
    )


_MOST = Numbers(1e-9, 0, CAP)
DBOS = Framework(
    name="dbos",
    title="DBOS step; max_attempts includes the first one",
    source="DBOS Transact documentation, Steps; dbos._core",
    shapes=(
        Shape(backoffs=("fixed",), most_retries=MOST - 1, is_unlimited=False, delays=_MOST, has_cap=False),
        Shape(backoffs=("exponential",), most_retries=MOST - 1, is_unlimited=False, delays=_MOST, cap=CAP),
    ),
    write=write,
    read=read,
    hints={"by_error": "should_retry is a function of the exception"},
)

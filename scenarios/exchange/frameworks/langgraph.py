"""LangGraph: RetryPolicy of a node, as Python.

Source: LangGraph, `langgraph.types.RetryPolicy`, `langgraph.pregel._retry`: initial_interval 0.5, backoff_factor 2.0,
max_interval 128.0, max_attempts 3 with the first one, jitter True, retry_on. Before retry n it sleeps
min(max_interval, initial_interval · backoff_factor^(n-1)), and with jitter uniform 0…1 s more, which the cap does not
limit. The simulated cap limits the sum; it is half a second longer, which is the mean of the jitter.
"""

from __future__ import annotations

from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable, uniform
from scenarios.exchange.shapes import LONGEST, Numbers, Shape

ARGUMENTS = ("initial_interval", "backoff_factor", "max_interval", "max_attempts", "jitter", "retry_on")
MOST = 2**31 - 1
HALF = 0.5
"""The mean of the jitter, in seconds."""


def write(portable: Portable, how: Written) -> str:
    """The policy as a call."""
    policy = portable.policy
    initial, has_jitter = uniform(policy)[0], policy.jitter != "none"
    cap = LONGEST if policy.max_delay is None else policy.max_delay - has_jitter * HALF
    arguments = {
        "initial_interval": repr(round(float(initial), 9)),
        "backoff_factor": repr(float(policy.multiplier if policy.backoff == "exponential" else 1.0)),
        "max_interval": repr(round(float(cap), 9)),
        "max_attempts": str(MOST if policy.max_retries is None else policy.max_retries + 1),
        "jitter": str(has_jitter),
    }
    imports = "from langgraph.types import RetryPolicy\n\n"
    return python.comment(how.comments) + imports + python.call("RetryPolicy", arguments, "retry_policy = ") + "\n"


def read(text: str, source: str) -> Portable:
    """The one `RetryPolicy(…)` of a source."""
    reader = python.Reader(text, source)
    one = reader.one(["RetryPolicy"])
    reader.check(one, ARGUMENTS)
    values = python.values_of(source, one)
    has_jitter = values.truth("jitter", True)
    cap = values.number("max_interval", 128.0)
    initial = values.number("initial_interval", 0.5)
    return Portable(
        values.policy(
            max_retries=values.whole("max_attempts", 3, 1) - 1,
            retry_delay=min(initial, cap),
            backoff="exponential" if initial < cap else "fixed",
            multiplier=values.number("backoff_factor", 2.0, 1),
            max_delay=None if cap >= LONGEST or initial >= cap else cap + has_jitter * HALF,
            jitter="additive" if has_jitter else "none",
        )
    )


LANGGRAPH = Framework(
    name="langgraph",
    title="LangGraph RetryPolicy; max_attempts includes the first one",
    source="LangGraph, langgraph.types.RetryPolicy and langgraph.pregel._retry",
    shapes=(
        Shape(most_retries=MOST - 1, is_unlimited=False),
        Shape(
            jitters=("additive",),
            most_retries=MOST - 1,
            is_unlimited=False,
            caps=Numbers(least=HALF),
            jitter_width=1.0,
            from_low=True,
        ),
    ),
    write=write,
    read=read,
    hints={"by_error": "retry_on takes the exceptions that are retried"},
    notes={"jitter": "LangGraph adds up to 1 s to each delay, also to one that max_interval limits"},
)

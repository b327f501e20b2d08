"""OpenAI Agents SDK: retries of model calls, as Python.

Source: OpenAI Agents SDK, `agents.retry` (ModelRetrySettings, ModelRetryBackoffSettings) and
`agents.run_internal.model_retry`: max_retries None, which is none; initial_delay 0.25, multiplier 2.0, max_delay 2.0,
jitter True. The delay before retry n is min(initial_delay · multiplier^(n-1), max_delay), with jitter times uniform
0.875 … 1.125 and capped again. Without a `policy`, which decides what is retried, nothing is.
"""

from __future__ import annotations

from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable
from scenarios.exchange.python_source import Call
from scenarios.exchange.shapes import LONGEST, Numbers, Shape
from scenarios.exchange.values import Values

SPREAD = 0.125
"""The relative width of the jitter."""
SETTINGS = ("max_retries", "backoff", "policy")
BACKOFF = ("initial_delay", "max_delay", "multiplier", "jitter")
MOST = 2**31 - 1


def write(portable: Portable, how: Written) -> str:
    """The settings as nested calls."""
    policy = portable.policy
    backoff = {
        "initial_delay": python.number(policy.retry_delay),
        "max_delay": python.number(LONGEST if policy.max_delay is None else policy.max_delay),
        "multiplier": python.number(policy.multiplier if policy.backoff == "exponential" else 1),
        "jitter": str(policy.jitter != "none"),
    }
    arguments = {
        "max_retries": str(MOST if policy.max_retries is None else policy.max_retries),
        "backoff": python.call("ModelRetryBackoffSettings", backoff),
        "policy": "retry_policies.any(retry_policies.network_error(), retry_policies.retry_after())",
    }
    imports = "from agents.retry import ModelRetryBackoffSettings, ModelRetrySettings, retry_policies\n\n"
    text = python.call("ModelRetrySettings", arguments, "retry_settings = ")
    return python.comment((*how.comments, "use: ModelSettings(retry=retry_settings)")) + imports + text + "\n"


def read(text: str, source: str) -> Portable:
    """The one `ModelRetrySettings(…)` of a source."""
    reader = python.Reader(text, source, ("ModelRetryBackoffSettings",), ("policy",))
    one = reader.one(["ModelRetrySettings"])
    reader.check(one, SETTINGS)
    values = python.values_of(source, one)
    given = one.keywords.get("backoff")
    if isinstance(given, Call):
        reader.check(given, BACKOFF)
        backoff = python.values_of(source, given)
    else:
        backoff = Values(source, given or {}, lambda _: one.lines.get("backoff"), ("backoff",))
        if not isinstance(backoff.data, dict):
            raise values.error("is not ModelRetryBackoffSettings(…) or a mapping", "backoff")
        backoff.check(BACKOFF, "backoff")
    jitter = backoff.data.get("jitter") is None or backoff.truth("jitter", True)
    cap = backoff.number("max_delay", 2.0)
    initial = backoff.number("initial_delay", 0.25)
    retries = values.whole("max_retries", 0)
    return Portable(
        values.policy(
            max_retries=None if retries == MOST else retries,
            retry_delay=initial if cap else 0,
            backoff="exponential",
            multiplier=backoff.number("multiplier", 2.0, 1),
            max_delay=None if cap >= LONGEST or not cap else cap,
            jitter="proportional" if jitter else "none",
            spread=SPREAD,
        )
    )


OPENAI_AGENTS = Framework(
    name="openai-agents",
    title="OpenAI Agents SDK, ModelRetrySettings; max_retries does not count the first attempt",
    source="OpenAI Agents SDK, agents.retry and agents.run_internal.model_retry",
    shapes=(
        Shape(
            jitters=("none", "proportional"),
            most_retries=MOST - 1,
            delays=Numbers(1e-9),
            caps=Numbers(1e-9, 1e-9),
            cap_of_fixed=True,
            spread=SPREAD,
        ),
    ),
    write=write,
    read=read,
    hints={"by_error": "policy decides what is retried"},
)

"""Celery: the retry options of a task, as Python.

Source: Celery user guide, "Tasks: Automatic retry for known exceptions" and "Task options"; `celery.app.autoretry` and
`celery.utils.time.get_exponential_backoff_interval`. With `retry_backoff`: min(retry_backoff_max, factor · 2^retries),
where `retries` is 0 before the first retry and the factor is a whole number of seconds; with `retry_jitter` a whole
number drawn from 0 to that delay, both included, whose mean is that of full jitter. Without it: `default_retry_delay`.
Defaults: `max_retries` 3, `default_retry_delay` 180, `retry_backoff_max` 600, `retry_jitter` True. `max_retries` does
not count the first attempt, and None is unlimited. Exceptions of `dont_autoretry_for` are not retried.
"""

from __future__ import annotations

from typing import Any

from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.frameworks.celery_queue import read_queue, write_queue
from scenarios.exchange.portable import NEVER, Portable
from scenarios.exchange.shapes import LONGEST, Numbers, Shape
from scenarios.exchange.values import Values, words

RETRY_OPTIONS = (
    "autoretry_for",
    "dont_autoretry_for",
    "max_retries",
    "default_retry_delay",
    "retry_backoff",
    "retry_backoff_max",
    "retry_jitter",
    "retry_kwargs",
)
OTHER_OPTIONS = words(
    "name bind base acks_late acks_on_failure_or_timeout reject_on_worker_lost ignore_result "
    "track_started rate_limit time_limit soft_time_limit serializer compression backend "
    "store_errors_even_if_ignored throws typing expires priority queue exchange routing_key trail "
    "send_events abstract request_stack shared lazy pydantic pydantic_strict pydantic_context "
    "pydantic_dump_kwargs"
)
"""Options of a task that its retries do not depend on."""


def write(portable: Portable, how: Written) -> str:
    """The options as a mapping for `@app.task(**task_options)`."""
    policy = portable.policy
    arguments = {"autoretry_for": "(Exception,)"}
    if portable.not_retried:
        arguments["dont_autoretry_for"] = python.names(portable.not_retried)
    arguments["max_retries"] = str(policy.max_retries)
    if policy.backoff == "exponential":
        cap = LONGEST if policy.max_delay is None else policy.max_delay
        if policy.max_delay is None and policy.max_retries is not None:
            cap = min(cap, policy.retry_delay * 2.0 ** max(0, policy.max_retries - 1))
        arguments["retry_backoff"] = python.number(policy.retry_delay)
        arguments["retry_backoff_max"] = python.number(cap)
        arguments["retry_jitter"] = str(policy.jitter == "full")
    elif policy.jitter == "full":  # a delay that does not grow: backoff that its cap stops at once
        arguments["retry_backoff"] = arguments["retry_backoff_max"] = python.number(policy.retry_delay)
        arguments["retry_jitter"] = "True"
    else:
        arguments["default_retry_delay"] = python.number(policy.retry_delay)
    usage = "use: @app.task(**task_options)"
    return python.comment((*how.comments, usage)) + python.call("dict", arguments, "task_options = ") + "\n"


def read(text: str, source: str) -> Portable:
    """The options of the one `task(…)`, `shared_task(…)` or `dict(…)` of a source."""
    reader = python.Reader(text, source)
    one = reader.one(["task", "shared_task", "dict"])
    reader.check(one, (*RETRY_OPTIONS, *OTHER_OPTIONS))
    values = python.values_of(source, one)
    more = values.data.get("retry_kwargs") or {}
    if not isinstance(more, dict):
        raise values.error("is not a mapping with literal values", "retry_kwargs")
    more_values = Values(source, more, lambda _: one.lines.get("retry_kwargs"), ("retry_kwargs",))
    more_values.check(("max_retries", "countdown"), "retry_kwargs")
    retries: int | None = values.whole("max_retries", 3)
    if "max_retries" in values.data and values.data["max_retries"] is None:
        retries = None
    if "max_retries" in more:
        retries = None if more["max_retries"] is None else more_values.whole("max_retries", 3)
    codes = dict.fromkeys((_exception(each, values) for each in _listed(values, "dont_autoretry_for")), NEVER)
    _listed(values, "autoretry_for")
    backoff = values.data.get("retry_backoff", False)
    factor = float(backoff) if isinstance(backoff, bool) else values.number("retry_backoff", 0)
    if not factor:
        delay = values.number("default_retry_delay", 180)
        delay = more_values.number("countdown", delay)
        return Portable(values.policy(max_retries=retries, retry_delay=delay), codes)
    cap = int(values.number("retry_backoff_max", 600))
    jitter = "full" if values.truth("retry_jitter", True) else "none"
    if not cap:
        return Portable(values.policy(max_retries=retries, retry_delay=0), codes)
    policy = values.policy(
        max_retries=retries,
        retry_delay=int(max(1.0, factor)),
        backoff="exponential",
        multiplier=2,
        max_delay=cap,
        jitter=jitter,
    )
    return Portable(policy, codes)


def _listed(values: Values, key: str) -> list[Any]:
    found = values.data.get(key, [])
    if not isinstance(found, list):
        raise values.error("is not a tuple of exceptions", key)
    return found


def _exception(value: Any, values: Values) -> str:
    if not isinstance(value, python.Name):
        raise values.error("has something else than names of exceptions", "dont_autoretry_for")
    return value.text


CELERY = Framework(
    name="celery",
    title="Celery task options; max_retries does not count the first attempt, None is unlimited",
    source="Celery user guide, Tasks; celery.app.autoretry, celery.utils.time",
    shapes=(
        Shape(backoffs=("fixed",), has_cap=False, errors=True, code=python.IDENTIFIER),
        Shape(
            backoffs=("exponential",),
            jitters=("none", "full"),
            delays=Numbers(1, 1),
            multiplier=2,
            caps=Numbers(1, 1),
            cap_needed=True,
            errors=True,
            code=python.IDENTIFIER,
        ),
        Shape(
            backoffs=("fixed",),
            jitters=("full",),
            delays=Numbers(1, 1),
            has_cap=False,
            errors=True,
            code=python.IDENTIFIER,
        ),
    ),
    write=write,
    read=read,
    hints={
        "deadline": "expires limits the time until a task starts",
        "try_timeout": "soft_time_limit and time_limit limit one attempt",
    },
    around=read_queue,
    settings=write_queue,
    notes={"jitter": "Celery draws whole seconds, 0 and the delay itself included: the mean is that of full jitter"},
)

"""AWS Step Functions: `Retry` of a state in the Amazon States Language, as JSON.

Source: Amazon States Language specification, "Retrying after error"; AWS Step Functions Developer Guide, "Handling
errors in workflows": IntervalSeconds 1, a positive whole number up to 99999999; MaxAttempts 3, the number of retries,
up to 99999999, and 0 for never; BackoffRate 2.0, at least 1; MaxDelaySeconds, greater than IntervalSeconds and less
than 31622400; JitterStrategy NONE or FULL. The delay before retry n is IntervalSeconds · BackoffRate^(n-1), capped, and
uniform from 0 to that with FULL. A retrier applies to the errors of ErrorEquals that no earlier one names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recovery.policies.retry import RetryPolicy
from scenarios.documents import yaml_document
from scenarios.errors import ScenarioError, line_of
from scenarios.exchange.framework import Framework, Written, unreadable
from scenarios.exchange.portable import NEVER, Portable
from scenarios.exchange.shapes import Numbers, Shape
from scenarios.exchange.values import Values

KEYS = ("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment")
ALL = "States.ALL"
MOST = 99_999_999
LONGEST_CAP = 31_622_399


def write(portable: Portable, how: Written) -> str:
    """The retriers of a state: those of single errors before the one of all errors."""
    retriers = [_retrier([code], policy) for code, policy in portable.by_error.items()]
    return json.dumps({"Retry": [*retriers, _retrier([ALL], portable.policy)]}, indent=2) + "\n"


def _retrier(errors: list[str], policy: RetryPolicy) -> dict[str, Any]:
    if policy.max_retries == 0:
        return {"ErrorEquals": errors, "MaxAttempts": 0}
    rate = policy.multiplier if policy.backoff == "exponential" else 1.0
    made: dict[str, Any] = {
        "ErrorEquals": errors,
        "IntervalSeconds": int(policy.retry_delay),
        "MaxAttempts": MOST if policy.max_retries is None else policy.max_retries,
        "BackoffRate": rate,
    }
    if policy.max_delay is not None:
        made["MaxDelaySeconds"] = int(policy.max_delay)
    if policy.jitter == "full":
        made["JitterStrategy"] = "FULL"
    return made


def read(text: str, source: str) -> Portable:
    """The retriers of a `Retry`, of a state that has one, or of a machine in which one state has one."""
    document = yaml_document.read(text, source)
    found = list(_retries(document.data, ()))
    if not found or not found[0][1]:
        raise unreadable(source, "Retry; valid: a state of the Amazon States Language with one, or a list of retriers")
    if len(found) > 1:
        place = found[1][0]
        line = line_of(place, document.lines) or 1
        raise ScenarioError(f"has {len(found)} states with Retry; valid: one of them", source, line)
    place, retriers = found[0]
    codes: dict[str, RetryPolicy] = {}
    policy: RetryPolicy | None = None
    for number, each in enumerate(retriers):
        here = (*place, number)
        line = line_of(here, document.lines) or 1
        if not isinstance(each, Mapping):
            raise ScenarioError("is not a retrier; valid: a mapping with ErrorEquals", source, line)
        values = Values(source, each, lambda at: line_of(at, document.lines), here)
        one = _policy(values)
        errors = values.texts("ErrorEquals")
        if not errors:
            raise values.error("is missing or empty; a retrier needs it", "ErrorEquals")
        if policy is not None:
            raise values.error(f"comes after a retrier of {ALL}; valid: that one as the last", "ErrorEquals")
        if ALL in errors:
            if len(errors) > 1:
                raise values.error(f"{ALL} has to stand alone", "ErrorEquals")
            policy = one
        else:
            codes |= {code: one for code in errors if code not in codes}
    if policy is None and len({str(each) for each in codes.values()}) == 1 and len(codes) == 1:
        return Portable(next(iter(codes.values())))
    return Portable(policy or NEVER, codes)


def _retries(data: Any, place: tuple[str | int, ...]) -> Any:
    if not place and isinstance(data, list):
        yield place, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if key == "Retry" and isinstance(value, list):
                yield (*place, key), value
            else:
                yield from _retries(value, (*place, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _retries(value, (*place, number))


def _policy(values: Values) -> RetryPolicy:
    values.check(KEYS, "a retrier")
    interval = values.whole("IntervalSeconds", 1, 1, MOST)
    cap = values.whole("MaxDelaySeconds", 0, 1, LONGEST_CAP) if values.has("MaxDelaySeconds") else None
    if cap is not None and cap <= interval:
        raise values.error("is not greater than IntervalSeconds, as it has to be", "MaxDelaySeconds")
    retries = values.whole("MaxAttempts", 3, 0, MOST)
    return values.policy(
        max_retries=retries,
        retry_delay=interval,
        backoff="exponential",
        multiplier=values.number("BackoffRate", 2.0, 1),
        max_delay=cap,
        jitter="full" if values.text("JitterStrategy", "NONE", ("NONE", "FULL")) == "FULL" else "none",
    )


STEPFUNCTIONS = Framework(
    name="stepfunctions",
    title="Retry of AWS Step Functions; MaxAttempts does not count the first attempt",
    source="Amazon States Language specification, Retrying after error; AWS Step Functions Developer Guide",
    shapes=(
        Shape(
            jitters=("none", "full"),
            most_retries=MOST,
            is_unlimited=False,
            delays=Numbers(1, 1, MOST),
            caps=Numbers(1, 2, LONGEST_CAP),
            errors=True,
            policies_of_errors=True,
        ),
    ),
    write=write,
    read=read,
    languages=("json",),
    hints={"deadline": "TimeoutSeconds of the state machine limits an execution", "try_timeout": "TimeoutSeconds"},
)

"""Temporal: RetryPolicy of an activity or a workflow, in Python, Go and JSON.

Source: Temporal documentation, "What is a Temporal Retry Policy?" (encyclopedia/retry-policies): Initial Interval 1 s,
Backoff Coefficient 2.0, Maximum Interval 100 × Initial Interval, Maximum Attempts 0, which is unlimited, Non-Retryable
Errors none. Fields and types: `temporalio.common.RetryPolicy` of the Python SDK, `temporal.RetryPolicy` of the Go SDK,
and `temporal.api.common.v1.RetryPolicy`, whose JSON form has durations such as "1.5s". The delay before retry n is
min(initial · coefficient^(n-1), maximum interval), without jitter; Maximum Attempts includes the first attempt.
"""

from __future__ import annotations

import json
import re
from math import ceil
from typing import Any

from scenarios.errors import ScenarioError
from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written, unreadable
from scenarios.exchange.portable import NEVER, Portable
from scenarios.exchange.shapes import Numbers, Shape
from scenarios.exchange.surroundings import Surroundings, detected_by_heartbeats, plain
from scenarios.exchange.values import Values, in_go, mapping, words

PYTHON = {
    "initial_interval": "initial",
    "backoff_coefficient": "coefficient",
    "maximum_interval": "cap",
    "maximum_attempts": "attempts",
    "non_retryable_error_types": "errors",
}
GO = {
    "InitialInterval": "initial",
    "BackoffCoefficient": "coefficient",
    "MaximumInterval": "cap",
    "MaximumAttempts": "attempts",
    "NonRetryableErrorTypes": "errors",
}
JSON = {
    "initialInterval": "initial",
    "backoffCoefficient": "coefficient",
    "maximumInterval": "cap",
    "maximumAttempts": "attempts",
    "nonRetryableErrorTypes": "errors",
}
"""The names of the five fields in each language."""
TIMEOUTS = {
    "heartbeat_timeout": "HeartbeatTimeout",
    "start_to_close_timeout": "StartToCloseTimeout",
    "schedule_to_close_timeout": "ScheduleToCloseTimeout",
}
"""The time limits of an activity in Python and Go; those of JSON are as in Go, with a small first letter."""
ACTIVITY = words(
    "activityId activityType taskQueue header input scheduleToCloseTimeout scheduleToStartTimeout startToCloseTimeout "
    "heartbeatTimeout retryPolicy requestEagerExecution useWorkflowBuildId priority"
)
"""The fields of `ScheduleActivityTaskCommandAttributes` in JSON."""
INT32 = 2**31 - 1
_GO_UNIT = {
    "Nanosecond": 1e-9,
    "Microsecond": 1e-6,
    "Millisecond": 0.001,
    "Second": 1.0,
    "Minute": 60.0,
    "Hour": 3600.0,
}
_GO_FIELD = re.compile(r'\s*(\w+)\s*:\s*((?:\[\]string\s*\{[^{}]*\}|[^,{}"])+?)\s*(?:,|$)', re.DOTALL)


def write(portable: Portable, how: Written) -> str:
    """The policy in one of the three languages."""
    policy, errors = portable.policy, list(portable.not_retried)
    attempts = 0 if policy.max_retries is None else policy.max_retries + 1
    coefficient = policy.multiplier if policy.backoff == "exponential" else 1.0
    cap = policy.max_delay or policy.retry_delay
    if policy.backoff == "exponential" and policy.max_retries is not None and policy.max_delay is None:
        longest = policy.retry_delay * coefficient ** max(0, policy.max_retries - 1)
        cap = ceil(round(longest * 1e6, 3)) / 1e6  # timedelta has microseconds, and a cap below the delay shortens it
    cap = max(cap, policy.retry_delay)
    if how.language == "json":
        seconds = [f"{python.number(round(each, 9))}s" for each in (policy.retry_delay, cap)]
        values = (seconds[0], coefficient, seconds[1], attempts, errors)
        return json.dumps(dict(zip(JSON, values, strict=True)), indent=2) + "\n"
    if how.language == "go":
        listed = ", ".join(json.dumps(each) for each in errors)
        fields = (_go(policy.retry_delay), python.number(coefficient), _go(cap), str(attempts), f"[]string{{{listed}}}")
        lines = "".join(f"\t{key}: {value},\n" for key, value in zip(GO, fields, strict=True))
        comments = "".join(f"// {line}\n" for line in how.comments)
        return f"{comments}retryPolicy := &temporal.RetryPolicy{{\n{lines}}}\n"
    arguments = {
        "initial_interval": python.timedelta(policy.retry_delay),
        "backoff_coefficient": repr(float(coefficient)),
        "maximum_interval": python.timedelta(cap),
        "maximum_attempts": str(attempts),
        **({"non_retryable_error_types": repr(errors)} if errors else {}),
    }
    imports = "from datetime import timedelta\n\nfrom temporalio.common import RetryPolicy\n\n"
    return python.comment(how.comments) + imports + python.call("RetryPolicy", arguments, "retry_policy = ") + "\n"


def read(text: str, source: str) -> Portable:
    """A policy in one of the three languages, told apart by how it begins and by the names of its fields."""
    if text.lstrip().startswith("{"):
        found = mapping(text, source, "a RetryPolicy in JSON")
        if "retryPolicy" in found.data:
            found.check(ACTIVITY, "the options of an activity")
            found = found.below("retryPolicy")
        found.check(JSON, "RetryPolicy")
        return _portable(found, JSON, _json_seconds, "a text such as 1.5s")
    if re.search(r"RetryPolicy\s*\{", text):
        return _portable(_go_fields(text, source), GO, _number, "30 * time.Second")
    if re.search(r"ActivityOptions\s*\{", text):
        raise unreadable(source, "RetryPolicy{…}")
    reader = python.Reader(text, source)
    one = reader.one(["RetryPolicy"])
    reader.check(one, PYTHON)
    return _portable(python.values_of(source, one), PYTHON, _number, "timedelta(seconds=30)")


def read_activity(text: str, source: str) -> Surroundings:
    """The time limits of the activity that has the policy: heartbeats, one attempt, and all attempts."""
    timeouts = _timeouts(text, source)
    found: dict[str, Any] = {}
    notes = []
    if timeouts.has("heartbeat_timeout"):
        found |= dict(detected_by_heartbeats(timeouts.duration("heartbeat_timeout", None, _number, "30 s")))
    if timeouts.has("start_to_close_timeout"):
        found["tasks.timeout"] = plain(timeouts.duration("start_to_close_timeout", None, _number, "30 s"))
    if timeouts.has("schedule_to_close_timeout"):
        total = timeouts.duration("schedule_to_close_timeout", None, _number, "30 s")
        notes.append(
            f"schedule_to_close_timeout of {total:g} s limits all attempts from their scheduling; the deadline of a "
            "condition, which is not set, counts from the first failure"
        )
    return Surroundings(found, tuple(notes))


def _timeouts(text: str, source: str) -> Values:
    if text.lstrip().startswith("{"):
        given = mapping(text, source, "options in JSON")
        by_name = {f"{go[0].lower()}{go[1:]}": name for name, go in TIMEOUTS.items()}
        data = {
            by_name[key]: given.duration(key, None, _json_seconds, "a text such as 1.5s")
            for key in given.data
            if key in by_name
        }
        return Values(source, data, lambda _: 1)
    if re.search(r"(RetryPolicy|ActivityOptions)\s*\{", text):
        data, lines = {}, {}
        for name, go in TIMEOUTS.items():
            for match in re.finditer(rf"^[^/\n]*\b{go}\s*:\s*([^,\n}}]+)", text, re.MULTILINE):
                line = text.count("\n", 0, match.start()) + 1
                data[name], lines[name] = _go_value(match[1], source, line, go), line
        return Values(source, data, lambda place: lines.get(str(place[0])) if place else 1)
    return python.Reader(text, source).settings(TIMEOUTS)


def _portable(values: Values, names: dict[str, str], parse: Any, valid: str) -> Portable:
    field = {meaning: name for name, meaning in names.items()}
    initial = values.duration(field["initial"], 1.0, parse, valid)
    coefficient = values.number(field["coefficient"], 2.0, 1)
    cap = values.duration(field["cap"], None, parse, valid) or 100 * initial
    attempts = values.whole(field["attempts"], 0, 0, INT32)
    if attempts != 1 and cap < initial:
        raise values.error("is below the initial interval, which Temporal refuses", field["cap"])
    policy = values.policy(
        max_retries=attempts - 1 if attempts else None,
        retry_delay=initial,
        backoff="exponential",
        multiplier=coefficient,
        max_delay=cap or None,
    )
    return Portable(policy, dict.fromkeys(values.texts(field["errors"]), NEVER))


def _number(value: Any) -> float | None:
    return float(value) if python.is_number(value) else None


def _json_seconds(value: Any) -> float | None:
    matched = re.fullmatch(r"(\d+(?:\.\d{1,9})?)s", value) if isinstance(value, str) else None
    return float(matched[1]) if matched else None


def _go(seconds: float) -> str:
    count, unit = re.fullmatch(r"(\d+)(s|ms|us|ns)", in_go(seconds)).groups()  # type: ignore[union-attr]  # its form
    return f"{count} * time.{ {'s': 'Second', 'ms': 'Millisecond', 'us': 'Microsecond', 'ns': 'Nanosecond'}[unit] }"


def _go_fields(text: str, source: str) -> Values:
    """The fields of the one composite literal `RetryPolicy{…}`: numbers, durations as products, lists of texts."""
    begins = list(re.finditer(r"RetryPolicy\s*\{", text))
    if len(begins) > 1:
        line = text.count("\n", 0, begins[1].start()) + 1
        raise ScenarioError(f"has {len(begins)} policies; valid: one RetryPolicy{{…}}", source, line)
    start = begins[0].end()
    end, depth = start, 1
    while end < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    body = re.sub(r"//[^\n]*", lambda found: " " * len(found[0]), text[start : end - 1])
    data: dict[str, Any] = {}
    lines: dict[str, int] = {}
    place = 0
    while body[place:].strip():
        found = _GO_FIELD.match(body, place)
        line = text.count("\n", 0, start + place + len(body[place:]) - len(body[place:].lstrip())) + 1
        if found is None:
            raise ScenarioError("is not a field of a RetryPolicy in Go; valid: Name: value,", source, line)
        if found[1] in data:
            raise ScenarioError("field given twice", source, line, found[1])
        data[found[1]], lines[found[1]] = _go_value(found[2], source, line, found[1]), line
        place = found.end()
    values = Values(source, data, lambda at: lines.get(str(at[0])) if at else 1)
    values.check(GO, "RetryPolicy")
    return values


def _go_value(text: str, source: str, line: int, key: str) -> Any:
    listed = re.fullmatch(r'\[\]string\s*\{((?:\s*"(?:[^"\\]|\\.)*"\s*,?)*)\s*\}', text, re.DOTALL)
    if listed is not None:
        return [json.loads(each) for each in re.findall(r'"(?:[^"\\]|\\.)*"', listed[1])]
    value = 1.0
    for factor in re.split(r"\*", text):
        unit = re.fullmatch(r"\s*time\.(\w+)\s*", factor)
        if unit is not None and unit[1] in _GO_UNIT:
            value *= _GO_UNIT[unit[1]]
        elif re.fullmatch(r"\s*\d+(\.\d+)?\s*", factor):
            value *= float(factor)
        else:
            raise ScenarioError(
                f"{text!r} is not read, because nothing is executed; valid: a number, 30 * time.Second",
                source,
                line,
                key,
            )
    return round(value, 9)


TEMPORAL = Framework(
    name="temporal",
    title="Temporal RetryPolicy; maximum attempts include the first one, 0 is unlimited",
    source="Temporal documentation, Retry Policies; temporalio.common.RetryPolicy",
    shapes=(
        Shape(
            most_retries=INT32 - 1,
            delays=Numbers(1e-6),
            caps=Numbers(1e-6),
            cap_needed=True,
            errors=True,
        ),
    ),
    write=write,
    read=read,
    around=read_activity,
    languages=("python", "go", "json"),
    hints={
        "deadline": "schedule_to_close_timeout of the activity limits the time from its scheduling",
        "try_timeout": "start_to_close_timeout of the activity limits one attempt",
    },
)

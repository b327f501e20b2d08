"""tenacity: `retry(wait=…, stop=…)`, as Python.

Source: tenacity, API reference, `tenacity.wait`, `tenacity.stop`. wait_fixed; wait_random(min, max); wait_incrementing
(start + increment · (n-1), capped); wait_exponential (multiplier · exp_base^(n-1), capped); wait_random_exponential
(uniform from 0 to that); wait_exponential_jitter (that plus uniform 0…jitter, capped); sums of them. stop_after_attempt
counts the first attempt; stop_before_delay stops before a delay that would end so many seconds after the first attempt
began, where a deadline counts from the first failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recovery.policies.retry import RetryPolicy
from scenarios.errors import ScenarioError, instead
from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import NEVER, Portable, uniform
from scenarios.exchange.python_source import Call, Name, Reader
from scenarios.exchange.shapes import Numbers, Shape
from scenarios.exchange.values import words

EXPONENTIAL = ("multiplier", "max", "exp_base", "min")
WAITS: Mapping[str, tuple[str, ...]] = {
    "wait_none": (),
    "wait_fixed": ("wait",),
    "wait_random": ("min", "max"),
    "wait_incrementing": ("start", "increment", "max"),
    "wait_exponential": EXPONENTIAL,
    "wait_random_exponential": EXPONENTIAL,
    "wait_full_jitter": EXPONENTIAL,
    "wait_exponential_jitter": ("initial", "max", "exp_base", "jitter", "min", "multiplier"),
    "wait_combine": (),
}
STOPS: Mapping[str, tuple[str, ...]] = {
    "stop_never": (),
    "stop_after_attempt": ("max_attempt_number",),
    "stop_before_delay": ("max_delay",),
    "stop_any": (),
}
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "retry_if_not_exception_type": ("exception_types",),
    "retry_if_exception_type": ("exception_types",),
    "retry_if_exception": ("predicate",),
}
"""Strategies that are read, with the names of their arguments in order."""
OTHERS = words(
    "sleep before after before_sleep reraise retry_error_cls retry_error_callback name enabled error_callback"
)
"""Arguments of `retry` that its delays do not depend on."""
REFUSED = "is not a policy that can be simulated"


# ------------------------------------------------------------------------------------------------- writing
def write(portable: Portable, how: Written) -> str:
    """The policy as the arguments of a `Retrying`."""
    made = {**arguments_of(portable), "reraise": "True"}
    text = python.call("Retrying", made, "retrying = ")
    return python.comment(how.comments) + imports_of(["Retrying", *used_names(text)]) + text + "\n"


def used_names(text: str) -> list[str]:
    """The strategies that a source calls."""
    known = (*WAITS, *STOPS, *CONDITIONS)
    return [name for name in known if re.search(rf"\b{name}\b", text)]


def imports_of(names: list[str]) -> str:
    """The import of some names of tenacity."""
    listed = ", ".join(sorted(names))
    return f"from tenacity import {listed}\n\n"


def arguments_of(portable: Portable) -> dict[str, str]:
    """`wait`, `stop` and `retry` as source."""
    made = {"wait": _wait(portable.policy), "stop": _stop(portable.policy)}
    if portable.not_retried:
        made["retry"] = f"retry_if_not_exception_type({python.names(portable.not_retried)})"
    return made


def _stop(policy: RetryPolicy) -> str:
    parts = []
    if policy.max_retries is not None:
        parts.append(f"stop_after_attempt({policy.max_retries + 1})")
    if policy.deadline is not None:
        parts.append(f"stop_before_delay({python.number(policy.deadline)})")
    return f"stop_any({', '.join(parts)})" if len(parts) > 1 else parts[0] if parts else "stop_never"


def _wait(policy: RetryPolicy) -> str:
    low, width = uniform(policy)
    if policy.backoff == "fixed":
        if not width:
            return f"wait_fixed({python.number(low)})"
        return f"wait_random({python.number(low)}, {python.number(low + width)})"
    if policy.backoff == "linear":
        each = python.number(policy.retry_delay)
        limit = "" if policy.max_delay is None else f", max={python.number(policy.max_delay)}"
        return f"wait_incrementing(start={each}, increment={each}{limit})"
    delay, cap = policy.retry_delay, policy.max_delay
    if policy.jitter == "none":
        return _exponential("wait_exponential", delay, policy.multiplier, cap)
    if policy.jitter == "full":
        return _exponential("wait_random_exponential", delay, policy.multiplier, cap)
    if policy.jitter == "additive":
        jitter = f", jitter={python.number(policy.jitter_width)}"
        return _exponential("wait_exponential_jitter", delay, policy.multiplier, cap, jitter)
    parts = (low, width)
    names = ("wait_exponential", "wait_random_exponential")
    caps = (None, None) if cap is None else tuple(cap * part / (low + width) for part in parts)
    return " + ".join(
        _exponential(name, part, policy.multiplier, limit) for name, part, limit in zip(names, parts, caps, strict=True)
    )


def _exponential(name: str, delay: float, factor: float, cap: float | None, more: str = "") -> str:
    limit = "" if cap is None else f", max={python.number(cap)}"
    return f"{name}(multiplier={python.number(delay)}, exp_base={python.number(factor)}{limit}{more})"


# ------------------------------------------------------------------------------------------------- reading
def read(text: str, source: str) -> Portable:
    """The one `retry(…)`, `Retrying(…)` or `AsyncRetrying(…)` of a source."""
    reader = reader_of(text, source)
    one = reader.one(["Retrying", "AsyncRetrying", "retry"])
    reader.check(one, ("wait", "stop", "retry", *OTHERS))
    return portable_of(reader, one)


def reader_of(text: str, source: str) -> Reader:
    """A reader of the strategies of tenacity."""
    return Reader(text, source, (*WAITS, *STOPS, *CONDITIONS), OTHERS)


def portable_of(reader: Reader, one: Call) -> Portable:
    """The policy of the arguments `wait`, `stop` and `retry`. Raises ScenarioError."""
    values = python.values_of(reader.source, one)
    keys = _delays(reader, one.keywords.get("wait"), one.line)
    stop = one.keywords.get("stop")
    retries: int | None = None
    deadline: float | None = None
    for part in _parts(stop, "stop_any", reader, one.line):
        arguments = _arguments(reader, part, STOPS, one.line, "stop")
        for name, value in arguments.items():
            if name == "max_attempt_number":
                if not isinstance(value, int) or value < 1:
                    raise reader.error(f"{value!r} is not a number of attempts; valid: 1 or more", one.line, "stop")
                retries = value - 1 if retries is None else min(retries, value - 1)
            else:
                deadline = _seconds(reader, value, one.line, "stop")
    codes = dict.fromkeys(_not_retried(reader, one), NEVER)
    return Portable(values.policy(max_retries=retries, deadline=deadline, **keys), codes)


def _not_retried(reader: Reader, one: Call) -> list[str]:
    condition = one.keywords.get("retry")
    if condition is None:
        return []
    arguments = _arguments(reader, condition, CONDITIONS, one.line, "retry")
    if not isinstance(condition, Call) or condition.name != "retry_if_not_exception_type":
        return []
    listed = arguments.get("exception_types")
    found = listed if isinstance(listed, list) else [listed]
    if not all(isinstance(each, Name) for each in found):
        raise reader.error("has something else than names of exceptions", one.line, "retry")
    return [each.text for each in found if isinstance(each, Name)]


def _parts(value: Any, combination: str, reader: Reader, line: int) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, Call) and value.name == combination:
        if value.keywords:
            raise reader.error(f"{combination} takes no arguments with a name", line)
        return [part for each in value.positional for part in _parts(each, combination, reader, line)]
    return list(python.parts_of(value))


def _arguments(reader: Reader, part: Any, known: Mapping[str, tuple[str, ...]], line: int, key: str) -> dict[str, Any]:
    """The arguments of a strategy by name."""
    name = part.name if isinstance(part, Call) else part.text if isinstance(part, Name) else None
    if name not in known:
        word = name or "a value"
        raise reader.error(f"{word} is not read; {instead(word, known, 'valid')}", line, key)
    if not isinstance(part, Call):
        return {}
    names = known[part.name]
    reader.check(part, names, len(names))
    return {**dict(zip(names, part.positional, strict=False)), **part.keywords}


def _seconds(reader: Reader, value: Any, line: int, key: str = "wait") -> float:
    if not python.is_number(value) or value < 0:
        raise reader.error(f"{value!r} is not a number of seconds", line, key)
    return float(value)


def _delays(reader: Reader, wait: Any, line: int) -> dict[str, Any]:
    """The keys of a policy with the delays of a wait strategy."""
    parts = _parts(wait, "wait_combine", reader, line)
    given = []
    for part in parts:
        arguments = _arguments(reader, part, WAITS, line, "wait")
        numbers = {name: _seconds(reader, value, line) for name, value in arguments.items()}
        given.append((part.name if isinstance(part, Call) else part.text, numbers))
    flat = [each for each in given if each[0] in {"wait_none", "wait_fixed", "wait_random"}]
    if len(flat) == len(given):
        return _flat(flat)
    if len(given) == 1:
        return _growing(reader, *given[0], line)
    if len(given) == 2 and {name for name, _ in given} <= {"wait_exponential", "wait_random_exponential"}:
        return _mixed(reader, given, line)
    raise reader.error(f"{' + '.join(name for name, _ in given)} {REFUSED}", line, "wait")


def _flat(given: list[tuple[str, dict[str, float]]]) -> dict[str, Any]:
    """Fixed and random waits that do not grow; the middle of their sum's range for several random ones."""
    low = width = 0.0
    for name, numbers in given:
        if name == "wait_random":
            least, most = numbers.get("min", 0.0), numbers.get("max", 1.0)
            low, width = low + min(least, most), width + abs(most - least)
        else:
            low += numbers.get("wait", 0.0)
    if not width:
        return {"retry_delay": low}
    return {"retry_delay": low, "jitter": "additive", "jitter_width": width}


def _growing(reader: Reader, name: str, numbers: dict[str, float], line: int) -> dict[str, Any]:
    cap = numbers.get("max")
    if name == "wait_incrementing":
        start, step = numbers.get("start", 0.0), numbers.get("increment", 100.0)
        if step == 0:
            return {"retry_delay": start if cap is None else min(start, cap)}
        if start != step:
            raise reader.error(f"{name} with another start than increment {REFUSED}", line, "wait")
        return {"retry_delay": start, "backoff": "linear", "max_delay": cap}
    delay, factor = numbers.get("multiplier", numbers.get("initial", 1.0)), numbers.get("exp_base", 2.0)
    if numbers.get("min", 0.0) > (0.0 if name != "wait_exponential" else delay):
        raise reader.error(f"min of {name} {REFUSED}", line, "wait")
    if factor < 1:
        raise reader.error(f"exp_base below 1 {REFUSED}", line, "wait")
    jitter = {"wait_exponential": "none", "wait_exponential_jitter": "additive"}.get(name, "full")
    keys = {"retry_delay": delay, "backoff": "exponential", "multiplier": factor, "max_delay": cap, "jitter": jitter}
    return keys | ({"jitter_width": numbers.get("jitter", 1.0)} if jitter == "additive" else {})


def _mixed(reader: Reader, given: list[tuple[str, dict[str, float]]], line: int) -> dict[str, Any]:
    """An exponential wait and a random exponential one: a share of the delay is fixed, the rest uniform."""
    found = dict(given)
    if len(found) < 2:
        raise reader.error(f"{given[0][0]} twice {REFUSED}", line, "wait")
    plain, drawn = (
        _growing(reader, name, found[name], line) for name in ("wait_exponential", "wait_random_exponential")
    )
    low, width = plain["retry_delay"], drawn["retry_delay"]
    caps = [each["max_delay"] for each in (plain, drawn)]
    if plain["multiplier"] != drawn["multiplier"] or (None in caps and any(caps)):
        raise reader.error(f"a sum of strategies that grow differently {REFUSED}", line, "wait")
    keys = {"backoff": "exponential", "multiplier": plain["multiplier"]}
    if low == width:
        cap = None if caps[0] is None else sum(caps)
        if caps[0] != caps[1]:
            raise reader.error(f"a sum of strategies with different caps {REFUSED}", line, "wait")
        return {**keys, "retry_delay": low + width, "jitter": "equal", "max_delay": cap}
    if caps[0] is not None or not low + width:
        raise reader.error(f"a sum of strategies with caps {REFUSED}", line, "wait")
    middle = low + width / 2
    if width / 2 > middle:
        raise ScenarioError(REFUSED, reader.source, line, "wait")
    return {**keys, "retry_delay": middle, "jitter": "proportional", "spread": width / 2 / middle}


_ANY = Shape(
    delays=Numbers(1e-9), caps=Numbers(1e-9), deadline=Numbers(1e-9, 1e-9), errors=True, code=python.IDENTIFIER
)


def shapes() -> tuple[Shape, ...]:
    """What wait and stop strategies can express."""
    return (
        replace(_ANY, backoffs=("fixed",), jitters=("none", "full", "equal", "proportional")),
        replace(_ANY, backoffs=("linear",)),
        replace(_ANY, backoffs=("exponential",), jitters=("none", "full", "equal", "additive")),
        replace(_ANY, backoffs=("exponential",), jitters=("proportional",), has_cap=False),
    )


TENACITY = Framework(
    name="tenacity",
    title="tenacity; stop_after_attempt includes the first attempt",
    source="tenacity, API reference; tenacity.wait and tenacity.stop",
    shapes=shapes(),
    write=write,
    read=read,
    notes={"deadline": "stop_before_delay counts from the start of the first attempt, not from its failure"},
)

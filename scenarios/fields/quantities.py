"""Quantities in file notation: durations, rates, probabilities, whole numbers, booleans."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from scenarios.errors import invalid, shown

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
RATE_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
SPELLED_OUT = {
    word: unit
    for unit, words in {
        "ms": "msec msecs milli millis millisecond milliseconds",
        "s": "sec secs second seconds",
        "m": "min mins minute minutes",
        "h": "hr hrs hour hours",
        "d": "day days",
    }.items()
    for word in words.split()
}
"""Other spellings of units. They are not accepted; an error suggests the supported spelling."""

DURATION_HINT = "valid: a number of seconds, or one with a unit: ms, s, m, h, d, as in 250ms, 30s, 5m"
RATE_HINT = "valid: a number per second, or one with a unit: /s, /m, /h, /d, as in 2/s, 90/m"
FRACTION_HINT = "valid: a number from 0 to 1, or a percentage"


@dataclass(frozen=True)
class Quantity:
    """Annotates a type with its description in the reference."""

    name: str


def is_number(value: object) -> bool:
    """Whether the value is a finite number within the range of floats (a boolean is not)."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max  # math.isfinite raises for larger whole numbers


def is_whole(value: object) -> bool:
    """Whether the value is a whole number, of Python or NumPy (a boolean is not)."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def seconds(value: Any) -> float:
    """A duration in seconds: `30`, `'250ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. Raises a validation error for others."""
    parsed = signed_seconds(value)
    if parsed < 0:
        raise invalid(f"{shown(value)} is a negative duration; valid: 0 or more")
    return parsed


def signed_seconds(value: Any) -> float:
    """A time difference in seconds: a duration, or a negative one. Raises a validation error for others."""
    return _finite(value, _parse(value, SECONDS_PER_UNIT, "", "duration", DURATION_HINT), "duration", DURATION_HINT)


class WrittenRate(float):
    """A rate per second that was written with a unit, `'90/m'`, and is shown as it was written."""

    def __new__(cls, value: float, written: str = "") -> Self:
        """`written` is the text with the unit."""
        rate = super().__new__(cls, value)
        rate.written = written
        return rate

    written: str

    def __repr__(self) -> str:
        return self.written or super().__repr__()

    def __str__(self) -> str:
        return super().__repr__()


def per_second(value: Any) -> float:
    """A rate per second: `2`, `'2/s'`, `'90/m'`, `'10/h'`. Raises a validation error for others.

    One that is written with a unit is a `WrittenRate`.
    """
    if isinstance(value, WrittenRate):
        return value
    factors = {unit: 1 / length for unit, length in RATE_UNITS.items()}
    parsed = _finite(value, _parse(value, factors, "/", "rate", RATE_HINT), "rate", RATE_HINT)
    if parsed < 0:
        raise invalid(f"{shown(value)} is a negative rate; valid: more than 0, as in 2/s")
    return WrittenRate(parsed, value.strip()) if isinstance(value, str) and "/" in value else parsed


def _parse(value: Any, factors: dict[str, float], before_unit: str, noun: str, hint: str) -> float:
    if is_number(value):
        return float(value)
    match = (
        re.fullmatch(rf"({NUMBER})\s*{before_unit}\s*([A-Za-zµ]*)", value.strip()) if isinstance(value, str) else None
    )
    if match is None:
        plain = re.fullmatch(NUMBER, value.strip()) if isinstance(value, str) else None
        if plain is None:
            raise invalid(f"{shown(value)} is not a {noun}; {hint}")
        return float(value)
    number, unit = match.groups()
    if unit in factors:
        return _scaled(float(number), factors[unit])
    if not unit and not before_unit:
        return float(number)
    meant = SPELLED_OUT.get(unit.lower(), unit.lower())
    near = f" (nearest: '{number}{before_unit}{meant}')" if meant in factors else ""
    raise invalid(f"{shown(value)} is not a {noun}; {hint}{near}")


def _finite(value: Any, parsed: float, noun: str, hint: str) -> float:
    if not math.isfinite(parsed):  # as 1e999s
        raise invalid(f"{shown(value)} is too large for a {noun}; {hint}")
    return parsed


def _scaled(number: float, factor: float) -> float:
    # 250 ms is 250 / 1000 and not 250 * 0.001: division by a whole number rounds only once.
    return number * factor if factor >= 1 else number / round(1 / factor)


def fraction(value: Any) -> float:
    """A number from 0 to 1, written `0.2` or `'20%'`. Raises a validation error for others."""
    parsed = percentage(value)
    if parsed is None or not 0 <= parsed <= 1:
        raise invalid(f"{shown(value)} is not a probability; {FRACTION_HINT}")
    return parsed


def percentage(value: Any) -> float | None:
    """A finite number or a percentage as a number; None for other values."""
    if is_number(value):
        return float(value)
    match = re.fullmatch(rf"({NUMBER})\s*(%?)", value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    parsed = float(match[1]) / 100 if match[2] else float(match[1])
    return parsed if math.isfinite(parsed) else None


def number(value: Any) -> float:
    """A finite number. Raises a validation error for others."""
    if not is_number(value):
        raise invalid(f"{shown(value)} is not a number")
    return float(value)


def whole(least: int) -> Callable[[Any], int]:
    """A validator for whole numbers of at least `least`."""

    def check(value: Any) -> int:
        if not is_number(value) or value != int(value) or value < least:
            raise invalid(f"{shown(value)} is not valid; valid: a whole number, {least} or more")
        return int(value)

    return check


def truth(value: Any) -> bool:
    """`true` or `false`. Raises a validation error for others, including `yes` and `no`."""
    if not isinstance(value, bool):
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(value).lower())
        raise invalid(f"{shown(value)} is not valid; valid: true, false" + (f" (nearest: '{meant}')" if meant else ""))
    return value


def above_zero(value: float) -> float:
    """Rejects zero and negative numbers."""
    if value <= 0:
        raise invalid(f"{shown(value)} is not valid; valid: more than 0")
    return value


def _takes_time(value: float) -> float:
    if not math.isfinite(1 / value):
        raise invalid(f"{shown(value)} is not valid; valid: a larger rate")
    return value


def only(supported: object, what: str) -> BeforeValidator:
    """A key of which this version supports one value only; rejects others as not supported yet."""

    def check(value: Any) -> Any:
        if value != supported or isinstance(value, bool) != isinstance(supported, bool):
            raise invalid(f"{what} is not supported yet; valid: {shown(supported)}")
        return value

    return BeforeValidator(check)


def bounded(**keywords: Any) -> WithJsonSchema:
    """The JSON Schema of a number with these bounds."""
    return WithJsonSchema({"type": "number", **keywords})


def _written(pattern: str, **keywords: Any) -> dict[str, Any]:
    """The JSON Schema of a number with these bounds, or a string of this pattern."""
    return {"anyOf": [{"type": "number", **keywords}, {"type": "string", "pattern": rf"^\s*{pattern}\s*$"}]}


_PLAIN = r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)"
_EXPONENT = r"[eE][+-]?[0-9]+"
_NOT_ZERO = r"(?!\+?[0.]+([eE][+-]?[0-9]+)?[^0-9.]*$)"
_DURATION = rf"{_PLAIN}({_EXPONENT})?\s*(ms|s|m|h|d)?"
_RATE = rf"{_NOT_ZERO}{_PLAIN}({_EXPONENT})?(\s*/\s*(s|m|h|d))?"
_UP_TO_1 = r"\+?(0+\.?[0-9]*|0*1\.?0*|\.[0-9]+)"
_UP_TO_100 = r"\+?(0*[0-9]{1,2}(\.[0-9]*)?|0*100\.?0*|\.[0-9]+)"
_SHARE = rf"({_UP_TO_1}|{_UP_TO_100}\s*%|{_PLAIN}{_EXPONENT}\s*%?)"

DURATION_SCHEMA = _written(_DURATION, minimum=0)
"""A duration in JSON Schema."""
LASTING_SCHEMA = _written(_NOT_ZERO + _DURATION, exclusiveMinimum=0)
"""A duration above 0 in JSON Schema."""
SHARE_SCHEMA = _written(_NOT_ZERO + _SHARE, exclusiveMinimum=0, maximum=1)
"""A fraction above 0 and up to 1 in JSON Schema."""
RATE_SCHEMA = _written(_RATE, exclusiveMinimum=0)
"""A rate above 0 in JSON Schema."""

Seconds = Annotated[float, BeforeValidator(seconds), WithJsonSchema(DURATION_SCHEMA), Quantity("duration")]
"""A duration, 0 or more, in float seconds."""
SignedSeconds = Annotated[
    float,
    BeforeValidator(signed_seconds),
    WithJsonSchema(_written(rf"-?{_DURATION}")),
    Quantity("duration, may be negative"),
]
"""A difference of time in float seconds."""
PositiveSeconds = Annotated[
    float,
    BeforeValidator(seconds),
    AfterValidator(above_zero),
    WithJsonSchema(LASTING_SCHEMA),
    Quantity("duration > 0"),
]
"""A duration above 0, in float seconds."""
Rate = Annotated[
    float,
    PlainValidator(per_second),
    AfterValidator(above_zero),
    AfterValidator(_takes_time),
    WithJsonSchema(RATE_SCHEMA),
    Quantity("rate > 0"),
]
"""A rate above 0, per second."""
Probability = Annotated[
    float,
    BeforeValidator(fraction),
    WithJsonSchema(_written(_SHARE, minimum=0, maximum=1)),
    Quantity("probability"),
]
"""A number from 0 to 1."""
Share = Annotated[Probability, AfterValidator(above_zero), WithJsonSchema(SHARE_SCHEMA)]
"""A number above 0 and up to 1."""
Number = Annotated[float, BeforeValidator(number), WithJsonSchema({"type": "number"}), Quantity("number")]
"""A finite number."""
Count = Annotated[
    int, BeforeValidator(whole(0)), WithJsonSchema({"type": "integer", "minimum": 0}), Quantity("whole number")
]
"""A whole number, 0 or more."""
PositiveCount = Annotated[
    int, BeforeValidator(whole(1)), WithJsonSchema({"type": "integer", "minimum": 1}), Quantity("whole number > 0")
]
"""A whole number, 1 or more."""
Truth = Annotated[bool, BeforeValidator(truth), WithJsonSchema({"type": "boolean"}), Quantity("true, false")]
"""True or false."""

"""Durations with units, such as `30s`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_DURATION = re.compile(r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*(ms|s|m|h|d|)\s*")
_VALID = "valid: 250ms, 30s, 5m, 2h, 1d or a number of seconds"


def seconds(value: object) -> object:
    """`"30s"`, `"250ms"`, `"5m"`, `"2h"`, `"1d"` as float seconds; numbers are unchanged. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a duration; {_VALID}")
    if isinstance(value, str):
        parts = _DURATION.fullmatch(value)
        if parts is None:
            raise ValueError(f"{value!r} is not a duration; {_VALID}")
        return float(parts[1]) * _UNITS[parts[2]]
    return value


Seconds = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)]
"""A duration, 0 or more, in float seconds."""
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
"""A duration above 0, in float seconds."""

"""Checks of arguments that the adapters have in common."""

from __future__ import annotations

from math import isfinite
from typing import Any

from sim.programs.frameworks.errors import InvalidFault


def probability(name: str, value: Any) -> float:
    """A number from 0 to 1. Raises InvalidFault, which names the argument."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise InvalidFault(f"{name}={value!r}: must be a probability from 0 to 1")
    return float(value)


def seconds(name: str, value: Any) -> float:
    """A duration. Raises InvalidFault, which names the argument."""
    if not _is_number(value) or not (value >= 0 and isfinite(value)):
        raise InvalidFault(f"{name}={value!r}: must be 0 seconds or more")
    return float(value)


def seed_number(name: str, value: Any) -> int:
    """A whole number from 0. Raises InvalidFault, which names the argument."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidFault(f"{name}={value!r}: must be a whole number from 0")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

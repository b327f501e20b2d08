"""Prices of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from sim.programs.frameworks.errors import InvalidFault

_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Price:
    """Money for a million tokens of input, and for a million tokens of output, in one currency."""

    input: float = 3.0
    output: float = 15.0

    def __post_init__(self) -> None:
        _check("input", self.input)
        _check("output", self.output)

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """What a call costs: (input·input_tokens + output·output_tokens) / 1,000,000."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


def _check(name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (value >= 0 and isfinite(value)):
        raise InvalidFault(f"{name}={value!r}: must be a price of 0 or more for a million tokens")

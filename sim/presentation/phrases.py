"""Short phrases for parts of scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenarios.fields.distributions import Constant, Exponential, Uniform
from sim.presentation.formatting import duration


def spread(distribution: Any) -> str:
    """A distribution as a phrase: `20s`, `20s to 60s`, `3s on average`."""
    match distribution:
        case Constant():
            return duration(distribution.value)
        case Uniform():
            return f"{duration(distribution.low)} to {duration(distribution.high)}"
        case Exponential():
            return f"{duration(distribution.mean)} on average (exponential)"
    return f"{duration(distribution.mean)} on average ({distribution.kind})"


def listed(words: Sequence[str], last: str = " and ") -> str:
    """`a, b and c`."""
    return last.join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def capitalized(text: str) -> str:
    """The text with a capital first letter; the rest is unchanged."""
    return text[:1].upper() + text[1:]

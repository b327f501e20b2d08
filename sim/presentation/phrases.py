"""Parts of scenarios in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenarios.fields.distributions import Constant, Exponential, Uniform
from sim.presentation.formatting import duration


def spread(distribution: Any) -> str:
    """A distribution in words: `20s`, `20s to 60s`, `3s on average`."""
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


def percent(share: float) -> str:
    """`2 %`."""
    return f"{share * 100:.3g} %"


def capitalized(text: str) -> str:
    """A sentence begins with a capital letter; the others stay as they are."""
    return text[:1].upper() + text[1:]

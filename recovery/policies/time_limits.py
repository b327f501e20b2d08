"""The rule for ties: what takes exactly as long as allowed is in time."""

from __future__ import annotations

TOLERANCE = 1e-9
"""Seconds. Instants are sums of floats: 0.1 s after 0.2 s is not exactly 0.3 s."""


def in_time(takes: float, allowed: float) -> bool:
    """Whether a duration is at most as long as a limit, both in seconds. A tie is in time."""
    return takes <= allowed + TOLERANCE

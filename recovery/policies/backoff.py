"""The formulas of delays: pure functions, each with its source, its mean and its variance.

`u` is a random number, uniform over [0, 1). Retries are counted from 1. All delays are in seconds.
"""

from __future__ import annotations

from math import inf


def fixed(retry_delay: float) -> float:
    """The same delay before every retry: d."""
    return retry_delay


def linear(retry_delay: float, retry: int) -> float:
    """n d before retry n."""
    return retry * retry_delay


def exponential(retry_delay: float, multiplier: float, retry: int) -> float:
    """d m^(n-1) before retry n: the first delay is `retry_delay` itself. Beyond the range of floats: infinity."""
    if retry_delay == 0:
        return 0.0
    try:
        return retry_delay * multiplier ** (retry - 1)
    except OverflowError:
        return inf


def full_jitter(delay: float, u: float) -> float:
    """Uniform over [0, d): mean d/2, variance d^2/12 (Brooker, "Exponential Backoff and Jitter", AWS 2015)."""
    return u * delay if u > 0 else 0.0  # 0 × infinity is not a number


def equal_jitter(delay: float, u: float) -> float:
    """Uniform over [d/2, d): mean 3d/4, variance d^2/48 (Brooker 2015)."""
    return delay / 2 + full_jitter(delay / 2, u)


def decorrelated_jitter(base: float, previous: float, cap: float, u: float) -> float:
    """min(cap, uniform over [base, 3 previous)) (Brooker 2015); `previous` is `base` before the first retry."""
    return min(cap, base + u * (3 * previous - base))


def additive_jitter(delay: float, width: float, cap: float, u: float) -> float:
    """min(cap, d + uniform over [0, w)): mean d + w/2, variance w^2/12 below the cap (the backoff of stamina)."""
    return min(cap, delay + full_jitter(width, u))


def proportional_jitter(delay: float, spread: float, u: float) -> float:
    """Uniform over [d(1-s), d(1+s)): mean d, variance d^2 s^2/3 (the randomization factor of resilience4j)."""
    factor = 1 - spread + 2 * spread * u
    return delay * factor if factor > 0 else 0.0


def compounding_jitter(grown: float, spread: float, cap: float, u: float) -> float:
    """min(cap, uniform over [g(1-s), g(1+s))), in which g = m previous.

    As Dapr documents its exponential policy. Without a cap delay n has the mean d m^(n-1), for d before the first.
    """
    return min(cap, proportional_jitter(grown, spread, u))

"""Validation of delays that a retry policy or a callable of a user returns."""

from __future__ import annotations

from math import inf, isinf, isnan
from numbers import Real

from recovery.errors import RecoveryBenchError

VALID = "valid: a finite number of seconds, 0 or more"


class InvalidDelay(RecoveryBenchError, ValueError):
    """A policy returned a delay that is not a finite number of seconds of at least 0.

    The message has the policy, the number of the retry, and the value.
    """


def checked_delay(delay: object, retry: int, policy: str, *, finite: bool = True) -> float:
    """The delay before retry number `retry` as a float, in seconds. `policy` names its policy in the message.

    Raises InvalidDelay for a negative delay, NaN, a text, a truth value, None, and with `finite` for infinity.
    """
    if type(delay) is float and 0 <= delay < inf:  # the usual case
        return delay
    wrong = f"{policy}: the delay before retry {retry} is {shown(delay)}; {VALID}"
    if isinstance(delay, bool) or not isinstance(delay, Real):
        raise InvalidDelay(wrong)
    seconds = float(delay)
    if isnan(seconds) or seconds < 0 or (finite and isinf(seconds)):
        grown = "; a growing delay needs max_delay" if seconds > 0 else ""
        raise InvalidDelay(wrong + grown)
    return seconds


def checked_draw(u: object, retry: int, subject: str) -> float:
    """The random number for the jitter of a retry. Raises InvalidDelay when it is not at least 0 and below 1."""
    if type(u) is float and 0 <= u < 1:  # the usual case
        return u
    if isinstance(u, bool) or not isinstance(u, Real) or not 0 <= float(u) < 1:
        raise InvalidDelay(
            f"jitter of {subject}: the random number for retry {retry} is {shown(u)}; valid: 0 or more, below 1"
        )
    return float(u)


def shown(value: object) -> str:
    """A value in a message: numbers and texts as they are, of other objects the type, which has no address in it."""
    if value is None or isinstance(value, str | Real):
        return repr(float(value)) if isinstance(value, float) else repr(value)
    return f"of the type {type(value).__name__}"

"""Adapter for tenacity: its `wait` and `stop` objects, a whole `Retrying`, or `@retry`, as a retry policy.

tenacity is imported when such a policy is used for the first time. The core does not need it.
"""

from __future__ import annotations

import random  # noqa: TID251 - tenacity draws from it; it is seeded for that
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from recovery.audit import EscalationReason
from recovery.policies.retry import RetryPolicy

INSTALL = "a tenacity policy needs tenacity 8.2 or later: pip install 'recovery-bench[tenacity]'"

PROBED = 1000
"""The number of retries up to which the limit of a `stop` is searched."""


class TenacityPolicy(RetryPolicy):
    """A policy with the delays of `wait` and the limit of `stop`. Both are called with a tenacity `RetryCallState` of
    the failed attempt n, from 1, for retry n.

    Seconds since the start are counted from the first failure. The random numbers of `wait` are seeded with the core's
    number for that retry, so that equal streams give equal delays; the state of `random` is restored afterwards.
    `deadline`, `try_timeout`, `budget` and `breaker` apply as well; other settings are ignored. Raises
    ModuleNotFoundError if tenacity is not installed.
    """

    max_retries: int | None = None
    retry_delay: float = 0.0
    wait: Callable[..., Any] | None = None
    stop: Callable[..., Any] | None = None

    @property
    def remembers(self) -> bool:
        """Always True: `stop` may depend on the instant of the first failure."""
        return True

    @property
    def most_retries(self) -> int | None:
        """The number of retries after which `stop` ends them, without regard to time; None: more than `PROBED`.

        None also for a `stop` that is not tenacity's own: it is not called except for a retry.
        """
        if self.stop is None or not _is_from_tenacity(self.stop):
            return None
        return next((retry - 1 for retry in range(1, PROBED + 1) if not self.allows(retry)), None)

    def allows(self, retry: int) -> bool:
        """Whether `stop` allows retry number `retry`, without regard to time."""
        return self.stop is None or not self.stop(_state(retry, 0.0, 0.0))

    def refusal(self, retry: int, delay: float, elapsed: float) -> EscalationReason | None:
        """As for any policy, with `stop` in place of `max_retries`."""
        if self.stop is not None and self.stop(_state(retry, elapsed, delay)):
            return EscalationReason.RETRIES_EXHAUSTED
        return super().refusal(retry, delay, elapsed)

    def unlimited_delay(self, retry: int, u: float = 0.0, previous: float | None = None) -> float:
        """What `wait` returns for retry number `retry`, in seconds. It is validated where the delay is used."""
        if retry < 1:
            raise ValueError(f"retries count from 1, not {retry}")
        if self.wait is None:
            return 0.0
        with _seeded(u):
            delay: float = self.wait(_state(retry, 0.0, 0.0))
            return delay


def from_tenacity(wait: Any = None, stop: Any = None, **limits: Any) -> TenacityPolicy:
    """The policy of a `wait` and a `stop`. Without `wait` there is no delay, without `stop` no limit.

    `limits` are `deadline`, `try_timeout`, `budget` and `breaker`. A `Retrying` in place of `wait` contains both.
    """
    if hasattr(wait, "wait") and hasattr(wait, "stop"):
        wait, stop = wait.wait, wait.stop if stop is None else stop
    return TenacityPolicy(wait=wait, stop=stop, **limits)


def adopted(value: Any) -> Any:
    """A tenacity `wait`, `stop` or `Retrying` as a policy; anything else as it is.

    The decorator `tenacity.retry(...)`, and a function that it decorates, are the `Retrying` that they contain.
    """
    if isinstance(value, FunctionType):
        is_decorator = value.__module__.partition(".")[0] == "tenacity" and not hasattr(value, "retry")
        value = getattr(value(_nothing) if is_decorator else value, "retry", value)
    if isinstance(value, type) or not _is_from_tenacity(value):
        return value
    if hasattr(value, "stop") and hasattr(value, "wait"):
        return from_tenacity(value)
    return from_tenacity(stop=value) if _is_a(value, "stop_base") else from_tenacity(value)


def _nothing() -> None:
    """What the decorator decorates, to give its `Retrying`."""


def _is_from_tenacity(value: Any) -> bool:
    return any(ancestor.__module__.partition(".")[0] == "tenacity" for ancestor in type(value).__mro__)


def _is_a(value: Any, name: str) -> bool:
    return any(ancestor.__name__ == name for ancestor in type(value).__mro__)


def _state(retry: int, elapsed: float, delay: float) -> Any:
    """The state of tenacity's call after attempt `retry` has failed."""
    state = _tenacity().RetryCallState(None, None, (), {})
    state.attempt_number = retry
    failure = RuntimeError("the attempt has failed")
    state.set_exception((RuntimeError, failure, None))
    state.start_time, state.outcome_timestamp, state.upcoming_sleep = 0.0, elapsed, delay
    return state


def _tenacity() -> ModuleType:
    try:
        return import_module("tenacity")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(INSTALL, name="tenacity") from error


@contextmanager
def _seeded(u: float) -> Iterator[None]:
    """Seed `random` with `u` within the block."""
    before = random.getstate()
    random.seed(u)
    try:
        yield
    finally:
        random.setstate(before)

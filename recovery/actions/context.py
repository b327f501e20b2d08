"""The context of a command: the system, the incident, and the services of the core that runs the recovery."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from recovery.concurrency.pacing import NO_LIMIT, Pacer
from recovery.concurrency.subject_locks import LockOf
from recovery.model import Failure, Incident
from recovery.policies.retry import RetryPolicy
from recovery.policies.stale_reads import StaleReads
from recovery.ports import System


@dataclass(frozen=True, slots=True)
class RecoveryServices:
    """What a supervisor shares among all of its recoveries. None of it is persisted.

    `policy_of` returns the retry policy of a failure (None: its retries are neither counted nor limited).
    `is_recovering` returns whether a subject has an open incident. `pace` is the load limit, `exclusively` returns the
    lock of a subject. `parallel` is the maximum number of tasks of one agent that are reassigned at once (None: any
    number). `stale_reads` is the policy for checkpoints from a replica that lags.
    """

    policy_of: Callable[[Failure], RetryPolicy | None]
    is_recovering: Callable[[str], bool]
    pacer: Pacer
    lock_of: LockOf
    parallel: int | None
    stale_reads: StaleReads


def _no_policy(failure: Failure) -> RetryPolicy | None:
    return None


def _not_recovering(subject: str) -> bool:
    return False


def _unlocked(subject: str) -> AbstractAsyncContextManager[None]:
    return nullcontext()


STANDALONE = RecoveryServices(
    policy_of=_no_policy,
    is_recovering=_not_recovering,
    pacer=NO_LIMIT,
    lock_of=_unlocked,
    parallel=None,
    stale_reads=StaleReads(),
)
"""The services of an engine that runs without a supervisor: no retry policy, no limit, no other recovery."""


@dataclass(frozen=True, slots=True)
class RecoveryContext:
    """What every command gets as its first argument."""

    system: System
    incident: Incident
    services: RecoveryServices

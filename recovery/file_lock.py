"""A lock that excludes other processes from changing a file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from recovery.errors import RecoveryBenchError

PATIENCE = 30.0
"""The seconds for which the lock of another process is waited for."""
_LOOK_SECONDS = 0.01
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class LockUnavailable(RecoveryBenchError, OSError):
    """Another process has held the lock for longer than the patience, or the system has no file locks."""


@contextmanager
def locked(target: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Exclude all other processes that use this for the same file until the block ends.

    The lock is that of a file beside it, `.NAME.lock`, because the file itself is replaced. That file remains: to
    remove it would let two processes hold locks of different files. The system releases the lock of a process that
    ends. Raises OSError, LockUnavailable after `patience` seconds.
    """
    descriptor = os.open(target.with_name(f".{target.name}.lock"), _FLAGS, 0o600)
    try:
        until = time.monotonic() + patience
        while not try_lock(descriptor):
            if time.monotonic() >= until:
                raise LockUnavailable("another program is changing it; valid: after that one has finished")
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed. False: another process has locked it. Raises LockUnavailable."""
    try:
        fcntl = import_module("fcntl")
    except ModuleNotFoundError:
        raise LockUnavailable("this system has no file locks; valid: Linux or macOS") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

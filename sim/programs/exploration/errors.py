"""Errors of an exploration: programs that it cannot explore, and tokens that it cannot replay."""

from __future__ import annotations

from recovery.errors import RecoveryBenchError


class NotDeterministic(RecoveryBenchError, RuntimeError):
    """The same order gave two different runs. The message has the first difference, with file and line."""


class ForeignThreads(RecoveryBenchError, RuntimeError):
    """A thread of the program called the loop. The order of threads cannot be chosen. The message names the threads."""


class InvalidToken(RecoveryBenchError, ValueError):
    """A token is damaged, is of another kind, or is of another program."""

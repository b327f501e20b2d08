"""Errors of the adapters for frameworks."""

from __future__ import annotations

from recovery.errors import RecoveryBenchError


class FrameworkMissing(RecoveryBenchError, ImportError):
    """A framework is not installed. The message has the command that installs it."""


class InvalidFault(RecoveryBenchError, ValueError):
    """An argument of an adapter is invalid. The message names it, and what is valid."""

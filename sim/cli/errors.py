"""What is wrong with a command, in one line."""

from __future__ import annotations

from recovery.errors import RecoveryBenchError


class BadInput(RecoveryBenchError):
    """The user asked for something that cannot be done. The text is one line: what is wrong, what would be valid."""

"""Errors of a crash sweep: programs that cannot be swept, and cuts that are not valid."""

from __future__ import annotations

from recovery.errors import RecoveryBenchError
from sim.programs.exploration.errors import ForeignThreads, InvalidToken, NotDeterministic


class CrashSweepError(RecoveryBenchError, ValueError):
    """A program cannot be swept, or an argument of `crash_sweep` is invalid. The message has the reason and what is
    valid.
    """


class DifferentRuns(CrashSweepError, NotDeterministic):
    """Two runs of a program without a cut differ. The message has the first difference, with file and line."""


class InvalidCut(CrashSweepError, InvalidToken):
    """A cut, or its token, is not valid for this program."""


class StartsThreads(CrashSweepError, ForeignThreads):
    """A program starts threads, which a power cut cannot stop. The message names them."""

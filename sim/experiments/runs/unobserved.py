"""Metrics that were asked for and that nothing has observed."""

from __future__ import annotations

from collections.abc import Collection

from recovery.errors import RecoveryBenchError

LIKELY = ("recovery.time.mean", "tasks.sojourn.mean")
"""What people ask for most."""


class NeverObserved(RecoveryBenchError, ValueError):
    """A metric that was asked for has no observation. One line: which, where there is none, and what would be valid."""


def never_observed(metric: str, scenario: str, where: str, observed: Collection[str]) -> NeverObserved:
    """The error about a metric that `scenario` observes `where` ("at no point"), with one of those that it observes."""
    like = next((name for name in (*LIKELY, *observed) if name in observed), None)
    such = "" if like is None else f", such as {like}"
    return NeverObserved(f"{metric}: {scenario} observes it {where}; valid: one that it observes{such}")

"""Requested metrics without an observation."""

from __future__ import annotations

from collections.abc import Collection

from recovery.errors import RecoveryBenchError

LIKELY = ("recovery.time.mean", "tasks.sojourn.mean")
"""The most commonly requested metrics."""


class NeverObserved(RecoveryBenchError, ValueError):
    """A requested metric has no observation. One line: the metric, where it is missing, and what would be valid."""


def never_observed(metric: str, scenario: str, where: str, observed: Collection[str]) -> NeverObserved:
    """The error for a metric that `scenario` observes `where` ("at no point"), with an example of an observed one."""
    like = next((name for name in (*LIKELY, *observed) if name in observed), None)
    such = "" if like is None else f", such as {like}"
    return NeverObserved(f"{metric}: {scenario} observes it {where}; valid: one that it observes{such}")

"""The invariants of every run, despite any fault: one checker of the history per invariant.

Each module has `check(history)`, which returns its violations in order of their rows. Checkers cover the whole run,
including the warm-up. As far as possible, one cause is reported by one checker only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sim.history import History
from sim.invariants import (
    audit_complete,
    checkpoint_integrity,
    exactly_once_effect,
    fencing,
    legal_transitions,
    no_double_allocation,
    no_leaked_resource,
    no_lost_task,
    recovery_terminates,
    retry_bound,
)
from sim.invariants.violation import Violation

__all__ = ["CHECKERS", "Violation", "check_all"]

CHECKERS: Mapping[str, Callable[[History], list[Violation]]] = MappingProxyType(
    {
        module.INVARIANT: module.check
        for module in (
            no_lost_task,
            exactly_once_effect,
            no_leaked_resource,
            no_double_allocation,
            legal_transitions,
            checkpoint_integrity,
            fencing,
            retry_bound,
            audit_complete,
            recovery_terminates,
        )
    }
)
"""The checker of each invariant, by name."""


def check_all(history: History) -> dict[str, list[Violation]]:
    """The violations of every invariant, by name; an empty list where it holds."""
    return {name: check(history) for name, check in CHECKERS.items()}

"""Conformance checks for implementations of the ports.

The checks use a `Rig`: the system under test, and methods that make things happen in it. With pytest:

    @pytest.mark.parametrize("check", conformance.CHECKS)
    def test_conformance(check):
        asyncio.run(check.of(MyRig()))
"""

from recovery.conformance.agents import OF_AGENTS
from recovery.conformance.check import Check, NotConformant, Rig
from recovery.conformance.journals import OF_JOURNALS
from recovery.conformance.resources import OF_RESOURCES
from recovery.conformance.stores import OF_STORES
from recovery.conformance.tasks import OF_TASKS

CHECKS: tuple[Check, ...] = (*OF_STORES, *OF_TASKS, *OF_AGENTS, *OF_RESOURCES, *OF_JOURNALS)
"""All checks, the most basic first: a failed check may explain those after it."""

__all__ = [
    "CHECKS",
    "OF_AGENTS",
    "OF_JOURNALS",
    "OF_RESOURCES",
    "OF_STORES",
    "OF_TASKS",
    "Check",
    "NotConformant",
    "Rig",
]

"""What the core relies on, as checks of anybody's own implementation of the ports.

A `Rig` is what the checks work with: the system, and how to make things happen in it. With pytest:

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
"""Every check, in an order in which what is wrong with one explains the next."""

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

"""Injectors: what goes wrong, with whom, when and for how long. The core is never told."""

from sim.faults.scheduler import Faults

__all__ = ["Faults"]

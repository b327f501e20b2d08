"""Fault injection: kinds, targets, times and durations. The core has no access to injected faults."""

from sim.faults.scheduler import Faults

__all__ = ["Faults"]

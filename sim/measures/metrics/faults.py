"""Counts of injected faults, and of faults without a target."""

from __future__ import annotations

import numpy as np

from scenarios.faults import Group
from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks


def measure_faults(history: History) -> Measured:
    """The metrics `faults.injected` and `faults.skipped`, of the window.

    A fault counts once for each of its targets, a group as its members. A skipped target did not exist when the fault
    was due: no task was running, no unit was free.
    """
    tracks = Tracks.of(history)
    injected, skipped = (tracks.in_window(event) for event in (Event.FAULT_INJECTED, Event.FAULT_SKIPPED))
    missing = tracks.value[skipped]
    return {
        "faults.injected": float(np.count_nonzero(tracks.detail[injected] != tracks.number(Group.kind))),
        "faults.skipped": float(np.where(np.isnan(missing), 1.0, missing).sum()),
    }

"""Utilization and availability of pools."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.step_functions import Steps


def measure_resources(history: History) -> Measured:
    """The `resources.NAME.*` metrics of each pool in `meta["resources"]`, over the window from the warm-up to the
    end.

    `.utilization` = unit-seconds held ÷ (units · window). `.available` = unit-seconds in service ÷ (units · window).
    """
    tracks = Tracks.of(history)
    found: dict[str, float | None] = {}
    for name, units in tracks.meta.get("resources", {}).items():
        held = units_over_time(tracks, name, 0, Event.RESOURCE_ALLOCATED, Event.RESOURCE_RELEASED).mean
        available = units_over_time(tracks, name, units, Event.RESOURCE_AVAILABLE, Event.RESOURCE_UNAVAILABLE).mean
        found[f"resources.{name}.utilization"] = held / units if held is not None and units else None
        found[f"resources.{name}.available"] = available / units if available is not None and units else None
    return found


def units_over_time(tracks: Tracks, pool: str, initial: float, more: Event, fewer: Event) -> Steps:
    """A number of a pool's units over time: `initial`, increased by one kind of event and decreased by another."""
    rows = tracks.rows(more, fewer)
    rows = rows[tracks.about[rows] == tracks.number(pool)]
    changes = np.where(tracks.event[rows] == more, tracks.value[rows], -tracks.value[rows])
    return Steps.of(initial, tracks.time[rows], changes, tracks.start, max(tracks.start, tracks.end))

"""The curves of the timeline of a page: step functions over time, thinned so that a page stays small."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.history import Event
from sim.measures.metrics.agents import up_changes
from sim.measures.metrics.queue import depth_changes
from sim.measures.metrics.service import steady_instants
from sim.measures.tables.event_table import Floats, Rows, Tracks
from sim.measures.tables.recoveries import Incidents
from sim.reports.timeline_data import Levels, in_service, injected

MOST_POINTS = 6_000
"""Points of a curve at most: with more, each of a quarter as many equal stretches of time keeps its first, last, lowest
and highest level."""
MOST_FAULTS = 2_000
RETRY_BINS = 1_440
DECIMALS = 3


def series(tracks: Tracks, incidents: Incidents) -> dict[str, Any]:
    """Every curve of a run, from its start to its horizon, with times in seconds."""
    faults = injected(tracks)
    return {
        "begin": 0.0,
        "end": tracks.horizon,
        "warmup": tracks.start,
        "slots": tracks.agents * int(tracks.meta.get("slots", 1)),
        "agents": tracks.agents,
        "faults": [[_rounded(begin), _rounded(end), name] for begin, end, name in faults[:MOST_FAULTS]],
        "faultsLeftOut": max(0, len(faults) - MOST_FAULTS),
        "service": _steps(in_service(tracks), tracks.horizon),
        "queue": _steps(_levels(0.0, *depth_changes(tracks)), tracks.horizon),
        "up": _steps(_levels(tracks.agents, *up_changes(tracks)), tracks.horizon),
        "believed": _steps(_levels(tracks.agents, *_believed(tracks)), tracks.horizon),
        "open": _steps(_levels(0.0, *_open_changes(incidents)), tracks.horizon),
        "retries": _bins(tracks, Event.RETRY_GRANTED),
        "exhausted": _bins(tracks, Event.RETRY_EXHAUSTED),
        "unsteady": _unsteady(tracks),
    }


def _believed(tracks: Tracks) -> tuple[Floats, Floats]:
    return up_changes(tracks, (Event.AGENT_SUSPECTED, Event.AGENT_CLEARED), (Event.AGENT_CLEARED,))


def _open_changes(incidents: Incidents) -> tuple[Floats, Floats]:
    ended = incidents.ended[np.isfinite(incidents.ended)]
    times = np.concatenate((incidents.opened, ended))
    order = np.argsort(times, kind="stable")
    return times[order], np.concatenate((np.ones(len(incidents)), -np.ones(len(ended))))[order]


def _levels(initial: float, times: Floats, changes: Floats) -> Levels:
    return np.concatenate(([0.0], times)), initial + np.concatenate(([0.0], np.cumsum(changes)))


def _steps(function: Levels, end: float) -> dict[str, list[float]]:
    times, levels = lasting(function)
    keep = thinned(times, levels, end, MOST_POINTS)
    points = {"t": times[keep], "v": levels[keep]}
    return {name: [_rounded(number) for number in numbers.tolist()] for name, numbers in points.items()}


def lasting(function: Levels) -> Levels:
    """A step function with one level for each instant, the last: the others last no time, and are not shown."""
    times, levels = function
    last = np.append(times[1:] != times[:-1], True)
    return times[last], levels[last]


def thinned(times: Floats, levels: Floats, end: float, most: int) -> Rows:
    """Which points of a step function are kept, at most so many: of each stretch of time its first, last, lowest and
    highest level.
    """
    if len(times) <= most:
        return np.arange(len(times))
    number = most // 4
    stretch = np.minimum((times / end * number).astype(np.int64), number - 1)
    first = np.flatnonzero(np.append(True, stretch[1:] != stretch[:-1]))
    by_level = np.lexsort((levels, stretch))
    last = np.append(first[1:], len(times)) - 1
    return np.unique(np.concatenate((first, last, by_level[first], by_level[last])))


def _bins(tracks: Tracks, event: Event) -> dict[str, Any]:
    """Numbers of events in equal stretches of the run, without the empty ones: pairs of place and number."""
    width = (tracks.horizon or 1.0) / RETRY_BINS
    places = np.minimum((tracks.time[tracks.rows(event)] / width).astype(np.int64), RETRY_BINS - 1)
    numbers, counts = np.unique(places, return_counts=True)
    return {"width": width, "counts": [list(pair) for pair in zip(numbers.tolist(), counts.tolist(), strict=True)]}


def _unsteady(tracks: Tracks) -> list[list[float]] | None:
    """When the service was not in its steady state, as begins and ends; None without a steady state."""
    found = steady_instants(tracks)
    if found is None:
        return None
    instants, holds = found
    step = float(instants[1] - instants[0]) if len(instants) > 1 else 0.0
    edges = np.flatnonzero(np.diff(np.concatenate(([1], holds.astype(np.int8), [1]))))
    return [
        [_rounded(float(instants[begin])), _rounded(float(instants[end - 1]) + step)]
        for begin, end in edges.reshape(-1, 2).tolist()
    ]


def _rounded(number: float) -> float:
    """With three decimals; a whole number without any, so that the page is smaller."""
    near = round(number, DECIMALS)
    return int(near) if near == int(near) else near

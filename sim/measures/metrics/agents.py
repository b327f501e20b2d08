"""Availability of agents, true and according to the detector, and their utilization."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Tracks
from sim.measures.tables.ground_truth import AGENT_CHANGES, AGENT_RETURNS
from sim.measures.tables.step_functions import Steps, overlap


def measure_agents(history: History) -> Measured:
    """The `agents.*` metrics, over the window from the warm-up to the end. All agents are up at first.

    `.up.mean`: agents up, averaged over time: neither crashed, hung nor stopped. `.availability` = up.mean ÷ agents.
    `.availability_observed`: the same for agents that the detector does not suspect. `.all_up`: fraction of time in
    which all are up. `.utilization` = Σ time from an attempt's start to its end ÷ (agents · slots · window).
    `.restarts`: a number.
    """
    tracks = Tracks.of(history)
    count, window = tracks.agents, tracks.window
    up = agents_up(tracks, AGENT_CHANGES, AGENT_RETURNS)
    believed = agents_up(tracks, (Event.AGENT_SUSPECTED, Event.AGENT_CLEARED), (Event.AGENT_CLEARED,))
    slots = count * int(tracks.meta.get("slots", 1))
    busy = overlap(tracks.attempts.started, tracks.attempts.ended, tracks.start, tracks.end)
    return {
        "agents.availability": _share(up.mean, count),
        "agents.availability_observed": _share(believed.mean, count),
        "agents.up.mean": up.mean if count else None,
        "agents.all_up": up.share(up.levels >= count) if count else None,
        "agents.utilization": busy / (slots * window) if slots and window else None,
        "agents.restarts": float(len(tracks.in_window(Event.AGENT_RESTARTED))),
    }


def agents_up(tracks: Tracks, changes: tuple[int, ...], returns: tuple[int, ...]) -> Steps:
    """Agents up over time, where rows of `changes` that are not `returns` take an agent down."""
    times, steps = up_changes(tracks, changes, returns)
    return Steps.of(tracks.agents, times, steps, tracks.start, max(tracks.start, tracks.end))


def up_changes(
    tracks: Tracks, changes: tuple[int, ...] = AGENT_CHANGES, returns: tuple[int, ...] = AGENT_RETURNS
) -> tuple[Floats, Floats]:
    """Times at which the number of agents up changes, and the changes."""
    rows = tracks.rows(*changes)
    order = np.argsort(tracks.agent[rows], kind="stable")
    agent = tracks.agent[rows[order]]
    after = np.isin(tracks.event[rows[order]], returns).astype(np.int64)
    before = np.concatenate((np.ones(min(1, len(after)), dtype=np.int64), after[:-1]))
    before[np.flatnonzero(agent[1:] != agent[:-1]) + 1] = 1
    change = np.empty(len(rows))
    change[order] = after - before
    return tracks.time[rows], change


def _share(level: float | None, count: int) -> float | None:
    return level / count if level is not None and count else None

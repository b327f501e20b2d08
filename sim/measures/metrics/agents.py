"""Availability of agents, true and according to the detector, and their utilization."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Tracks, Truths
from sim.measures.tables.ground_truth import AGENT_CHANGES, AGENT_RETURNS
from sim.measures.tables.step_functions import Steps, overlap
from sim.stats.samples import Sample


def measure_agents(history: History) -> Measured:
    """The `agents.*` metrics, over the window from the warm-up to the end. All agents are up at first.

    `.up.mean`: agents up, averaged over time: neither crashed, hung nor stopped. `.availability` = up.mean ÷ agents.
    `.availability_observed`: the same for agents that the detector does not suspect. `.all_up`: fraction of time in
    which all are up. `.utilization` = Σ time from an attempt's start to its end ÷ (agents · slots · window).
    `.restarts`: a number.

    All of them also for each pool in `meta["pools"]`, as `agents.gpu.utilization`.
    """
    tracks = Tracks.of(history)
    measured = _measure(tracks, "agents", None)
    for pool, (first, end) in tracks.meta.get("pools", {}).items():
        measured |= _measure(tracks, f"agents.{pool}", range(first, end))
    return measured


def _measure(tracks: Tracks, name: str, pool: range | None) -> dict[str, float | Sample | None]:
    """The metrics of the agents of a pool (None: of all), whose names begin with `name`."""
    count, window = tracks.agents if pool is None else len(pool), tracks.window
    up = agents_up(tracks, AGENT_CHANGES, AGENT_RETURNS, pool)
    believed = agents_up(tracks, (Event.AGENT_SUSPECTED, Event.AGENT_CLEARED), (Event.AGENT_CLEARED,), pool)
    slots = count * int(tracks.meta.get("slots", 1))
    attempts, restarts = tracks.attempts, tracks.in_window(Event.AGENT_RESTARTED)
    started, ended = attempts.started, attempts.ended
    if pool is not None:
        mine = _among(attempts.agent, pool)
        started, ended, restarts = started[mine], ended[mine], restarts[_among(tracks.agent[restarts], pool)]
    busy = overlap(started, ended, tracks.start, tracks.end)
    return {
        f"{name}.availability": _share(up.mean, count),
        f"{name}.availability_observed": _share(believed.mean, count),
        f"{name}.up.mean": up.mean if count else None,
        f"{name}.all_up": up.share(up.levels >= count) if count else None,
        f"{name}.utilization": busy / (slots * window) if slots and window else None,
        f"{name}.restarts": float(len(restarts)),
    }


def _among(agents: NDArray[np.integer], pool: range) -> Truths:
    among: Truths = (agents >= pool.start) & (agents < pool.stop)
    return among


def agents_up(tracks: Tracks, changes: tuple[int, ...], returns: tuple[int, ...], pool: range | None = None) -> Steps:
    """Agents of a pool, or of all (None), that are up over time.

    Rows of `changes` that are not `returns` take an agent down.
    """
    times, steps = up_changes(tracks, changes, returns, pool)
    count = tracks.agents if pool is None else len(pool)
    return Steps.of(count, times, steps, tracks.start, max(tracks.start, tracks.end))


def up_changes(
    tracks: Tracks,
    changes: tuple[int, ...] = AGENT_CHANGES,
    returns: tuple[int, ...] = AGENT_RETURNS,
    pool: range | None = None,
) -> tuple[Floats, Floats]:
    """Times at which the number of agents up changes, and the changes; of the agents of a pool, or of all (None)."""
    rows = tracks.rows(*changes)
    if pool is not None:
        rows = rows[_among(tracks.agent[rows], pool)]
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

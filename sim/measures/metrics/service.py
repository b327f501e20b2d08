"""Service availability, and the restoration time after a fault."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.special import stdtrit

from scenarios.fields.expectations import Expectation
from sim.history import Event, History
from sim.measures.metrics.windows import values
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Tracks, Truths
from sim.stats.samples import Sample

LEARNT = {"queue.depth.mean": "<=", "tasks.throughput": ">="}
"""The metrics whose limits are learned when a scenario has no steady state, and their good direction."""
OF_CLIENTS = {"client.goodput": ">="}
LEARNT_WINDOW = 30.0
"""In seconds."""
LEAST_WINDOWS = 5
CONFIDENCE = 0.99865
"""Probability that a normal window is within the learned limits: three standard deviations, if they were known."""
LOOKS = 10
"""Evaluations of the service per window."""
OVER_AT_ONCE = ("agent_crash", "execution_failure", "poison_task", "checkpoint_corrupt", "checkpoint_torn")
"""Faults without a duration."""


def measure_service(history: History) -> Measured:
    """`service.availability` and `restoration.time.*` (s); None without a given or learned steady state.

    The service is steady at an instant when all conditions of the steady state hold over the window before it; the
    instants are a tenth of a window apart, and start one window after the warm-up. It is restored at the first instant,
    at or after the end of a fault, from which on it is steady for at least one window.
    """
    tracks = Tracks.of(history)
    found = steady_instants(tracks)
    if found is None:
        return {"service.availability": None, "restoration.time": Sample.of(np.empty(0))}
    instants, holds = found
    return {
        "service.availability": float(holds.mean()),
        "restoration.time": Sample.of(_restorations(tracks, instants, holds)),
    }


def steady_instants(tracks: Tracks) -> tuple[Floats, Truths] | None:
    """The instants (s) at which the service is judged, and whether it is steady at each; None: it is never judged."""
    steady = _steady_state(tracks)
    instants = np.empty(0) if steady is None else _evaluation_times(tracks, steady.window)
    return None if steady is None or not len(instants) else (instants, steady.at(tracks, instants))


@dataclass(frozen=True)
class _SteadyState:
    window: float
    conditions: tuple[Expectation, ...]

    def at(self, tracks: Tracks, instants: Floats) -> Truths:
        """Whether the condition holds over the window before each of these instants."""
        holds = np.ones(len(instants), dtype=bool)
        for condition in self.conditions:
            observed = values(tracks, condition.metric, instants, self.window)
            distinct, places = np.unique(observed, return_inverse=True)
            holds &= np.array([condition.holds(float(value)) for value in distinct], dtype=bool)[places]
        return holds


def _steady_state(tracks: Tracks) -> _SteadyState | None:
    given = tracks.meta.get("steady_state")
    if given is not None:
        return _SteadyState(given["window"], tuple(Expectation(*condition) for condition in given["holds"]))
    return _learned(tracks)


def _learned(tracks: Tracks) -> _SteadyState | None:
    """Limits from a one-sided prediction interval for the next window: mean ± t(n − 1) · s · √(1 + 1/n).

    W. Q. Meeker, G. J. Hahn and L. A. Escobar, "Statistical Intervals", 2nd ed. (2017), section 4.8.
    """
    faults = tracks.rows(Event.FAULT_INJECTED)
    until = float(tracks.time[faults[0]]) if len(faults) else tracks.end
    number = int((until - tracks.start) / LEARNT_WINDOW)
    if number < LEAST_WINDOWS:
        return None
    ends: Floats = tracks.start + LEARNT_WINDOW * np.arange(1, number + 1, dtype=np.float64)
    conditions = []
    for metric, better in (LEARNT | (OF_CLIENTS if tracks.meta.get("clients") else {})).items():
        seen = values(tracks, metric, ends, LEARNT_WINDOW)
        slack = float(stdtrit(number - 1, CONFIDENCE)) * float(seen.std(ddof=1)) * sqrt(1 + 1 / number)
        bound = float(seen.mean()) + (slack if better == "<=" else -slack)
        conditions.append(Expectation(f"{metric} {better} {bound:g}", metric, better, bound))
    return _SteadyState(LEARNT_WINDOW, tuple(conditions))


def _evaluation_times(tracks: Tracks, window: float) -> Floats:
    step = window / LOOKS
    number = int((tracks.end - tracks.start - window) / step + 1e-9) + 1
    instants: Floats = tracks.start + window + step * np.arange(max(0, number), dtype=np.float64)
    return instants


def _restorations(tracks: Tracks, instants: Floats, holds: Truths) -> Floats:
    """Seconds from the end of each fault until the service is steady for a window; infinite: never."""
    ends = _ends_of_faults(tracks)
    ends = ends[(ends >= tracks.start) & (ends <= instants[-1] - (instants[0] - tracks.start))]
    stretch = LOOKS + 1
    if not len(ends) or len(instants) < stretch:
        return np.empty(0)
    begins = instants[np.flatnonzero(np.lib.stride_tricks.sliding_window_view(holds, stretch).all(axis=1))]
    since = instants[np.maximum(np.searchsorted(instants, ends, side="right") - 1, 0)]
    place = np.searchsorted(begins, since)
    return np.asarray(np.maximum(np.append(begins, inf)[place] - ends, 0.0), dtype=np.float64)


def _ends_of_faults(tracks: Tracks) -> Floats:
    """The times at which incidents ended; incidents that end together count once.

    Faults that unite on one target are one incident: their events have a value while another one is active.
    """
    rows = tracks.rows(Event.FAULT_INJECTED, Event.FAULT_CLEARED)
    at_once = [tracks.number(kind) for kind in OVER_AT_ONCE]
    over = (tracks.event[rows] == Event.FAULT_CLEARED) | np.isin(tracks.detail[rows], at_once)
    over &= np.isnan(tracks.value[rows])
    ends: Floats = np.unique(tracks.time[rows][over])
    return ends

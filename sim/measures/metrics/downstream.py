"""Calls to downstream dependencies."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Rows, Tracks
from sim.measures.tables.step_functions import overlap
from sim.stats.samples import Sample


def measure_downstream(history: History) -> Measured:
    """The `downstream.NAME.*` metrics of each dependency in `meta["downstream"]`, of calls in the window.

    `.calls` made, `.answered`, `.rate_limited`, `.overloaded`, and `.failed` because it was down; `.rejected` = (rate
    limited + overloaded) ÷ calls; `.amplification` = calls ÷ tasks that made any. `.wait.*` (s) of calls whose service
    began, `.response.*` (s) of answered ones. `.in_service.mean` and `.waiting.mean`: calls, averaged over the window.
    """
    tracks = Tracks.of(history)
    measured: dict[str, float | Sample | None] = {}
    for name in tracks.meta.get("downstream", ()):
        measured |= _measure(tracks, name, tracks.number(name))
    return measured


def _measure(tracks: Tracks, name: str, number: int) -> dict[str, float | Sample | None]:
    def rows(*events: int) -> Rows:
        found = tracks.rows(*events)
        chosen: Rows = found[tracks.about[found] == number]
        return chosen

    def within(*events: int) -> Rows:
        found = rows(*events)
        return found[(tracks.time[found] >= tracks.start) & (tracks.time[found] <= tracks.end)]

    made, served, answered = (within(each) for each in (Event.CALL_MADE, Event.CALL_SERVED, Event.CALL_ANSWERED))
    rejected = within(Event.CALL_REJECTED)
    reasons = {
        reason: float((tracks.detail[rejected] == tracks.number(reason)).sum())
        for reason in ("rate_limited", "overloaded")
    }
    down = rows(Event.CALL_REJECTED, Event.CALL_FAILED)
    down = down[(tracks.detail[down] == tracks.number("dependency_down")) & (tracks.time[down] >= tracks.start)]
    window = tracks.window
    callers = len(np.unique(tracks.task[made]))
    prefix = f"downstream.{name}"
    in_service = _seconds(tracks, rows(Event.CALL_SERVED), rows(Event.CALL_ANSWERED, Event.CALL_FAILED))
    no_longer = (Event.CALL_SERVED, Event.CALL_REJECTED, Event.CALL_DROPPED)
    waiting = _seconds(tracks, rows(Event.CALL_MADE), rows(*no_longer))
    return {
        f"{prefix}.calls": float(len(made)),
        f"{prefix}.answered": float(len(answered)),
        **{f"{prefix}.{reason}": number for reason, number in reasons.items()},
        f"{prefix}.failed": float(len(down)),
        f"{prefix}.rejected": sum(reasons.values()) / len(made) if len(made) else None,
        f"{prefix}.amplification": len(made) / callers if callers else None,
        f"{prefix}.in_service.mean": in_service / window if window else None,
        f"{prefix}.waiting.mean": waiting / window if window else None,
        f"{prefix}.wait": Sample.of(tracks.value[served]),
        f"{prefix}.response": Sample.of(tracks.value[answered]),
    }


def _seconds(tracks: Tracks, begins: Rows, ends: Rows) -> float:
    """The total time between these events within the window: the time until the end after each, minus that after its
    end.
    """

    def left(times: Floats) -> float:
        return overlap(times, np.full(len(times), tracks.end), tracks.start, tracks.end)

    return left(tracks.time[begins]) - left(tracks.time[ends])

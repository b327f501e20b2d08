"""A place in a history where a promise was broken."""

from __future__ import annotations

from dataclasses import dataclass

from sim.measures.tables.event_table import Tracks


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of an invariant: when (seconds), by whom, what happened, and the row that shows it."""

    invariant: str
    time: float
    subject: str
    message: str
    row: int

    @classmethod
    def at(cls, tracks: Tracks, row: int, invariant: str, message: str) -> Violation:
        """A violation at a row of the history, by the subject of that row."""
        return cls(invariant, float(tracks.time[row]), tracks.subject(row), message, int(row))

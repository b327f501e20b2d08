"""A violation of an invariant in a history."""

from __future__ import annotations

from dataclasses import dataclass

from sim.measures.tables.event_table import Tracks


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of an invariant: time (seconds), subject, message, and row of the history."""

    invariant: str
    time: float
    subject: str
    message: str
    row: int

    @classmethod
    def at(cls, tracks: Tracks, row: int, invariant: str, message: str) -> Violation:
        """A violation at a row of the history, with the subject of that row."""
        return cls(invariant, float(tracks.time[row]), tracks.subject(row), message, int(row))

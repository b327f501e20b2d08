"""The first difference of two histories, and the events before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.reports.failures.event_line import event_line, lines_before

CONTEXT = 3
"""Events before the first difference that are shown; they are equal in both."""
BITS = ("time", "value")
WORDS = ("event", "detail", "about")
COLUMNS = (*BITS, *WORDS, "task", "agent", "epoch", "incident")
"""Columns that are compared; `subject` is derived from the others."""


@dataclass(frozen=True)
class Difference:
    """The first row, counted from 0, at which two histories differ; `one` and `other` are its event in each.

    None: that history has ended before. `before` are the preceding events.
    """

    row: int
    before: tuple[str, ...]
    one: str | None
    other: str | None

    def lines(self) -> list[str]:
        """Lines for display: the common events, then `-` the first history's event and `+` the second's."""
        ended = "(over)"
        return [*(f"  {event}" for event in self.before), f"- {self.one or ended}", f"+ {self.other or ended}"]


def first_difference(one: pd.DataFrame, other: pd.DataFrame) -> Difference | None:
    """The first difference of two histories; None if they are equal event by event, to the last bit."""
    both = min(len(one), len(other))
    rows = np.flatnonzero(_differ(one[:both], other[:both]))
    if not len(rows) and len(one) == len(other):
        return None
    row = int(rows[0]) if len(rows) else both
    return Difference(row, lines_before(one, row, CONTEXT), _line(one, row), _line(other, row))


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.bool_]:
    """The differing rows of two histories of equal length."""
    differ = np.zeros(len(one), dtype=bool)
    for column in COLUMNS:
        if column in BITS:  # missing values are equal, and minus zero differs from zero: as in the hash
            mine, theirs = (np.ascontiguousarray(frame[column], dtype="<f8").view("<i8") for frame in (one, other))
        elif column in WORDS:
            mine, theirs = (frame[column].astype(object).to_numpy() for frame in (one, other))
        else:
            mine, theirs = (frame[column].to_numpy("int64", na_value=-1) for frame in (one, other))
        differ |= mine != theirs
    return differ


def _line(history: pd.DataFrame, row: int) -> str | None:
    return event_line(history, row) if row < len(history) else None

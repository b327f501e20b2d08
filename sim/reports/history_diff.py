"""The first difference of two histories, and the events before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    before = tuple(str(_event(one, earlier)) for earlier in range(max(0, row - CONTEXT), row))
    return Difference(row, before, _event(one, row), _event(other, row))


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.bool_]:
    """The differing rows of two histories of equal length."""
    differ = np.zeros(len(one), dtype=bool)
    for column in COLUMNS:
        if column in BITS:  # missing values are equal, and minus zero differs from zero: as in the hash
            mine, theirs = (np.ascontiguousarray(frame[column], dtype="<f8").view("<i8") for frame in (one, other))
        elif column in WORDS:
            mine, theirs = (frame[column].astype(object).to_numpy() for frame in (one, other))
        else:
            mine, theirs = (frame[column].to_numpy() for frame in (one, other))
        differ |= mine != theirs
    return differ


def _event(history: pd.DataFrame, row: int) -> str | None:
    """One line: the exact time, the event, its subject, and its other columns."""
    if row >= len(history):
        return None
    found = history.iloc[row]
    words = [repr(float(found["time"])), str(found["event"]), str(found["subject"])]
    words += [f"{name}={found[name]}" for name in ("task", "agent", "epoch", "incident") if found[name] >= 0]
    words += [f"value={float(found['value'])!r}"] if pd.notna(found["value"]) else []
    words += [f"{column}={found[column]}" for column in ("detail", "about") if found[column]]
    return "  ".join(word for word in words if word)

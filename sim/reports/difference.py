"""Where two histories part: the first event that is not the same, and what came before it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

CONTEXT = 3
"""Events before the first difference that are shown: the same in both."""


@dataclass(frozen=True)
class Difference:
    """The first row, counted from 0, at which two histories differ; `one` and `other` are its event in each.

    None: that history is over by then. `before` are the events that lead to it.
    """

    row: int
    before: tuple[str, ...]
    one: str | None
    other: str | None

    def lines(self) -> list[str]:
        """To be read: what is the same, then `-` the first history's event and `+` the second's."""
        ended = "(over)"
        return [*(f"  {event}" for event in self.before), f"- {self.one or ended}", f"+ {self.other or ended}"]


def first_difference(one: pd.DataFrame, other: pd.DataFrame) -> Difference | None:
    """The first difference of two histories, None when they are the same event by event."""
    for row in range(max(len(one), len(other))) if not _same(one, other) else ():
        here, there = _event(one, row), _event(other, row)
        if here != there:
            before = tuple(str(_event(one, earlier)) for earlier in range(max(0, row - CONTEXT), row))
            return Difference(row, before, here, there)
    return None


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return len(one) == len(other) and one.astype(object).equals(other.astype(object))


def _event(history: pd.DataFrame, row: int) -> str | None:
    """One line: the time in full, the event, whom it is about, and whatever else there is."""
    if row >= len(history):
        return None
    found = history.iloc[row]
    words = [repr(float(found["time"])), str(found["event"]), str(found["subject"])]
    words += [f"{name}={found[name]}" for name in ("task", "agent", "epoch", "incident") if found[name] >= 0]
    words += [f"value={float(found['value'])!r}"] if pd.notna(found["value"]) else []
    words += [f"{column}={found[column]}" for column in ("detail", "about") if found[column]]
    return "  ".join(word for word in words if word)

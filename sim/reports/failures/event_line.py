"""Events of a history in one line each."""

from __future__ import annotations

import pandas as pd

from sim.history.recorder import NUMBERS


def event_line(history: pd.DataFrame, row: int) -> str:
    """The exact time of an event in seconds, its name, its subject, and its other columns."""
    found = history.iloc[row]
    words = [repr(float(found["time"])), str(found["event"]), str(found["subject"])]
    words += [f"{name}={found[name]}" for name in NUMBERS if pd.notna(found[name])]
    words += [f"value={float(found['value'])!r}"] if pd.notna(found["value"]) else []
    words += [f"{column}={found[column]}" for column in ("detail", "about") if found[column]]
    return "  ".join(word for word in words if word)


def lines_before(history: pd.DataFrame, row: int, most: int) -> tuple[str, ...]:
    """The last events before a row, at most so many."""
    return tuple(event_line(history, earlier) for earlier in range(max(0, row - most), row))

"""Attempts as the readers of exports find them, one after another."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

COLUMNS = ("task", "submitted", "started", "ended", "status", "agent", "error", "attempt", "kind")


@dataclass(slots=True)
class Attempt:
    """One attempt. Times are as in the export: numbers, or dates as text."""

    task: str | None = None
    submitted: Any = None
    started: Any = None
    ended: Any = None
    status: str | None = None
    agent: str | None = None
    error: str | None = None
    attempt: int | None = None
    kind: str | None = None


def table_of_attempts(attempts: list[Attempt]) -> tuple[Any, dict[str, str]]:
    """The attempts as a pyarrow table of text, and its columns by meaning."""
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read

    columns = {}
    for each in fields(Attempt):
        values = [getattr(attempt, each.name) for attempt in attempts]
        if any(value is not None for value in values) or each.name in {"started", "ended"}:
            columns[each.name] = pa.array([None if value is None else as_text(value) for value in values], pa.string())
    return pa.table(columns), {name: name for name in columns}


def word_of(value: Any) -> str | None:
    """A word of an export, None for one that is empty or no plain value."""
    return None if value in (None, "") or isinstance(value, dict | list) else str(value)


def as_text(value: Any) -> str:
    """A time or a word as text. Numbers keep their digits."""
    return repr(value) if isinstance(value, float) else str(value)


def end_of_error(text: Any) -> str | None:
    """The type of an exception from its text, such as `ValueError` of `ValueError('no')`."""
    return None if text in (None, "") else str(text)

"""Errors of a run: unexpected exceptions of the core, its policies and its commands, with their tracebacks.

An error is a defect of code and not a failure of the simulated system (`recovery.errors.is_defect`). The run continues
as the core does after the exception, but its results are not valid.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from recovery.errors import error_text
from recovery.ports import REPORTED
from sim.history import Event, History
from sim.history.error_texts import reproducible

KEPT = 20
"""The number of different errors that are kept of a run. Later ones are counted in the history only."""


@dataclass(frozen=True)
class RunError:
    """An unexpected exception in a run, which is not valid because of it.

    `seed` names the run, `time` is the virtual time in seconds, `where` the part of the core that caught it, such as
    `command restart_agent` or `policy of task_failure`. `text` is the type and the message, without memory addresses
    and folders of this machine; `traceback` is the traceback as Python prints it. `count` is how often an exception of
    this type was raised at this place of the code.
    """

    seed: str
    time: float
    where: str
    text: str
    traceback: str
    count: int = 1

    def __str__(self) -> str:
        times = "" if self.count == 1 else f" ({self.count} times)"
        return f"error at {self.time:g} s in {self.where}: {' '.join(self.text.split())}{times}"


class RunErrors:
    """Records the errors of a run: in the history as events, and with their tracebacks in `history.meta["errors"]`."""

    def __init__(self, history: History, loop: asyncio.AbstractEventLoop, seed: str) -> None:
        self._history = history
        self._loop = loop
        self._seed = seed
        self._found: dict[tuple[str, str, str], RunError] = {}
        self._is_closed = False

    def record(self, where: str, error: BaseException, incident: int = -1) -> None:
        """Record an exception now. The event has its place and type only, so that histories are reproducible."""
        if self._is_closed:
            return
        kind = type(error).__name__
        self._history.record(Event.RUN_ERROR, incident=incident, detail=f"{where}: {kind}", about="run")
        raised_at = traceback.extract_tb(error.__traceback__)[-1:]
        key = where, kind, f"{raised_at[0].filename}:{raised_at[0].lineno}" if raised_at else ""
        known = self._found.get(key)
        if known is not None:
            self._found[key] = replace(known, count=known.count + 1)
        elif len(self._found) < KEPT:
            printed = "".join(traceback.format_exception(error))
            self._found[key] = RunError(self._seed, self._loop.time(), where, reproducible(error_text(error)), printed)

    def from_loop(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Record an exception of a callback, or of a task that nothing awaits: the loop's exception handler."""
        error = context.get("exception")
        if error is None:
            loop.default_exception_handler(dict(context))
        elif not isinstance(error, asyncio.CancelledError) and getattr(error, REPORTED, [None])[0] != self.record:
            self.record("callback" if "handle" in context else "task", error)

    def close(self) -> None:
        """Store what was recorded. What is raised later, in the teardown of the run, is ignored."""
        self._is_closed = True
        if self._found:
            self._history.meta["errors"] = [vars(error) for error in self._found.values()]


def errors_of(history: History) -> tuple[RunError, ...]:
    """The errors of a run, in the order of their first occurrence; empty for a valid run."""
    return tuple(RunError(**error) for error in history.meta.get("errors", ()))

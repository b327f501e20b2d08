"""Machines: everything that runs on a machine ends at once when its power is cut.

A power cut is not a cancellation. No code of the machine runs afterwards, not even `except` and `finally` blocks; what
it has requested elsewhere continues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

from sim.loop.event_loop import SimLoop
from sim.loop.handles import by_number

P = ParamSpec("P")
T = TypeVar("T")
_machine: ContextVar[Machine | None] = ContextVar("machine", default=None)


class Machine:
    """A part of a program that can lose its power, on a loop that continues.

    Functions called through `run`, and the tasks, timers and callbacks that they create, run on the machine: a context
    variable, which asyncio passes on, marks them. Coroutines of a machine without power remain suspended until the loop
    is abandoned. The loop keeps them, because Python would run their `finally` blocks if they were dropped.
    """

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._context = copy_context()
        self._context.run(_machine.set, self)
        self.has_power = True

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function on the machine. Raises RuntimeError when it has no power."""
        if not self.has_power:
            raise RuntimeError("the machine has no power")
        return self._context.copy().run(function, *args, **kwargs)

    def cut_power(self) -> None:
        """End everything that runs on the machine, permanently.

        Raises RuntimeError when the machine itself calls it, because the current line cannot be stopped.
        """
        if _machine.get() is self:
            raise RuntimeError("a machine cannot cut its own power in the middle of a line: have it cut from outside")
        self.has_power = False
        loop = self._loop
        timers = [event for _, _, _, event in loop._queue if event.callbacks is loop._fire]
        for handle in (*loop._ready, *timers):
            if self._is_here(getattr(handle, "_context", None)):  # handles of the loop itself have no context
                loop._stopped.append(getattr(handle._callback, "__self__", None))
                handle.cancel()
        for task in by_number(asyncio.all_tasks(loop)):
            for future in (task._fut_waiter, task):  # type: ignore[attr-defined]
                self._forget(future)

    def _forget(self, future: asyncio.Future[Any] | None) -> None:
        """Remove the callbacks of a future that run on the machine."""
        for callback, context in (future is not None and future._callbacks) or ():
            if self._is_here(context):
                assert future is not None
                self._loop._stopped += [getattr(callback, "__self__", None), future]
                future.remove_done_callback(callback)

    def _is_here(self, context: Context | None) -> bool:
        return context is not None and context.get(_machine) is self

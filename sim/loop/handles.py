"""Objects that the loop schedules: asyncio's handles, timers that are SimPy events, and numbered tasks."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, TypeVar

T = TypeVar("T")
CANCELLED: Final[tuple[()]] = ()  # the callbacks of a cancelled timer that is still on the heap
_CLOSE_ATTEMPTS: Final = 100
_PlainTask: Final = asyncio.Task  # while a custom factory runs, the name of asyncio means another class


class Handle(asyncio.Handle):
    """asyncio's handle without the cost of its `__init__`: the loop sets its attributes."""

    __slots__ = ()
    _context: Context
    _callback: Any
    _args: Any
    _loop: Any
    _source_traceback: Any = None  # set in debug mode only, as the next
    _repr: str | None = None

    def cancel(self) -> None:
        """Never call back."""
        self._cancelled = True
        self._callback = self._args = None


class Timer(asyncio.TimerHandle):
    """asyncio's timer handle that is also an event on SimPy's heap."""

    __slots__ = ("callbacks",)
    _ok = True  # required of a SimPy event
    _context: Context
    _callback: Any
    _args: Any
    _loop: Any
    _source_traceback: Any = None  # set in debug mode only, as the next
    _repr: str | None = None
    _scheduled = True
    _when: float
    callbacks: tuple[Callable[[Any], None], ...] | None

    def cancel(self) -> None:
        """Never call back. The heap drops a cancelled timer at its head, or when the heap has doubled."""
        self._cancelled = True
        self.callbacks = CANCELLED
        self._callback = self._args = None


class TracedHandle(Handle):
    """A handle in debug mode: it keeps a traceback of its origin and, when cancelled, its representation."""

    __slots__ = ("_repr", "_source_traceback")

    def cancel(self) -> None:
        """Never call back."""
        self._cancelled = True
        self._repr = repr(self)
        super().cancel()


class TracedTimer(Timer):
    """A timer in debug mode."""

    __slots__ = ("_repr", "_source_traceback")

    def cancel(self) -> None:
        """Never call back."""
        self._cancelled = True
        self._repr = repr(self)
        super().cancel()


def number_hash(future: Any) -> int:
    """The hash of a future or task: its number in its loop, drawn when it is first hashed.

    On another loop than a `SimLoop` it is the hash of `object`, a memory address.
    """
    try:
        return future.number  # type: ignore[no-any-return]
    except AttributeError:
        loop = future.get_loop()
        if not hasattr(loop, "_future_numbers"):
            return object.__hash__(future)
        if loop._made_number is not None and isinstance(future, _PlainTask):
            number, loop._made_number = loop._made_number, None
        else:
            number = next(loop._future_numbers)
        future.number = number
        return number  # type: ignore[no-any-return]


class Task(asyncio.Task[T]):
    """A task that hashes by its number, so that sets of tasks have the same order in every run."""

    __slots__ = ("number",)
    number: int
    _source_traceback: Any

    __hash__ = number_hash


def named(task: asyncio.Task[T], name: str) -> asyncio.Task[T]:
    """Names a task that a custom task factory has made, if it is a task."""
    if hasattr(task, "set_name"):
        task.set_name(name)
    return task


def by_number(unsorted: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Tasks, the oldest first. Those that a program creates without the loop, which have no number, come first."""
    return sorted(unsorted, key=lambda task: (getattr(task, "number", 0), len(task.get_name()), task.get_name()))


def switch_off(tasks: list[asyncio.Task[Any]]) -> None:
    """Close the coroutines of pending tasks, even if their `finally` blocks await again or raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a coroutine that such a block creates is never awaited
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _close(task.get_coro())


def _close(coro: Any) -> None:
    for _ in range(_CLOSE_ATTEMPTS):
        try:
            coro.close()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # noqa: BLE001, S112 - nobody is left to tell; the next attempt goes on from there
            continue
        return

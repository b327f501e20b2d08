"""The steps of a run: which task ran, at which await it stopped, and in front of what it was put."""

from __future__ import annotations

import asyncio
import linecache
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from inspect import CORO_SUSPENDED, getcoroutinestate
from itertools import islice
from pathlib import Path
from types import CoroutineType
from typing import Any, Final

from sim.loop.errors import frames_of_program, is_machinery, is_machinery_file
from sim.programs.exploration.ready_order import stepping_task, wake_sleeper
from sim.programs.source_path import source_path

KEPT: Final = 5000
"""Steps of a run that are kept."""
_LIBRARIES: Final = (
    *(str(Path(path)) for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")) if path),
    str(Path(__file__).parents[1] / "durable"),
)
"""Where files are that are not of the program."""


@dataclass(frozen=True, slots=True)
class Position:
    """A line of the program."""

    file: str
    line: int
    text: str | None = field(default=None, repr=False, compare=False)
    """The text of the line, where it was read; else it is read when it is shown."""

    @property
    def source(self) -> str:
        """The text of the line, without indentation."""
        return linecache.getline(self.file, self.line).strip() if self.text is None else self.text

    def with_text(self) -> Position:
        """The same with the text of the line, which then does not depend on the file."""
        return replace(self, text=self.source)

    @property
    def path(self) -> str:
        """The path of the file, as `source_path` shows it."""
        return source_path(self.file)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a task, or a callback, and where it ended."""

    time: float
    who: str
    shown: bool  # of a task, a timer or the program: what asyncio calls back for itself is not shown
    ending: str  # "awaits", "returns", "canceled", "raises ValueError: text", or "" for a callback
    position: Position | None  # of the await
    ready: int  # entries that were ready
    choice: int  # choices of the run so far, with the one of this step
    ahead_of: tuple[str, ...]  # what was ready before it and runs after it: a deviation
    canceled: bool = False  # the exploration cancels the task at this await

    def key(self) -> tuple[object, ...]:
        """What two runs of one order have in common."""
        return self.who, self.ending, self.position, self.ready, self.ahead_of

    def with_text(self) -> Step:
        """The same with the text of its line."""
        return self if self.position is None else replace(self, position=self.position.with_text())


@dataclass(frozen=True, slots=True)
class AwaitPoint:
    """A place where a task was suspended."""

    who: str
    position: Position | None

    @property
    def place(self) -> str:
        """File, line and text."""
        source = self.position.source if self.position is not None else ""
        return f"{self.position}: {source}" if source else str(self.position)

    def with_text(self) -> AwaitPoint:
        """The same with the text of its line."""
        return self if self.position is None else replace(self, position=self.position.with_text())


class Recorder:
    """Wraps what runs, to record each step, and to cancel the task at one of the awaits of a run.

    Awaits are numbered from 1 in the order in which they happen: those of all tasks but `main`, and, separately, those
    of `main`. `cancel_at` is such a number, negative for an await of `main`; 0 cancels nothing.
    """

    def __init__(self, loop: Any, cancel_at: int) -> None:
        self.steps: list[Step] = []
        self.awaits: list[AwaitPoint] = []
        self.main_awaits: list[AwaitPoint] = []
        self.canceled: AwaitPoint | None = None
        self.recording = True
        self._loop = loop
        self._cancel_at = cancel_at
        self._eager = 0  # tasks that were looked at, for those that start at once

    def wrap(self, handle: Any, passed: Sequence[Any]) -> Any:
        """A handle in place of `handle` that records its step."""
        return _Recorded(self, handle, passed) if self.recording else handle

    def ended(self, handle: Any, callback: Any, passed: Sequence[str], ready: int, choice: int) -> None:
        """A callback has run: record its step."""
        task = stepping_task(callback)
        main = self._loop.tasks[0]
        if main.done() and task is not main:  # what happens after main is not explored
            return
        canceled = self._suspended(task) if task is not None and not task.done() else False
        for other in islice(self._loop.tasks, self._eager, None):
            if other is not task and _is_suspended(other):
                self._suspended(other)
        self._eager = len(self._loop.tasks)
        ending, position = ("", None) if task is None else _ending(task)
        who = name_of_callback(callback) if task is None else label(task)
        shown = task is not None or _is_own(handle, callback)
        step = Step(self._loop.time(), who, shown, ending, position, ready, choice, tuple(passed), canceled)
        self.steps.append(step)
        self.recording = len(self.steps) < KEPT or (self._cancel_at != 0 and self.canceled is None)

    def _suspended(self, task: asyncio.Task[Any]) -> bool:
        """Count an await. Whether it is the one at which the task is canceled."""
        is_main = task is self._loop.tasks[0]
        points = self.main_awaits if is_main else self.awaits
        point = AwaitPoint(label(task), position_of(task))
        points.append(point)
        if (-len(points) if is_main else len(points)) != self._cancel_at:
            return False
        self.canceled = point
        task.cancel()
        return True


class _Recorded:
    """A handle that tells a recorder when its callback has run. The loop uses it as a handle and as its context."""

    __slots__ = ("_args", "_callback", "_cancelled", "_choice", "_handle", "_passed", "_ready", "_recorder")

    def __init__(self, recorder: Recorder, handle: Any, passed: Sequence[Any]) -> None:
        self._recorder = recorder
        self._handle = handle
        self._callback = handle._callback
        self._args = handle._args
        self._cancelled = handle._cancelled
        self._ready = len(recorder._loop._ready) + 1
        self._choice = len(recorder._loop.order.picks)
        self._passed = [name_of_entry(entry) for entry in passed]

    @property
    def _context(self) -> _Recorded:
        return self

    def run(self, callback: Callable[..., object], *args: object) -> None:
        """Run the callback in its own context, then record."""
        try:
            self._handle._context.run(callback, *args)
        finally:
            self._recorder.ended(self._handle, callback, self._passed, self._ready, self._choice)

    def _run(self) -> None:  # in debug mode
        callback = self._callback
        self._handle._run()
        self._recorder.ended(self._handle, callback, self._passed, self._ready, self._choice)


def _is_own(handle: Any, callback: Any) -> bool:
    """Whether a callback is a timer, but not that of a sleep, or a function of the program."""
    if callback is wake_sleeper:
        return False
    file = getattr(getattr(callback, "__code__", None), "co_filename", "")
    return isinstance(handle, asyncio.TimerHandle) or not is_machinery_file(file)


def label(task: asyncio.Task[Any]) -> str:
    """The name of a task, and its coroutine if the name is asyncio's default."""
    name = task.get_name()
    if not name.startswith("Task-"):
        return name
    function = getattr(task.get_coro(), "__qualname__", "").rpartition("<locals>.")[2]
    return f"{function}#{name.removeprefix('Task-')}" if function else name


def name_of_callback(callback: Any) -> str:
    """The name of a function that is called back."""
    while hasattr(callback, "func"):
        callback = callback.func
    name = getattr(callback, "__qualname__", type(callback).__name__)
    return f"callback {name.replace('.<locals>', '')}"


def name_of_entry(entry: Any) -> str:
    """The name of something ready: a task, a timer or a callback."""
    task = stepping_task(entry._callback)
    return name_of_callback(entry._callback) if task is None else label(task)


def position_of(task: asyncio.Task[Any]) -> Position | None:
    """Where a task is suspended: in the program's own files, if any frame is there, else in a library."""
    frames = [*frames_of_program(task)]
    own = [frame for frame in frames if not frame.f_code.co_filename.startswith(_LIBRARIES)]
    if not frames:
        return None
    frame = (own or frames)[-1]
    return Position(frame.f_code.co_filename, frame.f_lineno)


def _ending(task: asyncio.Task[Any]) -> tuple[str, Position | None]:
    if not task.done():
        return "awaits", position_of(task)
    if task.cancelled():
        return "canceled", None
    error: BaseException | None = task._exception  # exception() would mark it as retrieved
    return ("returns" if error is None else f"raises {described(error)}"), None


def described(error: BaseException) -> str:
    """The type and the first line of an exception."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def raised_at(error: BaseException | None) -> Position | None:
    """Where an exception was raised: in the program's own files, if any frame is there, else in a library."""
    trace = error.__traceback__ if error is not None else None
    own, last = None, None
    while trace is not None:
        if not is_machinery(trace.tb_frame):
            last = Position(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
            if not last.file.startswith(_LIBRARIES):
                own = last
        trace = trace.tb_next
    return own or last


def described_with_place(error: BaseException) -> str:
    """An exception, and where it was raised."""
    place = raised_at(error)
    if place is None:
        return described(error)
    source = f": {place.source}" if place.source else ""
    return f"{described(error)}, at {place}{source}"


def _is_suspended(task: asyncio.Task[Any]) -> bool:
    """Whether a new task has started already, as eager tasks do, and waits."""
    coro = task.get_coro()
    return not task.done() and isinstance(coro, CoroutineType) and getcoroutinestate(coro) == CORO_SUSPENDED

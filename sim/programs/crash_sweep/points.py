"""The points of a program at which its power is cut: where each task waits, in its source text."""

from __future__ import annotations

import asyncio
import hashlib
import linecache
import site
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from sim.loop.errors import _frames, is_machinery
from sim.programs.source_path import source_path

MOST_LETTERS: Final = 80
"""Length of the source text of an await at most."""
_STORES: Final = tuple(str(Path(__file__).parents[1] / folder) for folder in ("durable", "frameworks"))
_LIBRARIES: Final = tuple(
    folder
    for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), *site.getsitepackages())
    if folder is not None
)


@dataclass(frozen=True, slots=True)
class Point:
    """A step of a task of the program has ended here: the task waits, or is done.

    `awaited` is the source text of the await. `time` is virtual, in seconds from the start of the program.
    """

    number: int
    file: str
    line: int
    function: str
    awaited: str
    task: str
    time: float

    @property
    def where(self) -> str:
        """File and line, with the path that `source_path` shows."""
        return f"{source_path(self.file)}:{self.line}"

    def __str__(self) -> str:
        return f"{self.where} {self.awaited} ({self.task} in {self.function}, at {self.time:g} s)"

    @property
    def place(self) -> tuple[str, int, str, str]:
        """What the same point of another run has in common with it, on any machine."""
        return Path(self.file).name, self.line, self.awaited, self.task


def point_of(number: int, task: asyncio.Task[Any], time: float) -> Point:
    """The point at which a step of a task has ended."""
    coroutine = task.get_coro()
    if task.done():
        code = getattr(coroutine, "cr_code", getattr(coroutine, "gi_code", None))
        file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("?", 0)
        name = getattr(coroutine, "__qualname__", "?")
        return Point(number, file, line, name, f"end of {name}()", task.get_name(), time)
    frames = [*_frames(coroutine)]
    frame = _of_program(frames)
    if frame is None:
        name = getattr(coroutine, "__qualname__", repr(type(coroutine)))
        return Point(number, "?", 0, name, f"await in {name}()", task.get_name(), time)
    code = frame.f_code
    if is_machinery(frame):
        name = f"asyncio.{getattr(coroutine, '__qualname__', code.co_qualname)}()"
        return Point(number, code.co_filename, frame.f_lineno, code.co_qualname, name, task.get_name(), time)
    awaited = _source(code, frame.f_lasti) or f"await in {code.co_qualname}()"
    return Point(number, code.co_filename, frame.f_lineno, code.co_qualname, awaited, task.get_name(), time)


def callback_point(number: int, callback: Any, time: float) -> Point:
    """The point after a callback that the program has scheduled without a task."""
    code = getattr(callback, "__code__", None)
    name = getattr(callback, "__qualname__", repr(type(callback)))
    file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("?", 0)
    return Point(number, file, line, name, f"callback {name}()", "no task", time)


def fingerprint(points: Iterable[Point]) -> str:
    """A short hash of a program's points, by which a token recognizes its program."""
    text = "\n".join(repr(point.place) for point in points)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_of_program(file: str) -> bool:
    """Whether a file is of the program: not of Python, a library or this package."""
    return not (_is_library(file) or file.startswith(str(Path(__file__).parents[2])))


def _of_program(frames: list[FrameType]) -> FrameType | None:
    """The innermost frame of the program: not of asyncio, this package or a library, if there is such a frame."""
    code = [frame for frame in frames if not is_machinery(frame)]
    own = [frame for frame in code if not frame.f_code.co_filename.startswith(_STORES)]
    of_user = [frame for frame in own if not _is_library(frame.f_code.co_filename)]
    chosen = of_user or own or code[:1] or frames
    return chosen[-1] if chosen else None


@cache
def _is_library(file: str) -> bool:
    return file.startswith((*_LIBRARIES, "<frozen"))


@cache
def _source(code: CodeType, instruction: int) -> str:
    """The source text of the expression that this instruction of a code object belongs to, on one line."""
    first, last, begin, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    if first is None or last is None or begin is None or end is None:
        return ""
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    if not any(lines):
        return ""
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    if not lines[0].startswith(b"await"):
        del lines[1:]  # a statement, such as async with, of which the first line says enough
    text = " ".join(b" ".join(lines).decode(errors="replace").split()).removesuffix(":")
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"

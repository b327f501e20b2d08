"""Errors of the loop: deadlock, livelock, and input or output, which virtual time does not support."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
from asyncio.format_helpers import _format_callback_source
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

import simpy

from recovery.errors import RecoveryBenchError
from sim.loop.base import LoopBase
from sim.loop.handles import by_number

_MACHINERY: Final = (str(Path(asyncio.__file__).parent), str(Path(__file__).parent))
_TASKS_SHOWN: Final = 20
_ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+")
_WRAPPERS: Final = ("async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper")
_wake_sleeper: Final = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]


class Deadlock(RecoveryBenchError, RuntimeError):
    """Nothing is scheduled while tasks wait. The message lists each task, what it waits for, and where."""


class Livelock(RecoveryBenchError, RuntimeError):
    """What happens at one instant causes more of it without end, so that time cannot advance: callbacks, SimPy events,
    or, in the run of a scenario, repetitions for one subject. The message names what repeats.
    """


class NoInputOutput(RecoveryBenchError, NotImplementedError):
    """Virtual time does not support sockets, pipes, subprocesses or signals."""


def who_waits(loop: LoopBase) -> str:
    """The message of a deadlock: each pending task, the oldest first, its position and what it waits for.

    It names the threads that the program has started since the loop was created: the loop does not wait for them.
    """
    waiting = by_number(asyncio.all_tasks(loop))
    if not waiting:
        return "\n".join([f"nothing is scheduled at {loop.time():g} s, and no task waits", *_threads(loop)])
    lines = [f"nothing is scheduled at {loop.time():g} s, but {len(waiting)} task(s) wait:"]
    lines += [f"  {_describe(task)}" for task in waiting[:_TASKS_SHOWN]]
    if len(waiting) > _TASKS_SHOWN:
        lines.append(f"  and {len(waiting) - _TASKS_SHOWN} more")
    return _without_addresses("\n".join([*lines, *_threads(loop)]))


def _threads(loop: LoopBase) -> list[str]:
    running = (thread for thread in threading.enumerate() if thread not in loop._earlier_threads)
    others = (thread.name for thread in running if thread.ident not in (loop._thread_id, loop._owner))
    names = dict.fromkeys([*loop._foreign_threads, *others])
    if not names:
        return []
    threads = ", ".join(map(repr, names))
    told = (
        f"  the program has other threads: {threads}. SimLoop runs in one thread, and virtual time cannot wait for "
        "others: do their work in a coroutine, or inline with asyncio.to_thread()"
    )
    return [told]


def _without_addresses(text: str) -> str:
    """The text without memory addresses, which differ from run to run."""
    return _ADDRESS.sub("", text)


def who_spins(loop: LoopBase) -> str:
    """The message of a livelock: the tasks and plain callbacks that are ready to run, and their positions."""
    ready = [task for task in by_number(asyncio.all_tasks(loop)) if _waiter(task) is None or _waiter(task).done()]
    told = (
        f"more than {loop.max_callbacks} callbacks at {loop.time():g} s of virtual time, which cannot advance: does a "
        "coroutine loop on asyncio.sleep(0), or a callback on call_soon()? Ready to go on:"
    )
    plain = (handle for handle in loop._ready if not (handle._cancelled or _is_step(handle._callback)))
    callbacks = dict.fromkeys(f"  callback {_format_callback_source(each._callback, each._args)}" for each in plain)
    lines = [told, *(f"  {_place(task)}" for task in ready[:_TASKS_SHOWN]), *[*callbacks][:_TASKS_SHOWN]]
    return _without_addresses("\n".join(lines))


def what_repeats(env: simpy.Environment, most: int) -> str:
    """The message of a livelock of SimPy events: the processes and callbacks of the next events."""
    told = (
        f"more than {most} events at {env.now:g} s of virtual time, which cannot advance: does a process loop on "
        "timeout(0)? Next:"
    )
    due = sorted((entry[:3], entry[3]) for entry in env._queue if entry[0] == env.now)
    events = [event for _, event in due[:_TASKS_SHOWN]]
    found = dict.fromkeys(f"  {_called(callback)}" for event in events for callback in event.callbacks or ())
    return _without_addresses("\n".join([told, *found]))


def _called(callback: Any) -> str:
    process = getattr(callback, "__self__", None)
    if not isinstance(process, simpy.Process):
        return f"callback {_format_callback_source(callback, ())}"
    frame = getattr(getattr(process, "_generator", None), "gi_frame", None)
    where = f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
    return f"process {process.name}{where}"


def _is_step(callback: Any) -> bool:
    """Whether a callback continues a task, or wakes a sleeper: the tasks are listed anyway."""
    return isinstance(getattr(callback, "__self__", None), asyncio.Task) or callback is _wake_sleeper


def _describe(task: asyncio.Task[Any]) -> str:
    return f"{_place(task)} waits on {_awaited(task, list(_frames(task.get_coro())))}"


def _place(task: asyncio.Task[Any]) -> str:
    coro = task.get_coro()
    own = [frame for frame in _frames(coro) if not is_machinery(frame)]
    where = f" at {own[-1].f_code.co_filename}:{own[-1].f_lineno}" if own else ""
    return f"{task.get_name()} ({getattr(coro, '__qualname__', repr(coro))}){where}"


def frames_of_program(task: asyncio.Task[Any]) -> list[FrameType]:
    """The frames of a suspended task that are not of asyncio or this package, the outermost first."""
    return [frame for frame in _frames(task.get_coro()) if not is_machinery(frame)]


def _waiter(task: asyncio.Task[Any]) -> Any:
    return getattr(task, "_fut_waiter", None)


def _frames(awaitable: Any) -> Iterator[FrameType]:
    """The frames of a suspended coroutine, the outermost first, through asynchronous generators as well."""
    while awaitable is not None:
        while type(awaitable).__name__ in _WRAPPERS:  # has no attribute for what it runs
            awaitable = next(filter(_is_suspended, gc.get_referents(awaitable)), None)
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaitable, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaitable = getattr(awaitable, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _is_suspended(candidate: object) -> bool:
    return isinstance(candidate, CoroutineType | GeneratorType | AsyncGeneratorType) or (
        type(candidate).__name__ in _WRAPPERS
    )


def is_machinery(frame: FrameType) -> bool:
    """Whether a frame is of asyncio or this package."""
    return is_machinery_file(frame.f_code.co_filename)


def is_machinery_file(file: str) -> bool:
    """Whether a file is of asyncio or this package."""
    return file.startswith(_MACHINERY)


def _awaited(task: asyncio.Task[Any], frames: list[FrameType]) -> str:
    waiter = _waiter(task)
    if isinstance(waiter, asyncio.Task):
        return str(waiter.get_name())
    if hasattr(waiter, "_children"):  # of gather()
        return "gather() of " + ", ".join(_name(child) for child in waiter._children if not child.done())
    if not frames or not is_machinery(frames[-1]):
        return repr(waiter)
    frame = _public(frames)
    function, local = frame.f_code.co_name, frame.f_locals
    if "event" in local:
        return f"SimPy's {local['event']!r}"
    if "self" in local:
        return f"{type(local['self']).__name__}.{function}() of {local['self']!r}"
    if "delay" in local:
        return f"asyncio.{function}({local['delay']!r})"
    if "fs" in local:
        return "wait() for " + ", ".join(_name(future) for future in local["fs"] if not future.done())
    return f"asyncio.{function}(): {waiter!r}"


def _public(frames: list[FrameType]) -> FrameType:
    """The innermost frame of a public function: some versions of Python put a private helper inside it.

    Only the frames of asyncio and this package at the inner end of the stack count.
    """
    for frame in takewhile(is_machinery, reversed(frames)):
        name = frame.f_code.co_name
        if not name.startswith("_") or name.endswith("__"):
            return frame
    return frames[-1]


def _name(future: Any) -> str:
    return future.get_name() if isinstance(future, asyncio.Task) else repr(future)

"""Errors of the loop: deadlock, livelock, and input or output, which virtual time does not support."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from recovery.errors import RecoveryBenchError
from sim.loop.handles import by_number

_MACHINERY: Final = (str(Path(asyncio.__file__).parent), str(Path(__file__).parent))
_TASKS_SHOWN: Final = 20


class Deadlock(RecoveryBenchError, RuntimeError):
    """Nothing is scheduled while tasks wait. The message lists each task, what it waits for, and where."""


class Livelock(RecoveryBenchError, RuntimeError):
    """Callbacks at one instant schedule callbacks without end, so that time cannot advance."""


class NoInputOutput(RecoveryBenchError, NotImplementedError):
    """Virtual time does not support sockets, pipes, subprocesses or signals."""


def who_waits(loop: asyncio.AbstractEventLoop) -> str:
    """The message of a deadlock: each pending task, the oldest first, its position and what it waits for."""
    waiting = by_number(asyncio.all_tasks(loop))
    if not waiting:
        return f"nothing is scheduled at {loop.time():g} s, and no task waits"
    lines = [f"nothing is scheduled at {loop.time():g} s, but {len(waiting)} task(s) wait:"]
    lines += [f"  {_describe(task)}" for task in waiting[:_TASKS_SHOWN]]
    if len(waiting) > _TASKS_SHOWN:
        lines.append(f"  and {len(waiting) - _TASKS_SHOWN} more")
    return "\n".join(lines)


def who_spins(loop: asyncio.AbstractEventLoop, callbacks: int) -> str:
    """The message of a livelock: the tasks that are ready to run, the oldest first, and their positions."""
    ready = [task for task in by_number(asyncio.all_tasks(loop)) if _waiter(task) is None or _waiter(task).done()]
    told = (
        f"more than {callbacks} callbacks at {loop.time():g} s of virtual time, which cannot advance: does a coroutine "
        "loop on asyncio.sleep(0), or a callback on call_soon()? Ready to go on:"
    )
    return "\n".join([told, *(f"  {_place(task)}" for task in ready[:_TASKS_SHOWN])])


def _describe(task: asyncio.Task[Any]) -> str:
    return f"{_place(task)} waits on {_awaited(task, list(_frames(task.get_coro())))}"


def _place(task: asyncio.Task[Any]) -> str:
    coro = task.get_coro()
    own = [frame for frame in _frames(coro) if not _is_machinery(frame)]
    where = f" at {own[-1].f_code.co_filename}:{own[-1].f_lineno}" if own else ""
    return f"{task.get_name()} ({getattr(coro, '__qualname__', repr(coro))}){where}"


def _waiter(task: asyncio.Task[Any]) -> Any:
    return getattr(task, "_fut_waiter", None)


def _frames(awaitable: Any) -> Iterator[FrameType]:
    """The frames of a suspended coroutine, the outermost first."""
    while awaitable is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaitable, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaitable = getattr(awaitable, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _is_machinery(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_MACHINERY)


def _awaited(task: asyncio.Task[Any], frames: list[FrameType]) -> str:
    waiter = _waiter(task)
    if isinstance(waiter, asyncio.Task):
        return str(waiter.get_name())
    if hasattr(waiter, "_children"):  # of gather()
        return "gather() of " + ", ".join(_name(child) for child in waiter._children if not child.done())
    if not frames or not _is_machinery(frames[-1]):
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
    for frame in takewhile(_is_machinery, reversed(frames)):
        name = frame.f_code.co_name
        if not name.startswith("_") or name.endswith("__"):
            return frame
    return frames[-1]


def _name(future: Any) -> str:
    return future.get_name() if isinstance(future, asyncio.Task) else repr(future)


# fmt: off
_INPUT_OUTPUT: Final = (
    "add_reader", "remove_reader", "add_writer", "remove_writer", "add_signal_handler", "remove_signal_handler",
    "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto",
    "sock_connect", "sock_accept", "sock_sendfile", "sendfile", "start_tls", "create_connection",
    "create_server", "create_unix_connection", "create_unix_server", "create_datagram_endpoint",
    "connect_accepted_socket", "connect_read_pipe", "connect_write_pipe", "subprocess_shell", "subprocess_exec",
    "getaddrinfo", "getnameinfo",
)
# fmt: on


def refuse_input_output(loop: type) -> type:
    """Class decorator for loops: every method for input and output raises NoInputOutput."""
    for name in _INPUT_OUTPUT:
        setattr(loop, name, _refusal(name))
    return loop


def _refusal(name: str) -> Any:
    def refuse(self: object, *_: object, **__: object) -> NoReturn:
        raise NoInputOutput(
            f"SimLoop has no input or output, and so no {name}(): virtual time knows no sockets, pipes, subprocesses "
            "or signals. Model the other side with SimPy's events and await loop.wait(event), or call something "
            "that blocks inline, with asyncio.to_thread()"
        )

    refuse.__name__ = refuse.__qualname__ = name
    return refuse

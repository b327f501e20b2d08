"""One life of a program: its coroutine on a loop of its own, to its end or to a power cut."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from inspect import iscoroutinefunction
from typing import Any

from sim.loop import Deadlock, Livelock
from sim.programs.crash_sweep.errors import CrashSweepError, StartsThreads
from sim.programs.crash_sweep.inert import make_inert
from sim.programs.crash_sweep.points import Point, callback_point, point_of
from sim.programs.crash_sweep.power import PowerCut, PowerLoop, RunsTooLong


class End(Enum):
    """How a life ends."""

    RETURNED = auto()
    CUT = auto()
    RAISED = auto()
    TOO_LONG = auto()
    WAITS = auto()
    """Nothing is scheduled, while a task waits."""


@dataclass(slots=True)
class Life:
    """What a life came to. `count` is the number of its points, `last` the one at which it was cut or observed last."""

    end: End
    value: Any = None
    error: BaseException | None = None
    count: int = 0
    points: list[Point] = field(default_factory=list)
    last: Point | None = None
    now: float = 0.0
    steps: int = 0
    remains: list[Any] = field(default_factory=list)
    """The memory of a program that has not returned, to be released after the check."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a life may take: steps of its tasks, and seconds of virtual time."""

    max_steps: int
    max_time: float


def live(
    function: Callable[[Any], Awaitable[Any]],
    durable: Any,
    limits: Limits,
    *,
    now: float = 0.0,
    cut_at: int | None = None,
    record: bool = False,
    silent: bool = True,
    role: str = "start",
) -> Life:
    """Run `function(durable)`, up to the end of the step with the number `cut_at`.

    Raises CrashSweepError where the function does not return an awaitable, or starts threads.
    """
    life = Life(End.RETURNED, now=now)
    threads = frozenset(threading.enumerate())

    def observe(what: Any, _: int) -> None:
        life.count += 1
        if record or life.count == cut_at:
            make = point_of if asyncio.isfuture(what) else callback_point
            life.last = make(life.count, what, loop.time() - now)
            if record:
                life.points.append(life.last)
        if life.count == cut_at:
            raise PowerCut

    loop = PowerLoop(now, observe, max_steps=limits.max_steps, until=now + limits.max_time)
    loop.is_silent = silent
    try:
        loop.main = loop.create_task(
            function(durable) if iscoroutinefunction(function) else _called(function, durable, role)
        )
        life.value = loop.run_until_complete(loop.main)
        _finish(loop)
    except PowerCut:
        life.end = End.CUT
    except (RunsTooLong, Livelock) as error:
        life.end, life.error = End.TOO_LONG, error
        life.last = _first_point(loop, life.count, now)
    except Deadlock as error:
        life.end, life.error = End.WAITS, error
    except (KeyboardInterrupt, CrashSweepError):
        loop.abandon()
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the program raises
        life.end, life.error = End.RAISED, error
    life.now, life.steps = loop.time(), loop.steps
    if life.end is End.RETURNED:
        loop.close()
    else:
        loop.is_dead = True
        tasks = [*asyncio.all_tasks(loop)]
        life.remains = [loop, tasks, make_inert([loop, *tasks, *loop._asyncgens])]
    loop.main = None
    _refuse_threads(threads, role)
    return life


async def _called(function: Callable[[Any], Awaitable[Any]], durable: Any, role: str) -> Any:
    awaitable = function(durable)
    if not isinstance(awaitable, Awaitable):
        raise CrashSweepError(
            f"{role} returns {type(awaitable).__name__}; valid: a coroutine function, async def {role}(durable)"
        )
    return await awaitable


def _finish(loop: PowerLoop) -> None:
    """Cancel what the program has left running, as `asyncio.run` does."""
    left = [*asyncio.all_tasks(loop)]
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    if loop._asyncgens:
        loop.run_until_complete(loop.shutdown_asyncgens())


def _first_point(loop: PowerLoop, number: int, began: float) -> Point | None:
    """Where the oldest pending task is."""
    pending = [*asyncio.all_tasks(loop)]
    return point_of(number, pending[0], loop.time() - began) if pending else None


def _refuse_threads(before: frozenset[threading.Thread], role: str) -> None:
    started = [thread.name for thread in threading.enumerate() if thread not in before]
    if started:
        raise StartsThreads(
            f"{role} starts threads: {', '.join(map(repr, sorted(started)))}. A power cut cannot stop them, and "
            "virtual time cannot wait for them; valid: their work in a coroutine, or inline with asyncio.to_thread()"
        )


def release(life: Life) -> None:
    """Release the memory of a program that has not returned."""
    for each in life.remains:
        if isinstance(each, PowerLoop):
            each._ready.clear()
            each.close()
    life.remains.clear()

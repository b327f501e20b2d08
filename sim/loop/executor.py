"""Functions that asyncio runs in threads are called inline: threads have neither virtual time nor a fixed order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from sim.loop import blocking_waits
from sim.loop.base import LoopBase

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run_in_executor(
    loop: LoopBase, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
) -> asyncio.Future[T]:
    """Call `func` inline in an empty context, whatever the executor. No virtual time passes.

    A timeout around it therefore never fires. A function that waits for another thread, or for the loop, is detected
    (`blocking_waits`).

    The returned future is done one iteration of the loop later, so that other tasks run before the task that awaits it.
    """
    loop._check_closed()
    if loop._debug:
        loop._check_callback(func, "run_in_executor")  # type: ignore[attr-defined]
    if executor is None:
        loop._check_default_executor()  # type: ignore[attr-defined]
    future: asyncio.Future[T] = loop.create_future()
    outer, nested = asyncio._get_running_loop(), loop._in_executor
    loop._in_executor = True
    asyncio._set_running_loop(None)  # as in a separate thread
    try:
        with blocking_waits.detected():
            result = Context().run(func, *args)  # as asyncio's, unlike to_thread()
        outcome: Any = partial(future.set_result, result)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - it is the future's
        outcome = partial(future.set_exception, error)
    finally:
        asyncio._set_running_loop(outer)
        loop._in_executor = nested
    loop.call_soon(settle, future, outcome)
    return future


def settle(future: asyncio.Future[Any], outcome: Callable[[], object]) -> None:
    """Give a future its result or exception, unless it was canceled."""
    if not future.done():
        outcome()


async def shutdown_default_executor(loop: LoopBase, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's
    """Refuse further `run_in_executor(None, …)`. A default executor is shut down; it was never used."""
    base: Any = loop
    base._executor_shutdown_called = True
    executor, base._default_executor = base._default_executor, None
    if executor is not None:
        executor.shutdown(wait=True)


def call_soon_threadsafe(
    loop: LoopBase, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
) -> asyncio.Handle:
    """As `call_soon`. Raises RuntimeError where virtual time would have to wait for a thread."""
    if threading.get_ident() != (loop._thread_id or loop._owner):
        loop._foreign_threads[threading.current_thread().name] = None  # for the message of a deadlock
        raise RuntimeError(
            "SimLoop belongs to one thread, and another one called it: virtual time cannot wait for threads. "
            "Do the thread's work in a coroutine, or inline with asyncio.to_thread()"
        )
    if loop._in_executor and getattr(callback, "__qualname__", "").startswith("run_coroutine_threadsafe."):
        raise RuntimeError(
            "run_coroutine_threadsafe() from a function that SimLoop runs inline: the loop cannot go on before the "
            "function returns, so its result would never come. Await the coroutine outside the function"
        )
    return loop.call_soon(callback, *args, context=context)

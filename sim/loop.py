"""asyncio on SimPy's clock.

`SimLoop` runs unmodified asyncio programs in the virtual time of a `simpy.Environment`. A timer is one entry of SimPy's
heap; what is ready now is drained inside the SimPy event that caused it and never touches the heap. The loop runs under
`run_until_complete`, `asyncio.Runner` and a plain `env.run(until=…)` alike.

Why this shape: deriving from `BaseEventLoop` gives run, stop, shutdown and exception handling as users know them. Handles
are lists, because a list is built in C and most handles live for microseconds. Tasks hash by their creation number, for
sets of tasks (in `TaskGroup` and `asyncio.wait`) would otherwise iterate by memory address. A timer that is due "never"
stays off the heap, so that a deadlock is seen.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from types import coroutine
from typing import Any, NoReturn, TypeVar

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL, URGENT, Event

T = TypeVar("T")
_CANCELLED: tuple[()] = ()
_SWEEP_FROM = 100


class Deadlock(RuntimeError):
    """Nothing is scheduled, and yet somebody waits. The message names who waits on what."""


class Livelock(RuntimeError):
    """Callbacks go on causing callbacks at one instant, and time cannot advance."""


class NoInputOutput(NotImplementedError):
    """Virtual time knows no sockets, pipes, subprocesses or signals."""


class _Handle(list[Any]):
    """`[context.run, callback, args]`; empty once cancelled."""

    __slots__ = ("__weakref__",)
    cancel = list.clear
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def cancelled(self) -> bool:
        return not self


class _Timer(_Handle):
    """A handle that stands on SimPy's heap as an event of its own."""

    __slots__ = ("_when", "callbacks")
    _ok = True
    _when: float
    callbacks: tuple[Callable[[Any], None], ...] | None

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        fire, self.callbacks = self.callbacks, _CANCELLED
        self.clear()
        if fire:
            fire[0].__self__._count_cancelled()  # type: ignore[attr-defined]

    def cancelled(self) -> bool:
        return self.callbacks is _CANCELLED


class _Task(asyncio.Task[T]):
    """A task that hashes by its number."""

    __slots__ = ("number",)

    def __init__(self, number: int, coro: Any, **options: Any) -> None:
        self.number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.number


class _Coroutine:
    """What SimPy takes for the active process while a coroutine makes a request: preemption cancels its task."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task

    @property
    def is_alive(self) -> bool:
        return not self.task.done()

    def interrupt(self, cause: object = None) -> None:
        self.task.cancel(cause)


class VirtualEnvironment(simpy.Environment):
    """A `simpy.Environment` that skips cancelled timers, so that they neither run nor drag the clock."""

    _loop: SimLoop | None = None

    def step(self) -> None:
        """Process the next event. Raises `simpy.core.EmptySchedule` when there is none."""
        queue = self._queue
        while queue and queue[0][3].callbacks is _CANCELLED:
            heappop(queue)
        super().step()

    @property
    def active_process(self) -> Any:
        """The process, or the coroutine's task, that is running now."""
        if self._active_proc is None and self._loop is not None:
            task = asyncio.current_task(self._loop)
            return None if task is None else _Coroutine(task)
        return self._active_proc


class SimLoop(asyncio.BaseEventLoop):
    """An asyncio event loop whose `time()` is the `now` of `env`, a new `VirtualEnvironment` unless one is given."""

    max_callbacks = 5_000_000  # at one instant, before Livelock

    def __init__(self, env: simpy.Environment | None = None) -> None:
        super().__init__()
        if env is None:
            env = VirtualEnvironment(0.0)
        if isinstance(env, VirtualEnvironment):
            env._loop = self
        self.env: simpy.Environment = env
        self._ready: Any
        self._queue: list[Any] = env._queue  # type: ignore[assignment]
        self._event_ids = env._eid
        self._fire = (self._drain,)
        self._draining = False
        self._cancelled_timers = 0
        self._task_numbers = count(1)
        self._owner = threading.get_ident()
        self._at_instant = (0.0, 0)

    def time(self) -> float:
        """Virtual time in seconds."""
        return self.env._now

    # ------------------------------------------------------------------------- scheduling
    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Call back at this instant, after what is ready already."""
        if self._closed or self._debug:
            self._check(callback, "call_soon")
        handle = _Handle(((copy_context() if context is None else context).run, callback, args))
        self._ready.append(handle)
        if not self._draining:
            self._pump()
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Call back after `delay` seconds of virtual time. Raises ValueError when `delay` is not a number."""
        now = self.env._now
        return self._call_at(now + delay, now, callback, args, context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Call back at an instant of virtual time; one in the past is now."""
        return self._call_at(when, self.env._now, callback, args, context)

    def _call_at(self, when: float, now: float, callback: Any, args: Any, context: Context | None) -> _Timer:
        if self._closed or self._debug:
            self._check(callback, "call_at")
        timer = _Timer(((copy_context() if context is None else context).run, callback, args))
        timer.callbacks = self._fire
        timer._when = when
        if when < inf:
            heappush(self._queue, (when if when > now else now, NORMAL, next(self._event_ids), timer))
        elif when != inf:
            raise ValueError("a timer cannot be due at NaN")
        return timer

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """The same as `call_soon`. Raises RuntimeError from another thread, which virtual time cannot wait for."""
        if threading.get_ident() != (self._thread_id or self._owner):  # type: ignore[attr-defined]
            raise RuntimeError("SimLoop runs in one thread: no callback can come from another")
        return self.call_soon(callback, *args, context=context)

    def _check(self, callback: Any, method: str) -> None:
        self._check_closed()  # type: ignore[attr-defined]
        if self._debug:
            self._check_callback(callback, method)  # type: ignore[attr-defined]

    def create_task(self, coro: Any, *, name: str | None = None, **options: Any) -> Any:
        """Start a task. Names count per loop, so that a second run in a process has the same ones."""
        self._check_closed()  # type: ignore[attr-defined]
        if self._task_factory is not None:  # type: ignore[attr-defined]
            return super().create_task(coro, name=name, **options)
        number = next(self._task_numbers)
        return _Task(number, coro, loop=self, name=f"Task-{number}" if name is None else name, **options)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> Any:
        """Call `func` here and now: a thread would know no virtual time."""
        self._check_closed()  # type: ignore[attr-defined]
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    # ---------------------------------------------------------------------------- running
    def _pump(self) -> None:
        """Something is ready and nobody drains: do it at this instant, before any other event."""
        pump = _Timer()
        pump.callbacks = self._fire
        pump._when = self.env._now
        self._draining = True  # as good as: nobody needs to pump again
        heappush(self._queue, (self.env._now, URGENT, next(self._event_ids), pump))

    def _drain(self, handle: Any = None) -> None:
        """The callback of every timer: run it, then all that is ready, then what that has made ready."""
        ready = self._ready
        self._draining = True
        alone = self._thread_id is None  # type: ignore[attr-defined]
        if alone:  # under a plain env.run()
            outer = asyncio._get_running_loop()
            asyncio._set_running_loop(self)
        try:
            if handle:
                ready.append(handle)
            self._gather_due()
            budget = self.max_callbacks
            while ready:
                batch = len(ready)
                budget -= batch
                if budget < 0:
                    raise Livelock(
                        f"{self.max_callbacks} callbacks at {self.env._now:g} s and more to come: {ready[0]!r}"
                    )
                for _ in range(batch):
                    handle = ready.popleft()
                    if handle:
                        run, callback, args = handle
                        try:
                            run(callback, *args)
                        except (SystemExit, KeyboardInterrupt):
                            raise
                        except BaseException as error:
                            self._report(callback, error, handle)
                if self._stopping:  # type: ignore[has-type]
                    break
        finally:
            self._draining = False
            if alone:
                asyncio._set_running_loop(outer)
            if ready:
                self._pump()

    def _gather_due(self) -> None:
        """As in asyncio, timers due at one instant run before any wake-up that they cause."""
        queue, now, fire, ready = self._queue, self.env._now, self._fire, self._ready
        while queue and queue[0][0] == now:
            timer = queue[0][3]
            if timer.callbacks is fire:
                timer.callbacks = None
                ready.append(timer)
            elif timer.callbacks is not _CANCELLED:
                break
            heappop(queue)

    def _report(self, callback: Any, error: BaseException, handle: Any) -> None:
        self.call_exception_handler(
            {"message": f"Exception in callback {callback!r}", "exception": error, "handle": handle}
        )

    def _run_once(self) -> None:
        """What `run_forever` repeats: here, everything until somebody stops the loop."""
        if self._ready and not self._draining:
            self._pump()
        step = self.env.step
        try:
            while not self._stopping:  # type: ignore[has-type]
                step()
        except EmptySchedule:
            raise Deadlock(self._who_waits()) from None

    def _who_waits(self) -> str:
        waiting = sorted(asyncio.all_tasks(self), key=lambda task: getattr(task, "number", 0))
        lines = [f"nothing is scheduled at {self.env._now:g} s, but {len(waiting)} task(s) wait"]
        for task in waiting[:10]:
            frames = task.get_stack(limit=1)
            where = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
            coro = getattr(task.get_coro(), "__qualname__", repr(task.get_coro()))
            lines.append(f"{task.get_name()} ({coro}){where} waits on {task._fut_waiter!r}")  # type: ignore[attr-defined]
        if len(waiting) > 10:
            lines.append("…")
        return "; ".join(lines)

    def _count_cancelled(self) -> None:
        """Like asyncio, sweep the heap when more than half of it is dead."""
        self._cancelled_timers += 1
        if self._cancelled_timers > _SWEEP_FROM and 2 * self._cancelled_timers > len(self._queue):
            self._queue[:] = [entry for entry in self._queue if entry[3].callbacks is not _CANCELLED]
            heapify(self._queue)
            self._cancelled_timers = 0

    def _write_to_self(self) -> None:
        pass

    def abandon(self) -> None:
        """Take the loop down as a power cut would: pending tasks never go on, and nobody complains about them.

        Python closes their coroutines some time later; what a `finally` in them schedules then is ignored.
        """
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._ready.clear()
        self._queue.clear()
        self.call_soon = self.call_soon_threadsafe = _ignore  # type: ignore[method-assign]
        self._call_at = _ignore  # type: ignore[method-assign]
        if not self.is_closed():
            self.close()

    # ------------------------------------------------------------------- SimPy and asyncio
    def wait(self, event: Event) -> Awaitable[Any]:
        """Wait for a SimPy event in a coroutine: `await loop.wait(env.timeout(3))`.

        Returns its value, or raises what it failed with. A wait that is cancelled takes its callback back, and a request
        for a resource is withdrawn, or given back when it was granted in the same instant.
        """
        return _wait(self, event)

    def process(self, awaitable: Coroutine[Any, Any, T] | Awaitable[T]) -> Event:
        """A SimPy event that fires with the outcome of a coroutine or future: `yield loop.process(work())`."""
        event = Event(self.env)

        def done(future: asyncio.Future[T]) -> None:
            if future.cancelled():
                event.fail(asyncio.CancelledError())  # type: ignore[arg-type]
            elif (error := future.exception()) is not None:
                event.fail(error)  # type: ignore[arg-type]
            else:
                event.succeed(future.result())

        asyncio.ensure_future(awaitable, loop=self).add_done_callback(done)
        return event


@coroutine
def _wait(loop: SimLoop, event: Event) -> Generator[Any, Any, Any]:
    if event.callbacks is not None:
        future = loop.create_future()

        def fire(fired: Event) -> None:
            if not fired._ok:
                fired.defused = True
            if not future.done():
                loop._draining = True  # we drain at once: no pump
                future.set_result(None)
                loop._drain()

        event.callbacks.append(fire)
        try:
            yield from future
        except BaseException:
            _give_up(event, fire)
            raise
    if event._ok:
        return event._value
    raise event._value


def _give_up(event: Event, fire: Callable[[Event], None]) -> None:
    """Leave no callback, no waiting request and no unit behind."""
    if event.callbacks is not None:
        event.callbacks.remove(fire)
    if isinstance(event, simpy.resources.base.Put | simpy.resources.base.Get):
        if not event.triggered:
            event.cancel()
        elif isinstance(event, simpy.resources.resource.Request):
            event.resource.release(event)


def _ignore(*_: object, **__: object) -> None:
    return None


def _refuse(name: str) -> Any:
    def refuse(self: SimLoop, *_: object, **__: object) -> NoReturn:
        raise NoInputOutput(
            f"SimLoop has no {name}(): virtual time knows no sockets, pipes, subprocesses or signals; "
            "model them with SimPy events and await loop.wait(event)"
        )

    return refuse


for _name in (
    "add_reader remove_reader add_writer remove_writer add_signal_handler remove_signal_handler sock_recv sock_recv_into "
    "sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept sock_sendfile sendfile start_tls "
    "create_connection create_server create_unix_connection create_unix_server create_datagram_endpoint "
    "connect_accepted_socket connect_read_pipe connect_write_pipe subprocess_shell subprocess_exec getaddrinfo getnameinfo"
).split():
    setattr(SimLoop, _name, _refuse(_name))


def run(main: Coroutine[Any, Any, T], env: simpy.Environment | None = None) -> T:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=lambda: SimLoop(env)) as runner:
        return runner.run(main)

"""asyncio on SimPy's clock.

`SimLoop` runs unmodified asyncio programs in the virtual time of a `simpy.Environment`. One timer is one event on
SimPy's heap; callbacks that are ready run inside the SimPy event that caused them and are never put on the heap. The
loop runs under `run_until_complete`, `asyncio.Runner` and a plain `env.run(until=…)` alike.

Reasons for this design:

- Deriving from `asyncio.BaseEventLoop` gives run, stop, shutdown and exception handling as users know them. Only what
  schedules (`call_soon`, `call_later`, `call_at`) and what runs (`_run_once`) is replaced.
- Timers are asyncio's own handles that are also SimPy events: their callback is the loop's drain. While the head of
  the heap is a timer of this loop, the drain advances the clock itself; any other event is processed by SimPy.
- Tasks are named and hashed by their creation number in this loop, and futures are hashed by a number. Sets of them,
  which `TaskGroup` and `asyncio.wait` iterate, would otherwise follow memory addresses (`sim.loop.order`).
- A timer with an infinite time stays off the heap, so that a `Deadlock` is detected; callbacks at one instant are
  limited, so that a `Livelock` is detected.
- There is no input or output and no thread: `run_in_executor` and `to_thread` call the function inline.

A world is run to its horizon and stopped with all of its tasks by

    loop.env.run(until=3600)
    loop.abandon()
"""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio import format_helpers
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf, nan
from typing import Any, Final, TypeVar, TypeVarTuple

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL, URGENT

from sim.loop import executor, simpy_bridge
from sim.loop.base import LoopBase
from sim.loop.environment import FIRST, VirtualEnvironment, drop_cancelled, keep, steps_plainly
from sim.loop.errors import Deadlock, Livelock, who_spins, who_waits
from sim.loop.handles import CANCELLED, Handle, Task, Timer, TracedHandle, TracedTimer, by_number, named, switch_off
from sim.loop.input_output import refuse_input_output
from sim.loop.order import Future, StartedGenerators, future_maker, made_by_factory, makes_eager_tasks, prepare_factory
from sim.loop.simpy_bridge import WakeTask

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_SWEEP_FROM: Final = 1000  # heap entries; with fewer, cancelled timers are not worth a sweep
_new: Callable[[type[Any]], Any] = object.__new__
_step: Final = simpy.Environment.step
_wake_sleeper: Any = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]  # of asyncio.sleep()


@refuse_input_output
class SimLoop(LoopBase):
    """An asyncio event loop whose `time()` is the `now` of `env`: a new `VirtualEnvironment` unless one is given.

    Any `simpy.Environment` works. If it is not a `VirtualEnvironment`, a cancelled timer at the end of a run may still
    advance the clock to its deadline at the end of `env.run()`.

    The clock is exact: a timer is called at its deadline and never before, and two deadlines are at one instant only if
    they are equal. Instants are floats, so that the smallest step is `math.ulp(loop.time())`, 1.2e-10 s after 11 days.

    In debug mode no callback is reported as slow: callbacks take no virtual time.
    """

    max_callbacks: int = 1_000_000  # at one instant of virtual time, before Livelock
    callbacks_per_task: int = 10  # at one instant, before Livelock, if that allows more

    def __init__(self, env: simpy.Environment | None = None) -> None:
        super().__init__()
        if env is None:
            env = VirtualEnvironment(0.0)
        env._now = float(env._now)
        self.env: simpy.Environment = env
        self._queue: list[tuple[float, float, int, Any]] = env._queue  # type: ignore[assignment]
        self._event_ids = env._eid
        self._fire = (self._drain,)
        self._awake = False  # a drain is running, or an event on the heap will start one: no need for another
        self._advances = False  # the drain may move the clock: inside a run, not inside a lone env.step()
        self._instant = -inf  # the instant of `_budget`, which is the number of callbacks that are left at it
        self._budget = 0
        self._extended_at = (
            nan  # the instant that has more callbacks than `max_callbacks`, because there are many tasks
        )
        self._sweep_at = _SWEEP_FROM
        self._task_numbers, self._future_numbers = count(1), count(1)
        self._made_number: int | None = None
        self._owner = threading.get_ident()
        self._in_executor = False
        self._earlier_threads = frozenset(threading.enumerate())
        self._foreign_threads: dict[str, None] = {}
        self._clock_resolution = 0.0  # asyncio's name: a timer is never called early
        self._no_context = Context()  # for callbacks without a context
        self._stopped: list[object] = []  # callbacks and futures of machines that have lost their power
        self._forever = False  # run_forever() runs, not env.run()
        if type(self).create_future is SimLoop.create_future:
            self.create_future = future_maker(self)  # type: ignore[method-assign]  # the same, faster
        self._asyncgens = StartedGenerators()
        if isinstance(env, VirtualEnvironment):
            env.loop = self

    def time(self) -> float:
        """Virtual time in seconds."""
        return self.env._now

    def block(self, seconds: float) -> None:
        """Let virtual time pass while nothing runs, as a call that blocks does. What was due meanwhile is late, and
        runs in its order as soon as the loop goes on.
        """
        until = self.env._now + seconds
        late = sorted(entry for entry in self._queue if entry[0] < until)
        overdue = [(until, place / len(late), number, event) for place, (_, _, number, event) in enumerate(late)]
        self._queue[:] = [*overdue, *(entry for entry in self._queue if entry[0] >= until)]
        heapify(self._queue)
        self.env._now = until

    # ------------------------------------------------------------------------------------------------ scheduling

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back at this instant, after everything that is ready already."""
        handle: Handle = _new(Handle) if not (self._closed or self._debug) else self._traced(TracedHandle, callback)
        handle._context = copy_context() if context is None else context
        handle._callback = callback
        handle._args = args
        handle._cancelled = False
        handle._loop = self
        self._ready.append(handle)
        if not self._awake:
            self._wake()
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after `delay` seconds of virtual time. Raises ValueError when `delay` is NaN."""
        timer: Timer = _new(Timer) if not (self._closed or self._debug) else self._traced(TracedTimer, callback)
        if context is None:
            context = self._no_context if callback is _wake_sleeper else copy_context()
        timer._context = context
        timer._callback = callback
        timer._args = args
        timer._cancelled = False
        timer._loop = self
        timer.callbacks = self._fire
        now = self.env._now
        timer._when = when = now + delay
        if now <= when < inf:
            heappush(self._queue, (when, NORMAL, next(self._event_ids), timer))
            if len(self._queue) > self._sweep_at:
                self._sweep()
        elif when != inf:  # an infinite time stays off the heap
            self._push_overdue(when, timer)
        return timer

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at an instant of virtual time; one in the past means now. Raises ValueError when `when` is NaN."""
        timer: Timer = _new(Timer) if not (self._closed or self._debug) else self._traced(TracedTimer, callback)
        timer._context = copy_context() if context is None else context
        timer._callback = callback
        timer._args = args
        timer._cancelled = False
        timer._loop = self
        timer.callbacks = self._fire
        timer._when = when
        if self.env._now <= when < inf:
            heappush(self._queue, (when, NORMAL, next(self._event_ids), timer))
            if len(self._queue) > self._sweep_at:
                self._sweep()
        elif when != inf:
            self._push_overdue(when, timer)
        return timer

    def _push_overdue(self, when: float, timer: Timer) -> None:
        """Put a timer on the heap before what is due now; an earlier deadline comes first."""
        late = self.env._now - when
        if not late > 0:
            raise ValueError(f"a timer cannot be due at {when}")
        heappush(self._queue, (self.env._now, 1 / (1 + late), next(self._event_ids), timer))
        if len(self._queue) > self._sweep_at:
            self._sweep()

    def _traced(self, kind: type[Any], callback: Any) -> Any:
        """A handle with a traceback of its origin. Checks that the loop is open and that the arguments are valid."""
        self._check_closed()
        self._check_thread()  # type: ignore[attr-defined]
        caller = sys._getframe(1)
        self._check_callback(callback, caller.f_code.co_name)  # type: ignore[attr-defined]
        handle = _new(kind)
        handle._repr = None
        handle._source_traceback = format_helpers.extract_stack(caller.f_back)
        return handle

    def _sweep(self) -> None:
        """Drop cancelled timers whenever the heap has doubled: its size stays proportional to the active timers."""
        keep(self._queue, lambda event: event.callbacks is not CANCELLED)
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._queue))

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        """Start a task. Default names are numbered per loop, so that a second run in a process has the same names."""
        self._check_closed()
        number = next(self._task_numbers)
        name = f"Task-{number}" if name is None else str(name)
        factory = self._task_factory
        if factory is not None and makes_eager_tasks(factory):
            options["eager_start"] = True
        elif factory is not None:
            if context is not None:
                options["context"] = context
            return named(made_by_factory(self, lambda: factory(self, coro, **options), number), name)
        task: Task[T] = Task.__new__(Task)
        task.number = number  # before it is first hashed, which happens in its __init__
        task.__init__(coro, loop=self, name=name, context=context, **options)  # type: ignore[misc]
        if self._debug and task._source_traceback:
            del task._source_traceback[-1]
        return task

    def set_task_factory(self, factory: Any) -> None:
        """As asyncio's. Tasks of the factory hash by number, unless it has its own reference to `asyncio.Task`."""
        super().set_task_factory(factory)
        prepare_factory(factory)

    def create_future(self) -> asyncio.Future[Any]:
        """A future that hashes by its number in the loop. A subclass may override this method."""
        return Future(loop=self)

    run_in_executor = executor.run_in_executor
    shutdown_default_executor = executor.shutdown_default_executor
    call_soon_threadsafe = executor.call_soon_threadsafe

    # --------------------------------------------------------------------------------------------------- running

    def _wake(self) -> None:
        """Something is ready and no drain is running: start one at this instant, before any other event."""
        self._awake = True
        self._start(URGENT)

    def _start(self, priority: int) -> Timer:
        """Put an event on the heap that starts a drain at this instant."""
        start: Timer = _new(Timer)
        start.callbacks = self._fire
        start._cancelled = True  # as a handle, it has no effect
        heappush(self._queue, (self.env._now, priority, next(self._event_ids), start))
        return start

    def _drain(self, timer: Timer | None = None) -> None:  # noqa: C901, PLR0912, PLR0915 - written out for speed
        """Run a timer that SimPy has fired, then everything that is ready, then what that makes ready."""
        if self._thread_id is None:  # under the run() of another environment: the loop runs for this event only
            outer = self._enter()
            try:
                self._drain(timer)
            finally:
                self._leave(outer)
                drop_cancelled(self._queue)  # and does not advance that environment's clock, if this was its last event
            return
        env, ready, queue, fire = self.env, self._ready, self._queue, self._fire
        advances, debug = self._advances and not self._stopping, self._debug
        now = env._now
        budget = self._budget if now == self._instant else self.max_callbacks
        if timer is not None:
            ready.append(timer)
        self._awake = drains = True
        try:
            while True:
                while queue:  # run what is due; when nothing is ready, the next timer is due
                    when, _, _, event = queue[0]
                    if when > now and (ready or not advances):
                        break
                    callbacks = event.callbacks
                    if callbacks is fire:
                        heappop(queue)
                        event.callbacks = None
                        if when > now:
                            env._now = now = when
                            budget = self.max_callbacks
                            if event._callback is _wake_sleeper and not (debug or (queue and queue[0][0] == when)):
                                _wake_sleeper(*event._args)  # the usual case, nothing else is due, has a short path
                                continue
                        ready.append(event)
                    elif callbacks is CANCELLED:
                        heappop(queue)
                    elif ready or not advances:
                        break
                    else:  # events of SimPy are next: they are processed here, because to return to `step` costs more
                        self._instant, self._budget = now, budget
                        self._awake = drains = False
                        waiting = None
                        while waiting is None and callbacks is not fire and callbacks is not CANCELLED:
                            if event._ok:
                                heappop(queue)
                                env._now = when
                                event.callbacks = None
                                if callbacks and type(callbacks[-1]) is WakeTask and callbacks[-1].loop is self:
                                    waiting = callbacks.pop()  # the task runs in this drain, not in one of its own
                                try:
                                    for callback in callbacks:
                                        callback(event)
                                except StopSimulation:  # as in SimPy, the rest is called when the run goes on
                                    rest = callbacks[callbacks.index(callback) + 1 :]
                                    event.callbacks = rest if waiting is None else [*rest, waiting]
                                    env.schedule(event, FIRST)  # type: ignore[arg-type]
                                    raise
                                if waiting is not None and waiting.future.done():  # one of these has cancelled it
                                    waiting = None
                            else:  # it may raise the exception of the event
                                _step(env)
                            if waiting is None and (self._awake or self._stopping):
                                return
                            if not queue:
                                break
                            when, _, _, event = queue[0]
                            callbacks = event.callbacks
                        now = env._now
                        budget = self._budget if now == self._instant else self.max_callbacks
                        self._awake = drains = True
                        if waiting is not None:
                            waiting.wake()
                batch = len(ready)
                if not batch:
                    break
                budget -= batch
                if budget < 0:
                    left, budget = budget, self.max_callbacks  # after a Livelock, a run may go on
                    budget = self._extended(left)
                for _ in range(batch):
                    handle = ready.popleft()
                    if handle._cancelled:
                        continue
                    if debug:
                        self._current_handle = handle
                        handle._run()
                        self._current_handle = None
                        continue
                    try:
                        if handle._callback is _wake_sleeper:  # half of all callbacks; they need no context
                            _wake_sleeper(*handle._args)
                        else:
                            handle._context.run(handle._callback, *handle._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001 - whatever a callback raises
                        described = format_helpers._format_callback_source(handle._callback, handle._args)
                        message = f"Exception in callback {described}"
                        self.call_exception_handler({"message": message, "exception": error, "handle": handle})
                handle = event = None  # and does not keep its arguments alive
                if self._stopping:
                    break
        finally:
            if drains:  # else it is in an event of SimPy, for which all of this is right
                self._instant, self._budget = now, budget
                self._awake = False
                if ready:
                    self._wake()
        if self._stopping and not self._forever:  # stop() ends env.run() as well as run_forever()
            self._stopping = False
            raise StopSimulation(None)

    def _extended(self, budget: int) -> int:
        """The callbacks that are left at this instant when `max_callbacks` are used up. Raises Livelock if none are."""
        if self._extended_at != self.env._now:
            self._extended_at = self.env._now
            more = self.callbacks_per_task * len(asyncio.all_tasks(self)) - self.max_callbacks
            if more + budget >= 0:
                return more + budget
        self._extended_at = nan
        raise Livelock(who_spins(self))

    def _run_once(self) -> None:
        """One iteration of `run_forever`: everything that is ready, else the next SimPy events."""
        if self._ready or self._stopping:
            self._drain()
            return
        step = self.env.step
        try:
            while not self._stopping:
                step()
        except EmptySchedule:
            raise Deadlock(who_waits(self)) from None

    def run_forever(self) -> None:
        """Run until `stop()`. Raises Deadlock when nothing is left to run."""
        self._check_closed()
        self._check_running()
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        self._forever, self._advances = True, steps_plainly(self.env)
        for follow in self.followers:
            follow(self)
        try:
            super().run_forever()
        finally:
            self._forever = self._advances = False
            asyncio._set_running_loop(outer)

    def _check_running(self) -> None:
        """Allow a running loop of another kind around this one, as in a notebook: this one does not wait for it."""
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        if isinstance(asyncio._get_running_loop(), SimLoop):
            raise RuntimeError("Cannot run the event loop while another loop is running")

    def _enter(self) -> tuple[Any, Any]:
        """Make this the running loop of the thread. Returns what `_leave` restores."""
        for follow in self.followers:
            follow(self)
        outer = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
        self._thread_id = self._owner = threading.get_ident()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)  # type: ignore[attr-defined]
        asyncio._set_running_loop(self)
        return outer

    def _leave(self, outer: tuple[Any, Any]) -> None:
        asyncio._set_running_loop(outer[0])
        sys.set_asyncgen_hooks(*outer[1])
        self._thread_id = None

    def _run_environment(self, run: Callable[[], T]) -> T:
        """Call `run`, the environment's own method, with this loop as the running one."""
        if self.is_running():
            raise RuntimeError("the environment is running already; in a coroutine, await loop.wait(event) instead")
        outer = self._enter()
        self._advances = steps_plainly(self.env)
        start = None
        if self._advances and not (self._awake or self._stopping):
            start = self._start(FIRST - 1)  # the drain processes the events of SimPy faster
        try:
            return run()
        finally:
            self._advances = False
            self._leave(outer)
            if start is not None and start.callbacks is not None:  # no event was processed
                keep(self._queue, lambda event: event is not start)

    def close(self) -> None:
        """Close the loop. Its timers are removed from the environment, which can continue without it."""
        if self._closed:
            return
        super().close()
        keep(self._queue, lambda event: event.callbacks is not self._fire)
        if isinstance(self.env, VirtualEnvironment) and self.env.loop is self:
            self.env.loop = None

    def abandon(self) -> None:
        """Stop the loop as a power cut would: pending tasks never continue, and no warning is issued.

        The loop is closed, so that nothing more can be scheduled. Then the coroutines of pending tasks are closed, the
        oldest first. Python cannot drop a coroutine without running its `finally` blocks: they run here, at a defined
        moment, up to their first `await` or call of the loop, and their exceptions are ignored.
        """
        pending = by_number(asyncio.all_tasks(self))
        self.close()
        switch_off(pending)
        self._stopped.clear()

    # ------------------------------------------------------------------------------------------ SimPy and asyncio

    wait = simpy_bridge.wait
    process = simpy_bridge.process


def run(main: Coroutine[Any, Any, T], env: simpy.Environment | None = None) -> T:
    """`asyncio.run` in virtual time: run `main` on a new loop, cancel remaining tasks, close the loop."""
    outer = asyncio._get_running_loop()
    if outer is not None and not isinstance(outer, SimLoop):
        asyncio._set_running_loop(None)  # a loop with the machine's clock, as in a notebook
    runner = asyncio.Runner(loop_factory=lambda: SimLoop(env))
    try:
        result = runner.run(main)
    except Livelock:
        loop = runner.get_loop()
        assert isinstance(loop, SimLoop)
        loop.abandon()  # closing the runner would run what spins again
        raise
    except BaseException:
        runner.close()
        raise
    else:
        runner.close()
        return result
    finally:
        asyncio._set_running_loop(outer)

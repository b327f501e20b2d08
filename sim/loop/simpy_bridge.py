"""Coroutines wait for SimPy events, and SimPy processes wait for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from heapq import heappush
from typing import Any

from simpy.events import Event
from simpy.resources.container import ContainerGet
from simpy.resources.resource import PriorityRequest, Request
from simpy.resources.store import PriorityStore, StoreGet

from recovery.errors import RecoveryBenchError
from sim.loop.base import LoopBase


async def wait(loop: LoopBase, event: Event) -> Any:
    """Wait for a SimPy event in a coroutine: `await loop.wait(env.timeout(3))`.

    Returns the event's value, or raises the exception with which it failed. When the wait is cancelled, a pending
    request of a resource, container or store is withdrawn; one that was granted at the same instant is released. A task
    that loses a `PreemptiveResource` is cancelled: `error.args[0]` of its CancelledError is SimPy's `Preempted`. Raises
    ValueError for an object that is not an event of this loop's environment.
    """
    if getattr(event, "env", None) is not loop.env:
        raise ValueError(f"loop.wait() takes an event of the loop's own SimPy environment, not {event!r}")
    if isinstance(event, PriorityRequest) and event.proc is None:
        event.proc = TaskAsProcess(asyncio.current_task(loop))  # type: ignore[assignment]
    if event.callbacks is not None:
        future: asyncio.Future[None] = asyncio.Future(loop=loop)  # awaited below, in no set
        wake = WakeTask(loop, future)
        event.callbacks.append(wake)
        try:
            await future
        except BaseException as error:
            if event.callbacks is not None:
                event.callbacks.remove(wake)
            _withdraw(event, give_back=not isinstance(error, GeneratorExit))
            raise
    if event._ok:
        return event._value
    failure: BaseException = event._value
    raise failure.args[0] if isinstance(failure, RaisedInTask) else failure


class WakeTask:
    """The callback of an event that a coroutine waits for."""

    __slots__ = ("future", "loop")

    def __init__(self, loop: LoopBase, future: asyncio.Future[None]) -> None:
        self.loop, self.future = loop, future

    def wake(self) -> None:
        """Make the task ready, unless it waits no longer."""
        if not (self.future.done() or self.loop._closed):
            self.future.set_result(None)

    def __call__(self, event: Event) -> None:
        """Let the task go on at once, before the other callbacks of the event are called."""
        if not event._ok:
            event.defused = True
        loop = self.loop
        if not (self.future.done() or loop._closed):
            loop._awake = True  # the drain below handles it: SimPy need not start one
            self.future.set_result(None)
            advances, loop._advances = loop._advances, False  # other callbacks may wait for the same event
            try:
                loop._drain()
            finally:
                loop._advances = advances


def process(loop: LoopBase, awaitable: Awaitable[Any]) -> Event:
    """A SimPy event that fires with the result of a coroutine or future: `yield loop.process(work())`.

    It fails with the exception that the coroutine raised. As with every SimPy event, `env.run()` raises an exception
    that no process waits for. A cancellation is not a failure; a waiting process gets the CancelledError.
    """
    event = Event(loop.env)

    def done(future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            event.fail(asyncio.CancelledError())  # type: ignore[arg-type]
            event.defused = True
        elif (error := future.exception()) is not None:
            event.fail(RaisedInTask.carrying(error))
        else:
            event.succeed(future.result())

    asyncio.ensure_future(awaitable, loop=loop).add_done_callback(done)
    return event


class RaisedInTask(RecoveryBenchError):
    """Carries an exception into SimPy, which raises `type(error)(*error.args)`: this gives the original exception."""

    def __new__(cls, error: BaseException) -> Any:
        """The original exception instead of a copy, which would lack attributes that are not in `args`."""
        return error

    @classmethod
    def carrying(cls, error: BaseException) -> RaisedInTask:
        """A carrier, which SimPy makes the cause of the exception; it keeps the exception's own cause in the chain."""
        carrier: RaisedInTask = Exception.__new__(cls, error)
        carrier.__cause__ = error.__cause__
        return carrier

    def __str__(self) -> str:
        return f"raised in a coroutine: {self.args[0]!r}"


class TaskAsProcess:
    """The process of a request to a `PreemptiveResource` that a coroutine waits for."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self.task = task

    @property
    def is_alive(self) -> bool:
        """Whether the task is not done, as for a SimPy process."""
        return self.task is not None and not self.task.done()

    def interrupt(self, cause: object = None) -> None:
        """Cancel the task; the cause is the first argument of its CancelledError."""
        if self.task is not None:
            self.task.cancel(cause)


def _withdraw(event: Event, *, give_back: bool) -> None:
    """Withdraw a pending request whose task was cancelled, and release one that was granted at the same instant.

    A completed put remains. As in SimPy, nothing is released for a coroutine that is closed.
    """
    if not event.triggered:
        if hasattr(event, "cancel"):
            event.cancel()
            event.cancel = _nothing  # `with resource.request()` cancels it again on exit
    elif not (give_back and event._ok):
        return
    elif isinstance(event, Request):
        event.resource.release(event)
    elif isinstance(event, StoreGet):
        store: Any = event.resource
        if isinstance(store, PriorityStore):
            heappush(store.items, event._value)
        else:
            store.items.insert(0, event._value)
        store._trigger_get(None)
    elif isinstance(event, ContainerGet):
        container: Any = event.resource
        container._level += event.amount
        container._trigger_get(None)


def _nothing() -> None:
    pass

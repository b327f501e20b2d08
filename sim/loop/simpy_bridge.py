"""What passes between coroutines and SimPy's events, in both directions."""

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

    Returns its value, or raises what it failed with. When the wait is cancelled, a request that stands in the queue of
    a resource, container or store is withdrawn; one that was granted in the same instant is given back. A task that
    loses a `PreemptiveResource` is cancelled: `error.args[0]` of its CancelledError is SimPy's `Preempted`. Raises
    ValueError for what is no event of this loop's environment.
    """
    if getattr(event, "env", None) is not loop.env:
        raise ValueError(f"loop.wait() takes an event of the loop's own SimPy environment, not {event!r}")
    if isinstance(event, PriorityRequest) and event.proc is None:
        event.proc = TaskAsProcess(asyncio.current_task(loop))  # type: ignore[assignment]
    if event.callbacks is not None:
        future = loop.create_future()

        def fire(fired: Event) -> None:
            if not fired._ok:
                fired.defused = True
            if not (future.done() or loop._closed):
                loop._awake = True  # the drain below takes it: no need to ask SimPy for one
                future.set_result(None)
                advances, loop._advances = loop._advances, False  # others may wait for the same event
                try:
                    loop._drain()
                finally:
                    loop._advances = advances

        event.callbacks.append(fire)
        try:
            await future
        except BaseException as error:
            if event.callbacks is not None:
                event.callbacks.remove(fire)
            _withdraw(event, give_back=not isinstance(error, GeneratorExit))
            raise
    if event._ok:
        return event._value
    failure: BaseException = event._value
    raise failure.args[0] if isinstance(failure, RaisedInTask) else failure


def process(loop: LoopBase, awaitable: Awaitable[Any]) -> Event:
    """A SimPy event that fires with the outcome of a coroutine or future: `yield loop.process(work())`.

    It fails with the very error that the coroutine raised. As ever in SimPy, `env.run()` raises an error for which
    nobody waits. Cancelled is no failure; who waits for it gets the CancelledError.
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
    """Carries an error into SimPy, which raises `type(error)(*error.args)`: rebuilt, this is the error itself."""

    def __new__(cls, error: BaseException) -> Any:
        """The error, as it was raised: not a copy that has lost what its `args` do not tell."""
        return error

    @classmethod
    def carrying(cls, error: BaseException) -> RaisedInTask:
        """A carrier, which SimPy makes the cause of the error; so it keeps the error's own cause in the chain."""
        carrier: RaisedInTask = Exception.__new__(cls, error)
        carrier.__cause__ = error.__cause__
        return carrier

    def __str__(self) -> str:
        return f"raised in a coroutine: {self.args[0]!r}"


class TaskAsProcess:
    """What a `PreemptiveResource` takes for the process behind the request that a coroutine waits for."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self.task = task

    @property
    def is_alive(self) -> bool:
        """As a SimPy process has it."""
        return self.task is not None and not self.task.done()

    def interrupt(self, cause: object = None) -> None:
        """Cancel the task; the cause is the first argument of its CancelledError."""
        if self.task is not None:
            self.task.cancel(cause)


def _withdraw(event: Event, *, give_back: bool) -> None:
    """Leave no request in a queue whose waiter was cancelled, and give back what was granted in the same instant.

    A put that has taken place stays. A coroutine that is closed gives nothing back, as in SimPy.
    """
    if not event.triggered:
        if hasattr(event, "cancel"):
            event.cancel()
            event.cancel = _nothing  # `with resource.request()` cancels it once more on exit
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

"""Order without memory addresses: what asyncio keeps in sets has the same order in every run.

asyncio keeps tasks, futures, coroutines and asynchronous generators in sets. These iterate in the order of hashes,
which are memory addresses unless the class defines others. On a `SimLoop`

- tasks and futures hash by a number of their loop. Tasks of a custom factory do as well: a class that inherits the
  hash of `object` gets another one, and `asyncio.Task`, whose hash cannot be replaced, is exchanged for
  `sim.loop.handles.Task` while the factory runs;
- asynchronous generators are closed at shutdown in the order in which they were started.

Three changes of asyncio apply to the whole process, from the import of `sim.loop` on. On other event loops they have no
effect but the order: `asyncio.wait` and `asyncio.as_completed` take their argument in its order, where they built a
set, `asyncio.all_tasks` collects tasks in the order in which they were created, and `asyncio.eager_task_factory`, which
libraries call themselves, makes tasks with a number of their loop.

What remains: instances of `asyncio.Future` that a program creates without `loop.create_future()`, and tasks of a
factory that has its own reference to `asyncio.Task` (`from asyncio import Task`). They hash by address in sets of the
program.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from functools import partial
from types import CodeType, FrameType
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from sim.loop.base import LoopBase
from sim.loop.handles import Task, number_hash

T = TypeVar("T")
_plain_task: Final = asyncio.Task
_eager_task_factory: Any = getattr(asyncio, "eager_task_factory", None)  # from Python 3.12 on


class Future(asyncio.Future[T]):
    """A future that hashes by its number, so that sets of futures have the same order in every run."""

    __slots__ = ("number",)
    number: int
    __hash__ = number_hash


def future_maker(
    loop: LoopBase,
    caller: Callable[[int], FrameType] = sys._getframe,
    sleep: CodeType = asyncio.tasks.sleep.__code__,
    locks: dict[str, Any] = vars(asyncio.locks),  # noqa: B008 - as a local variable it is read faster
    queues: dict[str, Any] = vars(asyncio.queues),  # noqa: B008 - as above
) -> Callable[[], asyncio.Future[Any]]:
    """The `create_future` of a loop. Futures hash by number, except those that asyncio creates and awaits at once.

    Futures of `asyncio.sleep`, locks and queues are in no set, and asyncio awaits instances of its own class faster.
    """
    plain, numbered = partial(asyncio.Future, loop=loop), partial(Future, loop=loop)

    def create_future() -> asyncio.Future[Any]:
        frame = caller(1)
        if frame.f_code is sleep or (names := frame.f_globals) is locks or names is queues:
            return plain()
        return numbered()

    return create_future


class StartedGenerators(WeakKeyDictionary[AsyncGenerator[Any, Any], None]):
    """The asynchronous generators of a loop in the order in which they were started; asyncio has a `WeakSet`."""

    def add(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Add a generator, as the last."""
        self[generator] = None

    def discard(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Remove a generator, if it is there."""
        self.pop(generator, None)


class _OrderedData(dict[Hashable, None]):
    """What a `WeakSet` keeps its references in: a set that iterates in the order of insertion."""

    __slots__ = ()
    add = dict.setdefault

    def discard(self, reference: Hashable) -> None:
        self.pop(reference, None)


def _set_in_order(items: Iterable[T] | None = None) -> set[T] | dict[T, None]:
    """In place of `set` in asyncio's module of tasks: a set of given items iterates in the order of the items."""
    return set() if items is None else dict.fromkeys(items)


def _keep_order_in_asyncio() -> None:
    tasks: Any = asyncio.tasks
    tasks.set = _set_in_order
    for name in ("_all_tasks", "_scheduled_tasks"):  # of Python 3.11; from 3.12 on
        known: Any = getattr(tasks, name, None)
        if hasattr(known, "data"):
            known.data = _OrderedData.fromkeys(known.data)
    number_classes_of(tasks._GatheringFuture)
    if _eager_task_factory is not None:
        _eager_task_factory.__closure__[0].cell_contents = _eager_task


def number_classes_of(kind: type) -> None:
    """Let the instances of a class of futures hash by number, if they hash by address and the class can be changed."""
    changed: Any = kind
    if changed.__hash__ is object.__hash__ and kind is not _plain_task:
        changed.__hash__ = number_hash


def _eager_task(coro: Any, *, loop: Any, name: Any = None, **options: Any) -> Any:
    """The task that `asyncio.eager_task_factory` makes, also where a program calls it without the loop."""
    if not isinstance(loop, LoopBase):
        return _plain_task(coro, loop=loop, name=name, **options)
    number, loop._made_number = loop._made_number, None
    if number is None:
        number = next(loop._task_numbers)
    task: Task[Any] = Task.__new__(Task)
    task.number = number  # before it runs, which it does in its __init__
    task.__init__(coro, loop=loop, name=f"Task-{number}" if name is None else str(name), **options)  # type: ignore[misc]
    return task


def makes_eager_tasks(factory: Any) -> bool:
    """Whether a task factory is `asyncio.eager_task_factory` or equal to it."""
    return factory is not None and _constructor(factory) in (_plain_task, _eager_task)


def prepare_factory(factory: Any) -> None:
    """Number the class of an eager factory's tasks before the first of them runs, which it does at its creation."""
    constructor = _constructor(factory)
    if isinstance(constructor, type) and issubclass(constructor, _plain_task):
        number_classes_of(constructor)


def _constructor(factory: Any) -> Any:
    """What a factory of `asyncio.create_eager_task_factory` makes its tasks with; None for another factory."""
    if _eager_task_factory is None or getattr(factory, "__code__", None) is not _eager_task_factory.__code__:
        return None
    return factory.__closure__[0].cell_contents


def made_by_factory(loop: LoopBase, make: Callable[[], Any], number: int) -> Any:
    """The task that `make`, the call of a custom factory, returns; its number is its hash where that is possible."""
    tasks: Any = asyncio.tasks
    outer = asyncio.Task, tasks.Task
    asyncio.Task = tasks.Task = Task  # type: ignore[misc]
    loop._made_number = number
    try:
        task = make()
    finally:
        asyncio.Task, tasks.Task = outer  # type: ignore[misc]
        loop._made_number = None
    if isinstance(task, _plain_task):
        number_classes_of(type(task))
        if not hasattr(task, "number"):
            task.number = number  # type: ignore[attr-defined]
    return task


_keep_order_in_asyncio()

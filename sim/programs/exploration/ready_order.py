"""What is ready at an instant, with a choice of what runs next.

`ReadyOrder` takes the place of the queue of ready callbacks in an event loop. Entries are grouped as asyncio and a real
network allow them to be reordered:

- a step of a task may run before or after a step of another task: the await before it has taken a little less or more
  time;
- timers that are due at the same instant may fire in any order, and so may results of `to_thread` and
  `run_in_executor` arrive;
- callbacks of `call_soon` keep their order among each other, which asyncio's documentation guarantees.

The wake-up of a sleeper makes a task ready and changes nothing else. It is not a choice where it is the first entry.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from recovery.errors import RecoveryBenchError
from sim.loop.executor import settle

wake_sleeper: Final = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]
_STEPS: Final = frozenset({"task_wakeup", "__step", "__wakeup", "_Task__step", "_Task__wakeup"})
_Timer: Final = asyncio.TimerHandle


class _Nothing:
    """Stands for an entry that was canceled: the loop skips it."""

    _cancelled = True
    _callback = None


_NOTHING: Final = _Nothing()


class TooLong(RecoveryBenchError):
    """Ends a run, and is not seen by users: it has more steps than allowed, or has passed the limit of virtual time."""


class Chooser(Protocol):
    """Decides what runs next."""

    def __call__(self, entries: Sequence[Any], number: int) -> int:
        """The place of one of at least two `entries`, the first to be ready first. Choices are numbered from 0."""


class ExecutorJob:
    """A function of `run_in_executor` that has not run yet."""

    def __init__(self, call: Callable[[], asyncio.Future[Any]], future: asyncio.Future[Any]) -> None:
        self._call = call
        self._future = future

    def __call__(self) -> None:
        """Run the function, unless its future was canceled."""
        if self._future.cancelled():
            return
        try:
            self._call().add_done_callback(self._settle)
        except Exception as error:  # noqa: BLE001 - the arguments are invalid, or the executor is shut down
            self._future.set_exception(error)

    def _settle(self, done: asyncio.Future[Any]) -> None:
        if self._future.cancelled():
            done.exception()
        elif (error := done.exception()) is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(done.result())


def stepping_task(callback: Any) -> asyncio.Task[Any] | None:
    """The task of which this callback runs a step."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task) and getattr(callback, "__name__", "__step") in _STEPS:
        return owner
    return None


def _is_step(callback: Any, cache: dict[type, bool | None]) -> bool:
    kind = type(callback)
    known = cache.get(kind)
    if known is None and kind not in cache:
        if kind.__name__ == "TaskStepMethWrapper":
            known = cache[kind] = True
        elif not hasattr(callback, "__self__"):
            known = cache[kind] = False
        else:
            cache[kind] = None
    return stepping_task(callback) is not None if known is None else known


class ReadyOrder:
    """A queue of ready handles. `popleft` asks `choose` which one runs next, if there are several.

    The choice 0 is asyncio's own order, first in, first out. `picks` and `sizes` are the choices made and the numbers
    of entries to choose from.
    """

    __slots__ = (
        "_behind",
        "_cancellable",
        "_clock",
        "_heads",
        "_kinds",
        "_last",
        "_max_steps",
        "_max_time",
        "_numbers",
        "_plain",
        "choose",
        "picks",
        "sizes",
        "steps",
        "wrap",
    )

    def __init__(self, choose: Chooser, clock: Any, max_steps: int, max_time: float) -> None:
        self.choose: Chooser | None = choose
        self.wrap: Callable[[Any, Sequence[Any]], Any] | None = None  # for a run with a trace
        self.picks: list[int] = []
        self.sizes: list[int] = []
        self.steps = 0
        self._clock = clock  # the environment of the loop
        self._max_steps = max_steps
        self._max_time = max_time
        self._heads: list[Any] = []  # what may run next, the first to be ready first
        self._numbers: list[int] = []  # the numbers of these entries, which increase
        self._behind: deque[tuple[int, Any]] = deque()  # callbacks after the one in `_heads`
        self._plain: Any = None  # the callback in `_heads` that is no step and no timer
        self._last = 0
        self._cancellable = 0  # entries in `_heads` that a program may cancel
        self._kinds: dict[type, bool | None] = {}

    def __len__(self) -> int:
        return len(self._heads) + len(self._behind)

    def __iter__(self) -> Iterator[Any]:
        yield from self._heads
        for _, handle in self._behind:
            yield handle

    def append(self, handle: Any) -> None:
        """Add what has become ready. What is canceled already is left out: the loop has such entries of its own."""
        if handle._cancelled:
            return
        self._last = number = self._last + 1
        callback = handle._callback
        if not _is_step(callback, self._kinds):
            if isinstance(handle, _Timer) or callback is settle or isinstance(callback, ExecutorJob):
                self._cancellable += 1
            elif self._plain is not None:
                self._behind.append((number, handle))
                return
            else:
                self._plain = handle
                self._cancellable += 1
        self._heads.append(handle)
        self._numbers.append(number)

    def clear(self) -> None:
        """Remove everything."""
        self._heads.clear()
        self._numbers.clear()
        self._behind.clear()
        self._plain, self._cancellable = None, 0

    def popleft(self) -> Any:
        """What runs next. Raises TooLong."""
        heads = self._heads
        if self._cancellable:
            place = 0
            while place < len(heads):
                if heads[place]._cancelled:
                    self._take(place)
                else:
                    place += 1
        size = len(heads)
        if not size:
            return _NOTHING
        self.steps += 1
        if self.steps > self._max_steps or self._clock._now > self._max_time:
            raise TooLong
        pick = 0
        if size > 1 and self.choose is not None and heads[0]._callback is not wake_sleeper:
            pick = self.choose(heads, len(self.picks))
            if pick >= size:
                pick = size - 1
            self.picks.append(pick)
            self.sizes.append(size)
        wrap = self.wrap
        if wrap is None:
            return self._take(pick)
        passed = heads[:pick]
        return wrap(self._take(pick), passed)

    def _take(self, place: int) -> Any:
        handle = self._heads.pop(place)
        del self._numbers[place]
        if self._cancellable:
            if handle is self._plain:
                self._cancellable -= 1
                self._promote()
            elif not _is_step(handle._callback, self._kinds):
                self._cancellable -= 1
        return handle

    def _promote(self) -> None:
        """The next callback of `call_soon` may run."""
        if not self._behind:
            self._plain = None
            return
        number, self._plain = self._behind.popleft()
        place = bisect_left(self._numbers, number)
        self._numbers.insert(place, number)
        self._heads.insert(place, self._plain)
        self._cancellable += 1

"""Writes to a store over a connection: they take time, and some are lost, torn or stored after a later one."""

from __future__ import annotations

import asyncio
import inspect
import random  # noqa: TID251 - generators with a seed
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sim.loop import SimLoop
from sim.programs.durable import Durable, Survives
from sim.programs.frameworks.arguments import probability, seconds, seed_number
from sim.programs.frameworks.errors import InvalidFault

Store = Callable[[], Any]
"""Stores a write. May return an awaitable."""
StorePart = Callable[[random.Random], Any]
"""Stores a part of a write, drawn from the generator. May return an awaitable."""
_UNSYNCED: Final = frozenset({Survives.TORN, Survives.KEPT})
_NONE_LEFT: Final[frozenset[Survives]] = frozenset()


@dataclass(eq=False, slots=True)
class _Write:
    """A write that is not stored, and what becomes of it."""

    whole: Store
    part: StorePart
    is_lost: bool
    is_torn: bool
    is_late: bool
    source: random.Random

    def stored(self) -> Any:
        """Store what is stored of it."""
        if self.is_lost:
            return None
        return self.part(self.source) if self.is_torn else self.whole()


class UnreliableWrites:
    """How the writes of a program reach a store on another machine.

    A write is stored half of its `latency` after the call, and acknowledged after the other half. `latency` is in
    seconds; a pair `(low, high)` is uniform between the two, so that concurrent writes overtake each other. With the
    probability `lost`, a write is acknowledged and not stored; with `torn`, only a part of it is stored; with
    `reordered`, it is acknowledged in time and stored after the next write, or before the next read if that is
    earlier. What becomes of the n-th write depends on `seed` and n alone.

    As a part of `durable`, it takes part in power cuts: writes that are not stored are lost, stored, or, with `torn`,
    stored in part. Without `torn`, each write is atomic.
    """

    def __init__(
        self,
        durable: Durable | None = None,
        *,
        latency: float | tuple[float, float] = 0.0,
        lost: float = 0.0,
        torn: float = 0.0,
        reordered: float = 0.0,
        seed: int = 0,
    ) -> None:
        if durable is not None and not isinstance(durable, Durable):
            raise InvalidFault(f"durable={durable!r}: must be a sim.Durable")
        self._latency = _range_of(latency)
        self._lost = probability("lost", lost)
        self._torn = probability("torn", torn)
        self._reordered = probability("reordered", reordered)
        self._seed = seed_number("seed", seed)
        self._writes = self._reads = 0
        self._waiting: list[_Write] = []  # not stored, in the order in which they were sent
        self._late: list[_Write] = []  # of these, those that are stored after the next one
        if durable is not None:
            durable.add(self)

    async def write(self, whole: Store, part: StorePart) -> None:
        """Send a write, and wait until it is acknowledged."""
        write, latency = self._send(whole, part)
        await asyncio.sleep(latency / 2)
        for each in self._arrive(write):
            stored = each.stored()
            if inspect.isawaitable(stored):
                await stored
        await asyncio.sleep(latency / 2)

    def write_now(self, whole: Store, part: StorePart) -> None:
        """As `write`, for a call that is not asynchronous: no time passes."""
        for each in self._arrive(self._send(whole, part)[0]):
            _complete(each.stored())

    async def before_read(self) -> None:
        """Wait half as long as a read takes, and store what was held back."""
        self._reads += 1
        await asyncio.sleep(self._drawn_latency(self._source("read", self._reads)) / 2)
        for each in self._released():
            stored = each.stored()
            if inspect.isawaitable(stored):
                await stored

    async def after_read(self) -> None:
        """Wait for the answer of the last read."""
        await asyncio.sleep(self._drawn_latency(self._source("read", self._reads)) / 2)

    def before_read_now(self) -> None:
        """As `before_read`, for a call that is not asynchronous: no time passes."""
        for each in self._released():
            _complete(each.stored())

    # --------------------------------------------------------------------------------------------- power cuts

    def unsynced(self) -> frozenset[Survives]:
        """The ways in which a power cut may end that differ from `LOST` at this moment; none if all is stored."""
        return _UNSYNCED if any(not each.is_lost for each in self._waiting) else _NONE_LEFT

    def cut_power(self, survives: Survives, source: random.Random) -> None:
        """Store what survives of the writes that are not stored, and forget the others."""
        waiting, self._waiting, self._late = self._waiting, [], []
        for write in waiting:
            if survives is Survives.TORN:
                end = source.choice((Survives.LOST, Survives.KEPT, *((Survives.TORN,) if self._torn else ())))
                write.is_torn = write.is_torn or end is Survives.TORN
                write.is_lost = write.is_lost or end is Survives.LOST
            if survives in (Survives.TORN, Survives.KEPT):
                _complete(write.stored())

    # ------------------------------------------------------------------------------------------------- writes

    def _send(self, whole: Store, part: StorePart) -> tuple[_Write, float]:
        self._writes += 1
        source = self._source("write", self._writes)
        is_lost, is_torn, is_late = (source.random() < each for each in (self._lost, self._torn, self._reordered))
        latency = self._drawn_latency(source)
        write = _Write(whole, part, is_lost, is_torn, is_late, source)
        self._waiting.append(write)
        return write, latency

    def _arrive(self, write: _Write) -> list[_Write]:
        """The writes that are stored when this one arrives, in their order."""
        if write.is_late:
            late, self._late = self._late, [write]
            return self._no_longer_waiting(late)
        self._waiting.remove(write)
        return [write, *self._released()]

    def _released(self) -> list[_Write]:
        late, self._late = self._late, []
        return self._no_longer_waiting(late)

    def _no_longer_waiting(self, writes: list[_Write]) -> list[_Write]:
        self._waiting = [each for each in self._waiting if each not in writes]
        return writes

    def _drawn_latency(self, source: random.Random) -> float:
        low, high = self._latency
        return low if low == high else source.uniform(low, high)

    def _source(self, kind: str, number: int) -> random.Random:
        return random.Random(f"{self._seed}/{kind}/{number}")  # noqa: S311 - reproducible


def _range_of(latency: Any) -> tuple[float, float]:
    if not isinstance(latency, tuple | list):
        return (seconds("latency", latency),) * 2
    if len(latency) != 2:
        raise InvalidFault(f"latency={latency!r}: must be a number of seconds, or a pair of them: (low, high)")
    low, high = (seconds("latency", each) for each in latency)
    if low > high:
        raise InvalidFault(f"latency={latency!r}: the first number must not be above the second")
    return low, high


def _complete(stored: Any) -> None:
    """Run what stores a write asynchronously to its end, on a loop of its own."""
    if not inspect.isawaitable(stored):
        return
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            runner.run(_awaited(stored))
    finally:
        asyncio._set_running_loop(running)


async def _awaited(stored: Awaitable[Any]) -> None:
    await stored

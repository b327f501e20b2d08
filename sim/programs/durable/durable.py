"""The durable things of a program, in one object."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - generators with a seed
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

from sim.programs.durable.database import Database
from sim.programs.durable.files import Disk, File
from sim.programs.durable.loss import Part, Survives
from sim.programs.durable.outbox import Outbox
from sim.programs.durable.queue import DurableQueue
from sim.programs.durable.store import KeyValueStore

P = TypeVar("P")
_listeners: list[list[Durable]] = []


class Durable:
    """What survives a power cut of a program, and what the program has caused outside.

    Each part is created when it is first asked for, and has a name. `latency` is the virtual time of each operation, in
    seconds, half of it before the operation takes effect. Values are copied, so that nothing is shared with the memory
    of the program.
    """

    def __init__(self, *, latency: float = 0.0) -> None:
        if not latency >= 0:
            raise ValueError(f"latency={latency!r}: must be 0 seconds or more")
        self._latency = latency
        self._effects: Counter[str] = Counter()
        self._answered: dict[tuple[str, str], int] = {}
        self._parts: dict[tuple[str, str], Any] = {}
        for each in _listeners:
            each.append(self)

    # ------------------------------------------------------------------------------------------------- parts

    def store(self, name: str = "store", *, synced: bool = True) -> KeyValueStore:
        """The key-value store of this name. Without `synced`, writes are durable after the next `sync()`."""
        return self._part(KeyValueStore, name, lambda: KeyValueStore(self._pause, synced=synced))

    def disk(self, name: str = "disk") -> Disk:
        """The folder of this name."""
        return self._part(Disk, name, lambda: Disk(self._pause))

    def file(self, name: str) -> File:
        """The file of this name in the folder `disk()`."""
        return self.disk().file(name)

    def queue(self, name: str = "queue", *, visibility: float = 30.0) -> DurableQueue:
        """The queue of this name, which delivers a message again that is not acknowledged for `visibility` seconds."""
        return self._part(DurableQueue, name, lambda: DurableQueue(self._pause, visibility=visibility))

    def outbox(self, name: str = "outbox", *, store: str = "store") -> Outbox:
        """The outbox of this name, whose messages are in the store of the name `store`."""
        return Outbox(self.store(store), name)

    def database(self, name: str = "state.db") -> Database:
        """The SQLite database of this name."""
        return self._part(Database, name, lambda: Database(name))

    def add(self, part: Part) -> None:
        """Let a part of your own take part in power cuts: an object with the methods of `Part`."""
        missing = [name for name in ("unsynced", "cut_power") if not callable(getattr(part, name, None))]
        if missing:
            raise TypeError(f"part={part!r}: has no method {' and no method '.join(missing)}")
        self._parts["", f"{len(self._parts)}"] = part

    def _part(self, kind: type[P], name: str, make: Any) -> P:
        key = (kind.__name__, name)
        if key not in self._parts:
            self._parts[key] = make()
        part: P = self._parts[key]
        return part

    # ----------------------------------------------------------------------------------------------- effects

    @property
    def effects(self) -> Mapping[str, int]:
        """How often each effect has happened."""
        return MappingProxyType(self._effects)

    def effect(self, name: str) -> int:
        """Something has happened outside that cannot be undone: a charge, a mail. Returns how often it has happened."""
        self._effects[name] += 1
        return self._effects[name]

    async def request(self, name: str, *, idempotency_key: str | None = None) -> int:
        """Cause an effect by a request to another machine, and wait for its answer: how often it has happened.

        The effect happens while the program waits. With an idempotency key that it had before, the other machine
        repeats its answer and nothing happens.
        """
        await self._pause()
        known = (name, idempotency_key) if idempotency_key is not None else None
        answer = self._answered.get(known) if known is not None else None
        if answer is None:
            answer = self.effect(name)
            if known is not None:
                self._answered[known] = answer
        await self._pause()
        return answer

    # --------------------------------------------------------------------------------------------- power cuts

    def unsynced(self) -> frozenset[Survives]:
        """The ways in which a power cut may end that differ from `LOST` at this moment; none if all is synced."""
        parts: list[Part] = [*self._parts.values()]
        return frozenset().union(*(part.unsynced() for part in parts))

    def cut_power(self, survives: Survives = Survives.TORN, source: random.Random | int = 0) -> None:
        """Lose what is not synced, and continue with what survives. A crash sweep calls it at each cut."""
        drawn = random.Random(source) if isinstance(source, int) else source  # noqa: S311 - reproducible
        for part in self._parts.values():
            part.cut_power(survives, drawn)

    async def _pause(self) -> None:
        await asyncio.sleep(self._latency / 2)


@contextmanager
def created() -> Iterator[list[Durable]]:
    """Yields the list of all `Durable` objects that are created within the block."""
    found: list[Durable] = []
    _listeners.append(found)
    try:
        yield found
    finally:
        _listeners[:] = [each for each in _listeners if each is not found]

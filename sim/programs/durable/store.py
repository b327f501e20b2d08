"""A key-value store."""

from __future__ import annotations

import random  # noqa: TID251 - generators with a seed
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from sim.programs.durable.loss import Survives

Pause = Callable[[], Awaitable[None]]
_DELETED: Final = object()
_NONE_LEFT: Final[frozenset[Survives]] = frozenset()
_PREFIX: Final = frozenset({Survives.TORN, Survives.KEPT})


class KeyValueStore:
    """A key-value store of which each write is atomic.

    With `synced`, which is the default, a write is durable when its await returns. Without, it is durable after the
    next `sync()`: a power cut may lose the last writes, in order and each as a whole.

    Each operation has an await before it takes effect and another one after it. Values are copied.
    """

    def __init__(self, pause: Pause, *, synced: bool = True) -> None:
        self._pause = pause
        self._synced = synced
        self._durable: dict[Any, Any] = {}
        self._writes: list[dict[Any, Any]] = []

    async def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key."""
        await self._pause()
        return deepcopy(self._now().get(key, default))

    async def items(self) -> dict[Any, Any]:
        """All keys and values."""
        await self._pause()
        return deepcopy(self._now())

    async def put(self, key: Any, value: Any) -> None:
        """Set the value of a key."""
        await self.write({key: value})

    async def delete(self, key: Any) -> None:
        """Remove a key, if it is there."""
        await self.write({key: _DELETED})

    async def write(self, values: Mapping[Any, Any]) -> None:
        """Set several keys at once: a power cut leaves all of the values or none."""
        copied = {key: value if value is _DELETED else deepcopy(value) for key, value in values.items()}
        await self._pause()
        self._writes.append(copied)
        if self._synced:
            self._flush()
        await self._pause()

    async def put_if(self, key: Any, value: Any, *, is_now: Any) -> bool:
        """Set the value of a key if it is equal to `is_now`, and return whether it was. None stands for no value."""
        copied = deepcopy(value)
        await self._pause()
        same = bool(self._now().get(key) == is_now)
        if same:
            self._writes.append({key: copied})
            if self._synced:
                self._flush()
        await self._pause()
        return same

    async def sync(self) -> None:
        """Make all writes durable."""
        await self._pause()
        self._flush()
        await self._pause()

    def __getitem__(self, key: Any) -> Any:
        """The value of a key, without an await: for a check. Raises KeyError."""
        return deepcopy(self._now()[key])

    def __contains__(self, key: object) -> bool:
        return key in self._now()

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return f"<KeyValueStore {self._now()!r}>"

    def _now(self) -> dict[Any, Any]:
        if not self._writes:
            return self._durable
        now = dict(self._durable)
        for write in self._writes:
            _apply(now, write)
        return now

    def _flush(self) -> None:
        for write in self._writes:
            _apply(self._durable, write)
        self._writes.clear()

    def unsynced(self) -> frozenset[Survives]:
        """The ways in which a power cut may end that differ from `LOST` at this moment; none if all is synced."""
        return _PREFIX if self._writes else _NONE_LEFT

    def cut_power(self, survives: Survives, source: random.Random) -> None:
        """Continue with what survives."""
        if survives is Survives.TORN:
            del self._writes[source.randint(0, len(self._writes)) :]
        elif survives is not Survives.KEPT:
            self._writes.clear()
        self._flush()


def _apply(values: dict[Any, Any], write: Mapping[Any, Any]) -> None:
    for key, value in write.items():
        if value is _DELETED:
            values.pop(key, None)
        else:
            values[key] = value

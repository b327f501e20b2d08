"""The memory of a program whose power was cut: none of its code runs again, and the memory is released.

Python closes a suspended coroutine when it is dropped, and so runs its `finally` and `except` blocks, which a power cut
does not. CPython decides by one byte of the coroutine, the state of its frame, whether there is anything to close.
`make_inert` sets it to "completed": the coroutine cannot be resumed, and dropping it only releases what it refers to.
Coroutines, generators and asynchronous generators of the program are found by the references from its loop, among the
objects that were created since the last collection of the youngest generation.

The place of the byte is not documented. It is found, and tested, on coroutines made for that purpose when it is first
needed. Where this does not succeed, as on another implementation of Python, the memory of cut programs is kept.

What still runs when the memory is released, after the check: `__del__` methods, and callbacks of weak references.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import types
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from gc import collect
from typing import Any, Final

SUSPENDABLE: Final = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_CREATED, _SUSPENDED, _COMPLETED, _CLEARED = (-3, -2), (-2, -1), 1, 4
_HEADER: Final = object.__basicsize__
_kept: Final[list[object]] = []
"""Suspended code that cannot be made inert, kept for as long as Python runs."""


def make_inert(roots: Iterable[object]) -> list[Any]:
    """Make every suspended coroutine and generator inert that these objects refer to, and return them.

    SQLite connections among what they refer to are closed, and so roll back what is not committed. Only objects of the
    youngest generation are considered: the caller ages, with `gc.collect(0)`, what is older than the program.
    """
    young = {id(each): each for each in gc.get_objects(generation=0)}
    reached = _reached(roots, young)
    suspended = [each for each in reached if isinstance(each, SUSPENDABLE) and _is_suspended(each)]
    offset = state_offset()
    for each in suspended:
        if offset is None:
            _keep_for_ever(each)
        else:
            ctypes.c_int8.from_address(id(each) + offset).value = _COMPLETED
    for each in reached:
        if asyncio.isfuture(each):
            _silence(each)
    if "sqlite3" in sys.modules:
        connection = sys.modules["sqlite3"].Connection
        for each in reached:
            if isinstance(each, connection):
                _close(each)
        for each in young.values():
            if isinstance(each, connection):  # of a pool that is older than the program
                roll_back(each)
    return suspended


def _reached(roots: Iterable[object], young: dict[int, Any]) -> list[Any]:
    """The objects of `young` that the roots refer to, which are removed from it."""
    reached: list[Any] = []
    level: list[Any] = [*roots]
    while level:
        level = [each for each in level if young.pop(id(each), None) is not None]
        reached += level
        level = gc.get_referents(*level)
    return reached


def _silence(future: Any) -> None:
    """Let a future report neither an exception that was not retrieved nor that it was pending."""
    with suppress(AttributeError):  # a future of a library
        future._log_traceback = False
        if hasattr(future, "get_coro"):
            future._log_destroy_pending = False


def release_memory() -> None:
    """Release the memory of programs that were cut, without the warnings of what they have left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        collect(1)


def roll_back(connection: Any) -> None:
    """Roll back what an SQLite connection has not committed."""
    sqlite3 = sys.modules["sqlite3"]
    with suppress(sqlite3.Error):  # it is closed, or belongs to another thread
        sqlite3.Connection.rollback(connection)


def _close(connection: Any) -> None:
    sqlite3 = sys.modules["sqlite3"]
    with suppress(sqlite3.Error):  # it belongs to another thread
        sqlite3.Connection.close(connection)


def _is_suspended(each: Any) -> bool:
    for kind in ("cr", "gi", "ag"):
        if hasattr(each, f"{kind}_running"):
            return not getattr(each, f"{kind}_running") and getattr(each, f"{kind}_frame") is not None
    return False


def _keep_for_ever(each: object) -> None:
    _kept.append(each)
    if sys.implementation.name == "cpython":
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))  # Python would close it at its own end


@cache
def state_offset() -> int | None:
    """The place of the frame's state in a coroutine or generator, in bytes; None where it is not found."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    offsets = _candidates()
    return offsets[0] if len(offsets) == 1 and _works(offsets[0]) else None


def _candidates() -> list[int]:
    probe = _probe([], object())
    size = type(probe).__basicsize__
    created = _bytes_of(probe, size)
    probe.send(None)
    suspended = _bytes_of(probe, size)
    probe.close()
    closed = _bytes_of(probe, size)
    return [
        place
        for place in range(_HEADER, size)
        if created[place] in _CREATED and suspended[place] in _SUSPENDED and closed[place] == _CLEARED
    ]


def _works(offset: int) -> bool:
    """Whether a coroutine whose state is set there runs nothing when it is dropped, and drops what it refers to."""
    ran: list[str] = []
    held = _Held()
    probe = _probe(ran, held)
    probe.send(None)
    before = sys.getrefcount(held)
    state = ctypes.c_int8.from_address(id(probe) + offset)
    state.value = _COMPLETED
    try:
        probe.send(None)
    except RuntimeError:  # cannot reuse already awaited coroutine
        pass
    except BaseException:  # noqa: BLE001 - it has continued: this is not the state
        return False
    del state, probe
    return not ran and sys.getrefcount(held) < before


class _Held:
    """Stands for what a program refers to."""


async def _probe(ran: list[str], held: object) -> None:
    try:
        await _pause()
    finally:
        ran.append(repr(held))


@types.coroutine
def _pause() -> Any:
    yield


def _bytes_of(each: object, size: int) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in ctypes.string_at(id(each), size)]

"""What a program keeps as durable, searched for objects that cannot survive a power cut: those of an event loop."""

from __future__ import annotations

import asyncio
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

import simpy

from sim.programs.durable import Durable

MOST_OBJECTS: Final = 20_000
"""Objects that are searched at most."""
_LOCKS: Final[Any] = asyncio.mixins._LoopBoundMixin
_OF_A_LOOP: Final[tuple[type, ...]] = (
    asyncio.AbstractEventLoop,
    asyncio.Future,
    asyncio.Handle,
    _LOCKS,
    asyncio.TaskGroup,
    asyncio.Timeout,
    asyncio.Runner,
    asyncio.StreamReader,
    asyncio.StreamWriter,
    asyncio.BaseTransport,
    types.CoroutineType,
    types.AsyncGeneratorType,
    simpy.Environment,
    simpy.Event,
)
_PLAIN: Final = (str, bytes, bytearray, int, float, complex, bool, type(None), type)
_OF_DURABLE: Final = frozenset(vars(Durable()))
"""What the library itself keeps in a `Durable`: an attribute of the program has another name."""
_DURABLE: Final = Durable.__module__.rpartition(".")[0]
"""The package of a `Durable` and its parts. A queue keeps who waits for a message, and forgets it at a cut."""
_CODE: Final = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)


def loop_object_in(durable: object) -> str | None:
    """The path of the first object of an event loop that `durable` refers to, and its type; None without one."""
    for path, each in _walk(durable):
        if isinstance(each, _OF_A_LOOP):
            kind = type(each)
            return f"{path} is {_article(kind.__name__)} ({kind.__module__}.{kind.__qualname__})"
    return None


def connections_in(durable: object) -> list[Any]:
    """The SQLite connections that `durable` refers to."""
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is None:
        return []
    return [each for _, each in _walk(durable) if isinstance(each, sqlite3.Connection)]


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _walk(durable: object) -> Iterator[tuple[str, object]]:
    """Objects that `durable` refers to, with their paths, those near to it first."""
    queue: deque[tuple[str, object]] = deque([("durable", durable)])
    seen = {id(durable)}
    for _ in range(MOST_OBJECTS):
        if not queue:
            return
        path, each = queue.popleft()
        yield path, each
        if isinstance(each, _OF_A_LOOP):
            continue
        for name, member in _members(each):
            if not isinstance(member, _PLAIN) and id(member) not in seen:
                seen.add(id(member))
                queue.append((f"{path}{name}", member))


def _members(each: Any) -> Iterator[tuple[str, object]]:
    """What an object contains, and its attributes."""
    if isinstance(each, types.MethodType):
        yield ".__self__", each.__self__
    elif isinstance(each, Durable):
        yield from ((f".{name}", value) for name, value in vars(each).items() if name not in _OF_DURABLE)
    elif not isinstance(each, (*_PLAIN, *_CODE)) and not type(each).__module__.startswith(_DURABLE):
        yield from _items(each)
        yield from _attributes(each)


def _items(each: Any) -> Iterator[tuple[str, object]]:
    if isinstance(each, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in list(each.items()))
    elif isinstance(each, list | tuple | deque):
        yield from ((f"[{place}]", value) for place, value in enumerate(list(each)))
    elif isinstance(each, set | frozenset):
        yield from (("{…}", value) for value in list(each))


def _attributes(each: Any) -> Iterator[tuple[str, object]]:
    attributes = getattr(each, "__dict__", None)
    if isinstance(attributes, dict):
        yield from ((f".{name}", value) for name, value in list(attributes.items()))
    for kind in type(each).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(each, name):
                yield f".{name}", getattr(each, name)

"""The clocks of the standard library on the clock of a `SimLoop`, for programs that do not ask their loop for the time.

The functions of `time`, and `now` and `today` of `datetime`, are replaced in their modules and in every module that has
imported them by name. They follow the loops of the thread that has entered `virtual_time`, unless a loop of another
kind runs there. All other threads have the machine's clock.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date as real_date
from datetime import datetime as real_datetime
from functools import wraps
from importlib.machinery import ExtensionFileLoader
from typing import Any, Final
from weakref import ref

from sim.loop.base import LoopBase
from sim.loop.event_loop import SimLoop

NANO: Final = 1_000_000_000
READINGS: Final = ("time", "monotonic", "perf_counter")
_real: Final = {name: getattr(time, name) for name in (*READINGS, *(f"{name}_ns" for name in READINGS), "sleep")}
_real_urandom: Final = os.urandom
_clocks: Final[list[VirtualClock]] = []
"""The clocks in force; the last one counts."""
_lock: Final = threading.Lock()
_TICK: Final = 2.0**-30  # seconds: about a nanosecond
_TEST_RUNNERS: Final = ("_pytest", "pytest", "xdist", "pluggy", "hypothesis", "coverage")
"""Packages that keep the machine's clock: they measure the tests themselves."""


class VirtualClock:
    """The time of the loops that run inside a `virtual_time`, one after another.

    `start` is the date of its beginning, in seconds since the start of 1970.
    """

    def __init__(self, start: float, source: random.Random | None) -> None:
        self.start = start
        self._tick = max(_TICK, 4 * math.ulp(start))
        self._thread = threading.get_ident()
        self._loop: Callable[[], LoopBase | None] = lambda: None  # the one that runs or has run last
        self._before = 0.0  # what had elapsed when its own time was 0
        self._elapsed = 0.0
        self._source = source

    @property
    def now(self) -> float:
        """Seconds since the beginning: the time of the loop that runs or has run last, after what elapsed before it."""
        loop = self._loop()
        if loop is not None:
            self._elapsed = self._before + loop.time()
        return self._elapsed

    @property
    def wall(self) -> float:
        """What `time.time()` reads: `start + now`, rounded up to a whole number of ticks.

        A tick is 2⁻³⁰ s, or more where floats of the size of `start` are further apart: about a microsecond since 1970.
        A real sleep always takes a little longer, so that programs expect to be past `time.time() + 0.1` after a sleep
        of 0.1 s. Whole, half and quarter seconds are exact.
        """
        return self.start + self._up(self.now)

    def _up(self, seconds: float) -> float:
        return math.ceil(seconds / self._tick) * self._tick

    def follow(self, loop: LoopBase) -> None:
        """Continue with the time of this loop, which begins to run, from a whole number of ticks."""
        if self._loop() is not loop and threading.get_ident() == self._thread:
            elapsed = self._up(self.now)
            self._before = elapsed - loop.time() if elapsed else 0.0
            self._loop = ref(loop)

    def sleep(self, seconds: float) -> None:
        """Block for so long: virtual time passes, and nothing else runs. Raises ValueError for a negative time."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        loop = asyncio._get_running_loop()
        if isinstance(loop, SimLoop):
            loop.block(seconds)
        else:
            self._elapsed = self.now + seconds
            self._before += seconds

    def restart(self, source: random.Random | None) -> None:
        """Begin again at `start`, with another source of `os.urandom`: for another run of the same program."""
        self._loop = lambda: None
        self._before = self._elapsed = 0.0
        self._source = source

    def random_bytes(self, size: int) -> bytes | None:
        """Bytes of the seeded source; None: there is none."""
        return None if self._source is None else self._source.randbytes(size)

    def is_ours(self) -> bool:
        """Whether this thread follows the clock."""
        loop = asyncio._get_running_loop()
        return threading.get_ident() == self._thread and (loop is None or isinstance(loop, SimLoop))


def _clock() -> VirtualClock | None:
    """The clock that this thread follows, if any."""
    clock = _clocks[-1] if _clocks else None
    return clock if clock is not None and clock.is_ours() else None


@contextmanager
def virtual_time(start: float | dt.datetime = 0.0, *, seed: int | str | None = None) -> Iterator[VirtualClock]:
    """Inside, `time.time`, `monotonic`, `perf_counter` (and their `_ns` forms), `time.sleep`, `datetime.now`, `utcnow`
    and `today`, and `date.today` follow the clock of the `SimLoop` that runs.

    `time.time()` begins at `start`: seconds since the start of 1970, or a date. It is rounded up to the next tick, as a
    real sleep takes a little longer than its deadline (`VirtualClock.wall`). Without a running loop only
    `time.sleep` moves the clock. Of several loops, each continues where the one before it has ended. Inside a loop,
    `time.sleep` blocks it, as usual: virtual time passes, and what was due meanwhile is late.

    With a `seed`, the functions of `random`, and `os.urandom`, `uuid.uuid4` and `secrets`, which use it, give the same
    values in every run; numpy has its own seeds. The state of `random` is restored at the end.

    It may be nested; the inner one counts. Other threads see the machine's clock, and so does a loop of another kind.
    Yields the clock: `clock.now`.
    """
    date = start.timestamp() if isinstance(start, real_datetime) else float(start)
    clock = VirtualClock(date, None if seed is None else random.Random(f"{seed}/os.urandom"))  # noqa: S311 - reproducible
    state, callers = random.getstate(), _globals_of_callers()
    if seed is not None:
        random.seed(f"{seed}/random")
    with _lock:
        running = asyncio._get_running_loop()
        if isinstance(running, SimLoop):
            clock.follow(running)
        SimLoop.followers.append(clock.follow)
        _clocks.append(clock)
        if len(_clocks) == 1:
            _replace(_FAKES, callers)
            for name, load in _LOADS.items():
                setattr(ExtensionFileLoader, name, _with_real_dates(load))
    try:
        yield clock
    finally:
        with _lock:
            SimLoop.followers.remove(clock.follow)
            _clocks.remove(clock)
            if not _clocks:
                for name, load in _LOADS.items():
                    setattr(ExtensionFileLoader, name, load)
                _replace({fake: real for real, fake in _PAIRS}, callers)
        if seed is not None:
            random.setstate(state)


# ----------------------------------------------------------------------------------------- what replaces the functions
def _reading(name: str, unit: int | None = None) -> Callable[[], Any]:
    real = _real[name if unit is None else f"{name}_ns"]

    def read() -> Any:
        clock = _clock()
        if clock is None:
            return real()
        seconds = clock.wall if name == "time" else clock.now
        return seconds if unit is None else round(seconds * unit)

    read.__name__ = read.__qualname__ = real.__name__
    read.__doc__ = real.__doc__
    return read


def _sleep(seconds: float) -> None:
    clock = _clock()
    if clock is None:
        _real["sleep"](seconds)
    else:
        clock.sleep(seconds)


def _urandom(size: int) -> bytes:
    clock = _clock()
    drawn = None if clock is None else clock.random_bytes(size)
    return _real_urandom(size) if drawn is None else drawn


class _Same(type):
    """The class of a class that takes the place of another one: what is an instance of that is an instance of this."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _IN_PLACE_OF[cls]) if cls in _IN_PLACE_OF else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _IN_PLACE_OF[cls]) if cls in _IN_PLACE_OF else super().__subclasscheck__(subclass)


class _ForPydantic:
    """Lets pydantic define models in virtual time, as modules do that are first imported there."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler.generate_schema(_IN_PLACE_OF[cls]) if cls in _IN_PLACE_OF else handler(source)


class _VirtualDate(_ForPydantic, real_date, metaclass=_Same):
    __doc__ = real_date.__doc__

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return real_date.__new__(_IN_PLACE_OF.get(cls, cls), *args, **kwargs)

    @classmethod
    def today(cls) -> Any:
        clock, of = _clock(), _IN_PLACE_OF.get(cls)
        if clock is None:
            return super().today() if of is None else of.today()
        return (cls if of is None else of).fromtimestamp(clock.start + clock.now)


class _VirtualDatetime(_ForPydantic, real_datetime, metaclass=_Same):
    __doc__ = real_datetime.__doc__

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return real_datetime.__new__(_IN_PLACE_OF.get(cls, cls), *args, **kwargs)

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        clock, of = _clock(), _IN_PLACE_OF.get(cls)
        if clock is None:
            return super().now(tz) if of is None else of.now(tz)
        return (cls if of is None else of).fromtimestamp(clock.start + clock.now, tz)

    @classmethod
    def today(cls) -> Any:
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(dt.UTC).replace(tzinfo=None)


_IN_PLACE_OF: Final[dict[type, Any]] = {_VirtualDate: real_date, _VirtualDatetime: real_datetime}
for _fake, _of in _IN_PLACE_OF.items():
    _fake.__name__, _fake.__qualname__, _fake.__module__ = _of.__name__, _of.__qualname__, _of.__module__


# ------------------------------------------------------------------------------------------------- where they are put
def _broken_down(name: str) -> Callable[..., Any]:
    """`time.gmtime` and the like, which take the present time where none is given."""
    real = getattr(time, name)

    def call(seconds: float | None = None) -> Any:
        clock = _clock()
        return real(clock.start + clock.now if seconds is None and clock is not None else seconds)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = real.__doc__
    return call


def _strftime(form: str, *given: Any) -> str:
    return _real_strftime(form, *(given or (time.localtime(),)))


_real_strftime: Final = time.strftime
_PAIRS: Final[list[tuple[Any, Any]]] = [
    *((_real[name], _reading(name)) for name in READINGS),
    *((_real[f"{name}_ns"], _reading(name, NANO)) for name in READINGS),
    *((getattr(time, name), _broken_down(name)) for name in ("gmtime", "localtime", "ctime")),
    (time.strftime, _strftime),
    (_real["sleep"], _sleep),
    (os.urandom, _urandom),
    (real_datetime, _VirtualDatetime),
    (real_date, _VirtualDate),
]
_FAKES: Final = dict(_PAIRS)
_KINDS: Final = frozenset(type(each) for pair in _PAIRS for each in pair)


def _replace(
    replacements: dict[Any, Any], callers: Sequence[dict[str, Any]], modules: Sequence[Any] | None = None
) -> None:
    """Replace objects where modules have them: in `time`, `datetime`, `os` and `random`, in modules that are not part
    of Python, which may have imported them by name, and in the globals of the callers, which may be of no module.
    """
    of_modules = [
        getattr(module, "__dict__", None) for module in (list(sys.modules.values()) if modules is None else modules)
    ]
    for names in (*of_modules, *callers):
        if not isinstance(names, dict) or names is globals() or _keeps_the_clock(str(names.get("__name__"))):
            continue
        for attribute, value in list(names.items()):
            if type(value) in _KINDS and value in replacements:
                names[attribute] = replacements[value]


_LOADS: Final[dict[str, Callable[..., Any]]] = {
    name: getattr(ExtensionFileLoader, name) for name in ("create_module", "exec_module")
}


def _with_real_dates(load: Callable[..., Any]) -> Callable[..., Any]:
    """Load a compiled module, which may compare the classes of `datetime` with their layout in C, or derive from them.

    What that imports meanwhile gets its names replaced afterwards.
    """

    @wraps(load)
    def loads(*arguments: Any) -> Any:
        if dt.datetime is real_datetime:  # in the import of another one
            return load(*arguments)
        before, kept = frozenset(sys.modules), (dt.datetime, dt.date)
        dt.datetime, dt.date = real_datetime, real_date  # type: ignore[misc]
        try:
            return load(*arguments)
        finally:
            dt.datetime, dt.date = kept  # type: ignore[misc]
            _replace(_FAKES, [vars(module) for name, module in list(sys.modules.items()) if name not in before], ())

    return loads


def _keeps_the_clock(module: str) -> bool:
    package = module.partition(".")[0]
    return package in _TEST_RUNNERS or (package in sys.stdlib_module_names and module not in _OF_PYTHON)


def _globals_of_callers() -> list[dict[str, Any]]:
    found, frame = [], sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        found.append(frame.f_globals)
    return found


_OF_PYTHON: Final = frozenset({"time", "datetime", "os", "random", "uuid", "secrets", "__main__"})
"""Parts of Python of which the names are replaced; the others, such as `threading`, time what threads do."""

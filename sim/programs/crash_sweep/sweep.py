"""The sweep: which trials are made, and the report of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sim.loop import SimLoop
from sim.loop.virtual_time import VirtualClock, virtual_time
from sim.programs.crash_sweep.cuts import Cut, Token, checked, evenly
from sim.programs.crash_sweep.errors import CrashSweepError, DifferentRuns, InvalidCut
from sim.programs.crash_sweep.inert import release_memory
from sim.programs.crash_sweep.lives import End, Life, Limits
from sim.programs.crash_sweep.points import Point, fingerprint
from sim.programs.crash_sweep.report import CrashSweepReport
from sim.programs.crash_sweep.trials import Program, Trial, Tried, attempt

_SAME: Final = "valid: the same in each run, without real time, threads, or state that setup() does not make anew"


def crash_sweep(
    setup: Callable[[], Any],
    start: Callable[[Any], Any],
    resume: Callable[[Any], Any] | None,
    check: Callable[[Any], Any],
    cuts: str | int = "all",
    *,
    seed: int = 0,
    max_steps: int = 100_000,
    max_time: float = 30 * 86_400.0,
) -> CrashSweepReport:
    """Cut the power of a program at each of its awaits, restart it, and check what is durable.

    `setup()` makes what is durable, for each cut anew. `start(durable)` is the program, a coroutine function. After a
    cut nothing of it runs, not even `finally` blocks, and `resume(durable)` runs on a fresh loop at the same instant of
    virtual time; without `resume`, that is `start`. `check(durable)` then fails by an exception, or by returning False.
    `setup` and `check` may be coroutine functions.

    A cut is made after each step of each task: where it waits, and where a task other than the first one ends. `cuts`
    is `"all"`; a number of cuts, at equal distances; `"twice"`, for all of these and a second cut at each await of the
    resumed program; or a token of a report, for one trial again. Writes that a `Durable` has not synced are lost, torn
    and kept in turn.

    The clock, `random` and `os.urandom` are virtual, as in `sim.virtual_time(seed=…)`. The program is run twice without
    a cut, and has to do the same both times. A run may take `max_steps` steps of its tasks and `max_time` virtual
    seconds.

    Raises CrashSweepError for a program that cannot be swept: it does not end or raises without a cut, starts threads,
    keeps objects of an event loop as durable, or differs from run to run. Raises InvalidCut for an invalid `cuts`.
    """
    chosen = checked(cuts)
    _check_arguments(setup, start, resume, check, seed, max_steps, max_time)
    if isinstance(chosen, Token):
        seed = chosen.seed
    name = _name(start)
    program = Program(setup, start, resume, check, Limits(max_steps, float(max_time)), seed, name)
    with _session(seed) as clock:
        uncut = attempt(program, clock, (), record=True, loud=True)
        points = uncut.first.points
        _compare(uncut.first, attempt(program, clock, (), record=True).first)
        if not points:
            raise CrashSweepError(
                "start never waits, and so there is no await at which its power could be cut; valid: a program that "
                "awaits something, such as an operation of a sim.Durable"
            )
        mark = fingerprint(points)
        if isinstance(chosen, Token):
            trials = _again(program, clock, chosen, points, mark)
            return CrashSweepReport(name, seed, mark, str(chosen), tuple(points), tuple(trials))
        trials = [] if uncut.trial.holds else [uncut.trial]
        most = chosen if isinstance(chosen, int) else len(points)
        for point in evenly(len(points), most):
            for tried in _endings(program, clock, (), Cut(point), points):
                trials.append(tried.trial)
                if chosen == "twice" and tried.resumed is not None and tried.resumed.end is End.RETURNED:
                    trials += _second_cuts(program, clock, tried, points)
    return CrashSweepReport(name, seed, mark, str(cuts), tuple(points), tuple(trials))


def _endings(
    program: Program, clock: VirtualClock, before: tuple[Cut, ...], cut: Cut, points: list[Point]
) -> Iterator[Tried]:
    """A cut, and the same with each other ending of writes that are not synced."""
    tried = attempt(program, clock, (*before, cut))
    _compare_cut(tried.trial, points)
    yield tried
    for survives in tried.others:
        yield attempt(program, clock, (*before, Cut(cut.point, survives)))


def _second_cuts(program: Program, clock: VirtualClock, tried: Tried, points: list[Point]) -> Iterator[Trial]:
    assert tried.resumed is not None
    for second in range(1, tried.resumed.count + 1):
        for again in _endings(program, clock, tried.trial.cuts, Cut(second), points):
            yield again.trial


def _again(program: Program, clock: VirtualClock, token: Token, points: list[Point], mark: str) -> list[Trial]:
    if token.program != mark:
        raise InvalidCut(
            f"{token}: is a token of another program, or the program was changed: its awaits have the fingerprint "
            f'{mark}; valid: the token of a new sweep, cuts="all"'
        )
    if token.cuts and token.cuts[0].point > len(points):
        raise InvalidCut(f"{token}: the program has {len(points)} awaits")
    return [attempt(program, clock, token.cuts).trial]


def _compare(first: Life, second: Life) -> None:
    """Raise DifferentRuns for the first difference of two runs."""
    differ = "two runs of the program without a cut differ"
    for one, other in zip(first.points, second.points, strict=False):
        if (one.place, one.time) != (other.place, other.time):
            raise DifferentRuns(f"{differ} at await {one.number}:\n  first:  {one}\n  second: {other}\n{_SAME}")
    counts = len(first.points), len(second.points)
    if counts[0] != counts[1]:
        longer = max(first, second, key=lambda life: len(life.points))
        raise DifferentRuns(
            f"{differ}: {counts[0]} awaits in the first, {counts[1]} in the second; only one of them waits at "
            f"{longer.points[min(counts)]}\n{_SAME}"
        )
    if first.now != second.now:
        last = f", after {first.points[-1]}" if first.points else ""
        raise DifferentRuns(f"{differ}: one ends at {first.now:g} s, the other at {second.now:g} s{last}\n{_SAME}")


def _compare_cut(trial: Trial, points: list[Point]) -> None:
    """Raise DifferentRuns unless the first cut is where the run without a cut has the same number."""
    at = trial.points[0]
    expected = points[at.number - 1]
    if at.place != expected.place:
        raise DifferentRuns(
            f"a later run of the program differs at await {at.number}:\n  first: {expected}\n  later: {at}\n{_SAME}"
        )


def _check_arguments(setup: Any, start: Any, resume: Any, check: Any, seed: Any, max_steps: Any, max_time: Any) -> None:
    for name, each in (("setup", setup), ("start", start), ("check", check), ("resume", resume)):
        if not callable(each) and not (name == "resume" and each is None):
            raise CrashSweepError(f"{name}={each!r}: cannot be called; valid: a function")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise CrashSweepError(f"seed={seed!r}: valid: a whole number from 0")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise CrashSweepError(f"max_steps={max_steps!r}: valid: a whole number from 1")
    if isinstance(max_time, bool) or not isinstance(max_time, int | float) or not max_time > 0:
        raise CrashSweepError(f"max_time={max_time!r}: valid: a number of seconds above 0")
    if isinstance(asyncio._get_running_loop(), SimLoop):
        raise CrashSweepError("crash_sweep() runs loops of its own; valid: a call outside a SimLoop")


def _name(start: Any) -> str:
    while hasattr(start, "func"):
        start = start.func
    module = getattr(start, "__module__", None) or "?"
    code = getattr(start, "__code__", None)
    if module == "__main__" and code is not None:
        module = Path(code.co_filename).stem
    name = getattr(start, "__qualname__", None) or type(start).__qualname__
    return f"{module}:{name.replace('<locals>.', '')}"


def _collect_nothing(generation: int = 2) -> int:
    return 0


@contextmanager
def _session(seed: int) -> Iterator[VirtualClock]:
    """Virtual clocks, no running loop, and no collection of cycles but between trials, not even by `gc.collect`."""
    outer, collects, collect = asyncio._get_running_loop(), gc.isenabled(), gc.collect
    asyncio._set_running_loop(None)
    gc.disable()
    gc.collect = _collect_nothing
    try:
        with virtual_time(seed=seed) as clock:
            yield clock
        release_memory()
    finally:
        gc.collect = collect
        if collects:
            gc.enable()
        asyncio._set_running_loop(outer)

"""One trial: a program with fresh durable things, cut once, twice or never, resumed, and judged."""

from __future__ import annotations

import inspect
import linecache
import random  # noqa: TID251 - generators with a seed
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from gc import collect
from pathlib import Path
from typing import Any, Final

from recovery.errors import error_text
from sim.loop.virtual_time import VirtualClock
from sim.programs.crash_sweep.cuts import Cut
from sim.programs.crash_sweep.errors import CrashSweepError, DifferentRuns
from sim.programs.crash_sweep.inert import release_memory, roll_back
from sim.programs.crash_sweep.lives import End, Life, Limits, live, release
from sim.programs.crash_sweep.loop_objects import connections_in, loop_object_in
from sim.programs.crash_sweep.points import Point, is_of_program
from sim.programs.durable import Durable, Survives, created

_ORDER: Final = tuple(Survives)
_WITHOUT_A_CUT: Final = {
    End.RAISED: "start raises without a power cut: ",
    End.TOO_LONG: "start does not end without a power cut: ",
    End.WAITS: "start waits for ever without a power cut: ",
}


class Verdict(StrEnum):
    """What came of a trial."""

    HOLDS = "holds"
    CHECK_FAILS = "check fails"
    RESUME_RAISES = "resume raises"
    RESUME_DOES_NOT_END = "resume does not end"
    RESUME_WAITS = "resume waits for ever"


@dataclass(frozen=True, slots=True)
class Program:
    """The functions of a program, and what it may take."""

    setup: Callable[[], Any]
    start: Callable[[Any], Any]
    resume: Callable[[Any], Any] | None
    check: Callable[[Any], Any]
    limits: Limits
    seed: int
    name: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial with a power cut at each of `points`: the verdict on it, why, and how often each effect has happened.

    `survives` is by cut what became of writes that were not synced; None where there were none. Without a point, the
    program was not cut.
    """

    points: tuple[Point, ...]
    survives: tuple[Survives | None, ...]
    verdict: Verdict
    message: str
    effects: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether the resumed program ended and the check passed."""
        return self.verdict is Verdict.HOLDS

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The numbers of the points, as in a token."""
        return tuple(Cut(point.number, kept) for point, kept in zip(self.points, self.survives, strict=True))


@dataclass(slots=True)
class Tried:
    """A trial with what the sweep needs to plan others."""

    trial: Trial
    first: Life
    resumed: Life | None
    others: list[Survives]
    """Other ways in which the last cut may end."""


def attempt(
    program: Program, clock: VirtualClock, cuts: tuple[Cut, ...], *, record: bool = False, loud: bool = False
) -> Tried:
    """Run one trial. Raises CrashSweepError for a program that cannot be swept."""
    release_memory()  # of the trial before; what is older than the program is not part of it
    _reseed(program, clock, "start")
    lives: list[Life] = []
    try:
        with created() as durables:
            durable = _set_up(program)
        collect(0)
        points: list[Point] = []
        survived: list[Survives | None] = []
        others: list[Survives] = []
        first = life = live(
            program.start,
            durable,
            program.limits,
            cut_at=cuts[0].point if cuts else None,
            record=record,
            silent=not loud,
        )
        resumed = None
        lives.append(life)
        if not cuts:
            _check_complete(life, program)
        for place, cut in enumerate(cuts):
            if life.end is not End.CUT:
                raise DifferentRuns(_does_not_reach(place, cut, life))
            assert life.last is not None
            points.append(life.last)
            kept, others = _cut_power(durable, durables, cut, _source(program, cuts[: place + 1]))
            survived.append(kept)
            _reseed(program, clock, f"resume {place + 1}")
            collect(0)
            resumed = life = live(
                program.resume or program.start,
                durable,
                program.limits,
                now=life.now,
                cut_at=cuts[place + 1].point if place + 1 < len(cuts) else None,
                role="resume" if program.resume else "start",
            )
            lives.append(life)
        verdict, message = _verdict(program, life, durable)
        effects = effects_of(durable, durables)
        trial = Trial(tuple(points), tuple(survived), verdict, message, effects)
        return Tried(trial, first, resumed, others)
    finally:
        for each in lives:
            release(each)


def _source(program: Program, cuts: tuple[Cut, ...]) -> random.Random:
    """Random numbers of a cut, the same ones whatever survives."""
    return random.Random(f"{program.seed}/{[cut.point for cut in cuts]}")  # noqa: S311 - reproducible


def _reseed(program: Program, clock: VirtualClock, life: str) -> None:
    if life == "start":
        clock.restart(random.Random(f"{program.seed}/os.urandom"))  # noqa: S311 - reproducible
    random.seed(f"{program.seed}/{life}")


def _set_up(program: Program) -> Any:
    try:
        durable = program.setup()
    except Exception as error:
        raise CrashSweepError(
            f"setup raises {_described(error)}; valid: a function that returns what is durable"
        ) from error
    if inspect.isawaitable(durable):
        awaited = durable

        async def wait(_: None) -> Any:
            return await awaited

        life = live(wait, None, program.limits, role="setup")
        if life.end is not End.RETURNED:
            raise CrashSweepError(f"setup does not return: {_why(life)}") from life.error
        durable = life.value
    found = loop_object_in(durable)
    if found is not None:
        raise CrashSweepError(
            f"setup: {found}, which is memory of a running program and does not survive a power cut; valid: data, "
            "files, databases, and a sim.Durable"
        )
    return durable


def _cut_power(
    durable: Any, durables: list[Durable], cut: Cut, source: random.Random
) -> tuple[Survives | None, list[Survives]]:
    """Lose what is not synced. Returns what survives, and what else might."""
    found = loop_object_in(durable)
    if found is not None:
        raise CrashSweepError(
            f"start: {found}: the program has put it there; it is memory of a running program, and does not survive a "
            "power cut"
        )
    for connection in connections_in(durable):
        roll_back(connection)
    possible = frozenset().union(*(each.unsynced() for each in durables))
    kept = cut.survives or (Survives.TORN if possible else None)
    for each in durables:
        each.cut_power(kept or Survives.LOST, source)
    others = [each for each in _ORDER if each in possible | {Survives.LOST} and each is not kept] if possible else []
    return kept, others


def _check_complete(life: Life, program: Program) -> None:
    """Refuse a program that does not return, even without a power cut."""
    if life.end is not End.RETURNED:
        valid = "a program that returns"
        if life.end is End.TOO_LONG:
            valid += f", or a larger max_steps ({program.limits.max_steps}) or max_time ({program.limits.max_time:g} s)"
        raise CrashSweepError(f"{_WITHOUT_A_CUT[life.end]}{_why(life)}; valid: {valid}") from life.error


def _does_not_reach(place: int, cut: Cut, life: Life) -> str:
    role = "resume" if place else "start"
    return (
        f"{role} ends after {life.count} awaits, before the cut at {cut.point}: two runs of the program differ; valid: "
        "a program that does the same in each run"
    )


def _verdict(program: Program, life: Life, durable: Any) -> tuple[Verdict, str]:
    match life.end:
        case End.RETURNED:
            message = _failed_check(program, durable)
            return (Verdict.HOLDS, "") if message is None else (Verdict.CHECK_FAILS, message)
        case End.TOO_LONG:
            return Verdict.RESUME_DOES_NOT_END, _why(life)
        case End.WAITS:
            return Verdict.RESUME_WAITS, _why(life)
        case _:
            return Verdict.RESUME_RAISES, _why(life)


def _why(life: Life) -> str:
    if life.end is End.TOO_LONG:
        where = "" if life.last is None else f"; a task is at {life.last.where} {life.last.awaited}"
        return f"after {life.steps} steps and {life.now:g} s of virtual time{where}"
    assert life.error is not None
    return str(life.error) if life.end is End.WAITS else _described(life.error)


def _described(error: BaseException) -> str:
    """An exception with its place: `KeyError: 'plan' (program.py:12)`. For an assertion, the source of its line."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if is_of_program(each.filename)]
    if isinstance(error, BaseExceptionGroup):
        return f"{error_text(error)}: {_described(error.exceptions[0])}"
    text = error_text(error)
    if not frames:
        return text
    last = frames[-1]
    if isinstance(error, AssertionError) and not str(error):
        text = f"AssertionError: {linecache.getline(last.filename, last.lineno or 0).strip()}"
    return f"{text} ({Path(last.filename).name}:{last.lineno})"


def _failed_check(program: Program, durable: Any) -> str | None:
    """Why the check fails; None if it passes."""
    try:
        judged = program.check(durable)
        if inspect.isawaitable(judged):
            awaited = judged

            async def wait(_: None) -> Any:
                return await awaited

            life = live(wait, None, program.limits, role="check")
            release(life)
            if life.end is not End.RETURNED:
                return _described(life.error) if life.end is End.RAISED and life.error is not None else _why(life)
            judged = life.value
    except (KeyboardInterrupt, CrashSweepError):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a check raises is its verdict
        return _described(error)
    if judged is None or type(judged).__name__ in ("bool", "bool_"):
        return None if judged is None or judged else "returns False"
    raise CrashSweepError(
        f"check returns {judged!r}, of type {type(judged).__name__}; valid: True or False, or nothing with assertions"
    )


def effects_of(durable: Any, durables: list[Durable]) -> dict[str, int]:
    """How often each effect has happened: those of a `Durable`, and of a mapping or list `effects` in `durable`."""
    found: Counter[str] = Counter()
    for each in durables:
        found.update(each.effects)
    own = durable.get("effects") if isinstance(durable, Mapping) else getattr(durable, "effects", None)
    if isinstance(durable, Durable):
        own = None
    if isinstance(own, Mapping):
        found.update({str(name): int(times) for name, times in own.items() if isinstance(times, int)})
    elif isinstance(own, list | tuple):
        found.update(str(name) for name in own)
    return dict(found)

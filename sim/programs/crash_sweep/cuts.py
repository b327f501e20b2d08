"""Which cuts a sweep makes, and the tokens that name them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Final, SupportsIndex

from sim.programs.crash_sweep.errors import InvalidCut
from sim.programs.durable import Survives

PREFIX: Final = "cut:"
VALID: Final = '"all", "twice", a number of cuts, or a token such as "cut:12:0:3f9a2c1b"'
_TOKEN: Final = re.compile(r"cut:(?P<points>[\w/,]+):(?P<seed>\w+):(?P<program>[0-9a-f]{8})", re.ASCII)
_POINT: Final = re.compile(r"(?P<point>\d{1,9})(/(?P<survives>[a-z]+))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """A power cut after the step with this number, counted from 1 in each run; 0 stands for no cut.

    `survives` says what becomes of writes that are not synced; None where there are none.
    """

    point: int
    survives: Survives | None = None

    def __str__(self) -> str:
        return str(self.point) if self.survives is None else f"{self.point}/{self.survives}"


@dataclass(frozen=True, slots=True)
class Token:
    """The cuts of one trial, the seed of the sweep, and the fingerprint of its program, as a line of text."""

    cuts: tuple[Cut, ...]
    seed: int
    program: str

    def __str__(self) -> str:
        return f"{PREFIX}{','.join(map(str, self.cuts)) or '0'}:{self.seed}:{self.program}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """Raises InvalidCut."""
        if text.startswith("order:"):
            raise InvalidCut(f"{text}: is a token of sim.explore; valid: sim.replay(main, token)")
        found = _TOKEN.fullmatch(text)
        points = [_POINT.fullmatch(each) for each in found["points"].split(",")] if found else []
        if found is None or None in points or len(points) > 2 or not re.fullmatch(r"\d{1,18}", found["seed"]):
            raise InvalidCut(f"{text!r}: is not a valid cut; valid: {VALID}")
        cuts = [Cut(int(each["point"]), _survives(text, each["survives"])) for each in points if each is not None]
        if cuts == [Cut(0)]:
            cuts = []
        if any(cut.point == 0 for cut in cuts):
            raise InvalidCut(f"{text!r}: points are counted from 1; valid: {VALID}")
        return cls(tuple(cuts), int(found["seed"]), found["program"])


def _survives(text: str, name: str | None) -> Survives | None:
    if name is None:
        return None
    try:
        return Survives(name)
    except ValueError:
        raise InvalidCut(f"{text!r}: {name} is unknown; valid: {', '.join(Survives)}") from None


def evenly(points: int, most: int) -> Iterable[int]:
    """At most so many of the numbers from 1 to `points`, at equal distances, with the first and the last."""
    if most >= points:
        return range(1, points + 1)
    if most == 1:
        return [(points + 1) // 2]
    return [1 + round(place * (points - 1) / (most - 1)) for place in range(most)]


def checked(cuts: object) -> str | int | Token:
    """The argument `cuts` of a sweep. Raises InvalidCut."""
    if isinstance(cuts, bool):
        raise InvalidCut(f"cuts={cuts!r}: valid: {VALID}")
    if isinstance(cuts, SupportsIndex):
        if (number := index(cuts)) < 1:
            raise InvalidCut(f"cuts={cuts}: is less than 1; valid: {VALID}")
        return number
    if isinstance(cuts, Token):
        return cuts
    if isinstance(cuts, str):
        return cuts if cuts in ("all", "twice") else Token.parse(cuts)
    raise InvalidCut(f"cuts={cuts!r}: is of type {type(cuts).__name__}; valid: {VALID}")

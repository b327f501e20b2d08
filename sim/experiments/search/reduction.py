"""Reduces a schedule that breaks something: the fewest faults, then the simplest times, durations and targets.

Hypothesis shrinks the choices by which it drew the schedule. This reduction works on the schedule itself, so that no
fault of the result can be left out, also none of the scenario's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sim.strategies import Drawn
from sim.strategies.faults import Keys

MOST_TIMES = 6
"""Of a repeated fault, this many injections are tried alone."""
MOST_RUNS = 150
"""The number of runs of one reduction at most."""


def reduced(
    example: Drawn, own: Sequence[Keys], breaks: Callable[[Drawn, Sequence[Keys]], bool], *, keep_own: bool
) -> tuple[Drawn, tuple[Keys, ...]]:
    """The example and the scenario's own faults that remain. `breaks` runs one candidate.

    `keep_own`: the scenario's own faults stay, because an expectation is about them.
    """
    left = MOST_RUNS

    def holds_up(candidate: Drawn, kept: Sequence[Keys]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and breaks(candidate, kept)

    kept = tuple(own)
    changed = True
    while changed and left > 0:
        changed = False
        for number in reversed(range(len(example.faults))):
            fewer = replace(example, faults=_without(example.faults, number))
            if holds_up(fewer, kept):
                example, changed = fewer, True
        for number in reversed(range(0 if keep_own else len(kept))):
            fewer_own = _without(kept, number)
            if holds_up(example, fewer_own):
                kept, changed = fewer_own, True
        for number in range(len(example.faults)):
            for simpler in _simpler(example.faults[number]):
                faults = (*example.faults[:number], simpler, *example.faults[number + 1 :])
                candidate = replace(example, faults=faults)
                if holds_up(candidate, kept):
                    example, changed = candidate, True
                    break
    return example, kept


def _without(faults: Sequence[Keys], number: int) -> tuple[Keys, ...]:
    return (*faults[:number], *faults[number + 1 :])


def _whole(seconds: float) -> float:
    """A whole number of seconds as one, which is easier to read."""
    return int(seconds) if seconds == int(seconds) else seconds


def _simpler_targets(targets: object) -> Iterator[object]:
    if targets not in (1, "queue"):
        yield 1
    if isinstance(targets, dict) and targets.get("count") != 1:
        yield {**targets, "count": 1}


def _simpler(fault: Keys) -> Iterator[Keys]:
    """Simpler forms of a fault, the simplest first."""
    ((kind, keys),) = fault.items()

    def with_(**changes: object) -> Keys:
        return {kind: {key: value for key, value in {**keys, **changes}.items() if value is not None}}

    if "after" in keys:
        yield with_(after=None)
    for targets in _simpler_targets(keys.get("targets", 1)):
        yield with_(targets=targets)
    if "beating" in keys:
        yield with_(beating=None)
    if "between" in keys and kind != "partition":
        yield with_(between=None, one_way=None)
    if "every" in keys:
        for times in range(1, MOST_TIMES + 1):
            yield with_(every=None, at=_whole(keys["every"] * times))
    for key in ("at", "for", "after"):
        given = keys.get(key)
        if isinstance(given, int | float):
            for unit in (600, 60, 10, 1):
                rounded = int(given // unit * unit)
                if rounded != given and (rounded > 0 or (key == "at" and unit == 600)):
                    yield with_(**{key: rounded})

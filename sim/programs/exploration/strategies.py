"""Strategies: which orders are run, one after another.

- `random` chooses at random, with tasks of different speed, and runs no order twice.
- `pct` (probabilistic concurrency testing) gives each task a random priority, runs the ready task of the highest
  priority, and lowers the priority of the running task at `depth - 1` random places.
- `bounded` runs every order with at most so many deviations, those with fewer first.

S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding
Bugs, ASPLOS 2010. M. Emmi, S. Qadeer, Z. Rakamaric: Delay-Bounded Scheduling, POPL 2011.
"""

from __future__ import annotations

import random  # noqa: TID251 - each run has a generator with a seed
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from sim.programs.exploration.ready_order import Chooser, stepping_task
from sim.programs.exploration.steps import name_of_entry

Deviations = dict[int, int]
"""By the number of a choice, the place of what runs instead of the first entry, which has place 0. A negative number
-1 - place holds back the entry at that place: from there on, it runs only when nothing else is ready."""
_SPREAD: Final = 8.0
"""Weights in a random order are from 1 / 8 to 8."""
_CHANGES: Final = 0.3
"""The probability that the weight of a task changes when it runs."""
_MOST_CHOICES: Final = 64
"""Choices of an order that is remembered: longer ones hardly repeat."""
_MOST_REMEMBERED: Final = 200_000
"""Choices that are remembered."""

_PATIENCE: Final = 100
"""Choices for which a task may be passed over without end: others may wait for it in a loop of awaits."""


class ByDeviations:
    """Chooses first in, first out, except at some choices."""

    def __init__(self, deviations: Mapping[int, int]) -> None:
        self._get = deviations.get
        self._held: list[object] = []
        self._patience = _PATIENCE
        self.held_back: list[str] = []
        """The names of what is held back."""

    def __call__(self, entries: Sequence[Any], number: int) -> int:
        """As `Chooser`."""
        pick = self._get(number, 0)
        if pick < 0 and -1 - pick < len(entries):
            entry = entries[-1 - pick]
            self._held.append(_key(entry) or entry)
            self.held_back.append(name_of_entry(entry))
        if pick <= 0 and self._held:
            for place, entry in enumerate(entries):
                if (_key(entry) or entry) not in self._held:
                    self._patience -= place > 0
                    if not self._patience:
                        self._held.clear()
                    return place
        return max(pick, 0)


def by_deviations(deviations: Mapping[int, int]) -> Chooser:
    """Chooses first in, first out, except at some choices."""
    if any(pick < 0 for pick in deviations.values()):
        return ByDeviations(deviations)
    get = deviations.get
    return lambda _, number: get(number, 0)


class FirstAppearances:
    """Chooses first in, first out, and notes the choice and the place at which each entry appears first."""

    def __init__(self) -> None:
        self.places: list[tuple[int, int]] = []
        self._entries: list[Any] = []

    def __call__(self, entries: Sequence[Any], number: int) -> int:
        """As `Chooser`."""
        for place, entry in enumerate(entries):
            if not any(entry is other for other in self._entries):
                self.places.append((number, place))
        self._entries = [*entries]
        return 0


def deviations_of(picks: Sequence[int]) -> Deviations:
    """The choices that are not first in, first out."""
    return {number: pick for number, pick in enumerate(picks) if pick}


class Strategy(Protocol):
    """Gives an order for each run."""

    def next(self, run: int) -> Chooser | None:
        """What chooses in this run, the first of which has number 0; None if no order is left."""

    def ran(self, picks: list[int], sizes: list[int]) -> None:
        """Takes the choices of the run that has ended, and from how many entries each was."""


class RandomOrders:
    """First in, first out in the first run, then random orders.

    Each task has a random weight, and runs next with a probability in proportion to it: tasks differ in speed, and so
    one gets further ahead of others than with equal weights. The weight of a task that has run may change. Orders that
    were run are not run again, as far as they are remembered.
    """

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._root = _Tried()
        self._remembered = 0

    def next(self, run: int) -> Chooser | None:
        """As `Strategy.next`."""
        if run == 0:
            return by_deviations({})
        if self._root.is_exhausted:
            return None
        draw = random.Random(f"{self._seed}/random/{run}").random  # noqa: S311 - reproducible
        weights: dict[object, float] = {}
        tried: _Tried | None = self._root

        def choose(entries: Sequence[Any], number: int) -> int:
            nonlocal tried
            after = tried.after if tried is not None else {}
            keys = [_key(entry) for entry in entries]
            total, sums = 0.0, []
            for place, key in enumerate(keys):
                if place in after and after[place].is_exhausted:
                    sums.append(total)
                    continue
                weight = 1.0 if key is None else weights.get(key)
                if weight is None:
                    weight = weights[key] = _SPREAD ** (2 * draw() - 1)
                total += weight
                sums.append(total)
            pick = bisect_right(sums, draw() * total) if total else 0
            if keys[pick] is not None and draw() < _CHANGES:
                weights[keys[pick]] = _SPREAD ** (2 * draw() - 1)
            tried = after.get(pick)
            return pick

        return choose

    def ran(self, picks: list[int], sizes: list[int]) -> None:
        """As `Strategy.ran`."""
        if len(picks) > _MOST_CHOICES or self._remembered > _MOST_REMEMBERED:
            return
        path = [self._root]
        for pick in picks:
            if pick not in path[-1].after:
                path[-1].after[pick] = _Tried()
                self._remembered += 1
            path.append(path[-1].after[pick])
        path.pop().is_exhausted = True
        for tried, size in zip(reversed(path), reversed(sizes), strict=True):
            if len(tried.after) < size or not all(each.is_exhausted for each in tried.after.values()):
                return
            tried.is_exhausted = True


class _Tried:
    """What was run after some choices: by the next choice, and whether no order is left that begins so."""

    __slots__ = ("after", "is_exhausted")

    def __init__(self) -> None:
        self.after: dict[int, _Tried] = {}
        self.is_exhausted = False


class PriorityOrders:
    """First in, first out in the first run, then orders by priorities that change at `depth - 1` choices."""

    def __init__(self, seed: int | str, depth: int) -> None:
        self._seed = seed
        self._depth = depth
        self._longest = 1  # choices in a run so far

    def next(self, run: int) -> Chooser | None:
        """As `Strategy.next`."""
        if run == 0:
            return by_deviations({})
        chance = random.Random(f"{self._seed}/pct/{run}")  # noqa: S311 - reproducible
        changes = chance.sample(range(self._longest), min(self._depth - 1, self._longest))
        lowered = {number: -1.0 - place for place, number in enumerate(sorted(changes))}
        priorities: dict[Any, float] = {}
        draw = chance.random
        runs_of: dict[Any, int] = {}  # of the task that ran last, one after another

        def choose(entries: Sequence[Any], number: int) -> int:
            keys = [_key(entry) or place for place, entry in enumerate(entries)]
            for key in keys:
                if key not in priorities or isinstance(key, int):
                    priorities[key] = draw()
            best = max(range(len(keys)), key=lambda place: (priorities[keys[place]], -place))
            if number in lowered:
                priorities[keys[best]] = lowered[number]
                best = max(range(len(keys)), key=lambda place: (priorities[keys[place]], -place))
            key = keys[best]
            repeated = runs_of.get(key, 0) + 1
            runs_of.clear()
            runs_of[key] = repeated
            if repeated == _PATIENCE:  # it may wait for one that never runs
                priorities[key] = min(priorities.values()) - 1
            return best

        return choose

    def ran(self, picks: list[int], sizes: list[int]) -> None:
        """As `Strategy.ran`."""
        self._longest = max(self._longest, len(picks))


def _key(entry: Any) -> object:
    """What has a priority: a task, or all callbacks together. None for a timer, which has another one each time."""
    task = stepping_task(entry._callback)
    if task is not None:
        return task
    return None if hasattr(entry, "when") else "callbacks"


class BoundedOrders:
    """Every order with at most so many deviations from first in, first out; those with fewer come first."""

    def __init__(self, deviations: int) -> None:
        self._bound = deviations
        self._waiting: deque[tuple[tuple[int, int], ...]] = deque([()])
        self._current: tuple[tuple[int, int], ...] = ()

    @property
    def left(self) -> int:
        """Orders that are found and not yet run; each may lead to more."""
        return len(self._waiting)

    def next_deviations(self) -> Deviations | None:
        """The deviations of the next order; None if no order is left."""
        if not self._waiting:
            return None
        self._current = self._waiting.popleft()
        return dict(self._current)

    def next(self, run: int) -> Chooser | None:
        """As `Strategy.next`."""
        deviations = self.next_deviations()
        return None if deviations is None else by_deviations(deviations)

    def ran(self, picks: list[int], sizes: list[int]) -> None:
        """As `Strategy.ran`."""
        current = self._current
        if len(current) == self._bound:
            return
        first = current[-1][0] + 1 if current else 0
        for number in range(first, len(sizes)):
            for pick in range(1, sizes[number]):
                self._waiting.append((*current, (number, pick)))

"""Shrinks a failing order to few deviations from first in, first out.

Delta debugging removes deviations. Then one or two tasks are held back from some step on instead, as a slow await
would. Then orders with fewer deviations are run, the fewest first, as far as the number of runs allows. At
last each deviation is brought closer to the first entry.

A. Zeller, R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28 (2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sim.programs.exploration.execution import Outcome
from sim.programs.exploration.ready_order import Chooser
from sim.programs.exploration.strategies import (
    BoundedOrders,
    Deviations,
    FirstAppearances,
    by_deviations,
    deviations_of,
)

_HELD: Final = 200
"""Runs with one or two tasks held back at most."""
_DEBUGGED: Final = 300
"""Runs of delta debugging at most."""
_SEARCHED: Final = 300
"""Runs of the search for orders with fewer deviations at most."""


@dataclass(frozen=True)
class Shrunk:
    """The smallest order that fails in the same way."""

    deviations: Deviations
    before: int  # deviations of the order that was found
    runs: int
    fewest: bool  # every order with fewer deviations was run, and none fails in this way


class _Shrinking:
    def __init__(self, found: Outcome, run: Callable[[Chooser], Outcome]) -> None:
        self.best = deviations_of(found.picks)
        self.runs = 0
        self._kind = found.kind
        self._run = run

    def tried(self, deviations: Deviations) -> Outcome:
        """Run an order; it is the best one if it fails in the same way with fewer or smaller deviations."""
        self.runs += 1
        outcome = self._run(by_deviations(deviations))
        if outcome.kind == self._kind:
            holds_back = any(pick < 0 for pick in deviations.values())
            smaller = deviations if holds_back else deviations_of(outcome.picks)
            if _size(smaller) < _size(self.best):
                self.best = smaller
        return outcome

    def improves(self, deviations: Deviations) -> bool:
        """Whether this order becomes the best one."""
        before = self.best
        self.tried(deviations)
        return self.best is not before

    def hold_back(self) -> None:
        """Hold back one task from one of its steps on, then two tasks."""
        appearances = FirstAppearances()
        self._run(appearances)
        most = self.runs + _HELD
        single = appearances.places
        for number, place in single:
            if self.runs >= most or self.improves({number: -1 - place}):
                return
        if len(self.best) <= 2:
            return
        for later, place in single:
            for number, other in single:
                if number >= later or self.runs >= most:
                    break
                if self.improves({number: -1 - other, later: -1 - place}):
                    return

    def remove(self) -> None:
        """Delta debugging."""
        parts, most = 2, self.runs + _DEBUGGED
        while len(self.best) > 1 and self.runs < most:
            items = sorted(self.best.items())
            length = -(-len(items) // parts)
            chunks = [items[start : start + length] for start in range(0, len(items), length)]
            rests = ({key: pick for key, pick in items if (key, pick) not in chunk} for chunk in chunks)
            if any(self.improves(rest) for rest in rests):
                parts = max(parts - 1, 2)
            elif parts >= len(items):
                return
            else:
                parts = min(2 * parts, len(items))

    def search_fewer(self) -> bool:
        """Run orders with fewer deviations than the best one. Whether it is certain that none fails."""
        most = self.runs + _SEARCHED
        orders = BoundedOrders(len(self.best) - 1)
        while (deviations := orders.next_deviations()) is not None:
            if self.runs >= most:
                return False
            count = len(self.best)
            outcome = self.tried(deviations)
            if len(self.best) < count:
                return True  # those with fewer came first
            orders.ran(outcome.picks, outcome.sizes)
        return True

    def bring_closer(self) -> None:
        """Let each deviation pass over as few entries as possible."""
        for number in sorted(self.best):
            for pick in range(1, self.best.get(number, 0)):
                if self.improves({**self.best, number: pick}):
                    break


def shrunk_order(found: Outcome, run: Callable[[Chooser], Outcome]) -> Shrunk:
    """Shrink the order of `found`; `run` runs the program in an order."""
    shrinking = _Shrinking(found, run)
    before = len(shrinking.best)
    if not before or shrinking.improves({}):
        return Shrunk(shrinking.best, before, shrinking.runs, fewest=True)
    shrinking.remove()
    if len(shrinking.best) > 1:
        shrinking.hold_back()
    fewest = len(shrinking.best) == 1 or shrinking.search_fewer()
    shrinking.bring_closer()
    return Shrunk(shrinking.best, before, shrinking.runs, fewest)


def _size(deviations: Deviations) -> tuple[int, int]:
    return len(deviations), sum(map(abs, deviations.values()))

"""What is wrong with a task log, and the rows that are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recovery.errors import RecoveryBenchError, argument

Mask = NDArray[np.bool_]
FIRST_ROW = 2
"""The number of the first row below the names of the columns."""


class FitError(RecoveryBenchError, ValueError):
    """A log cannot be read, or no scenario can be fitted to it. One line: the problem, its row, and what is valid."""


class BadRows:
    """Rows that are wrong. The first one raises FitError when there are more than `most`; else they are left out.

    `noun`: what a row is called, and `first` the number of the first one. `gaps`: numbers and problems of rows that
    were left out before.
    """

    def __init__(
        self,
        size: int,
        most: int = 0,
        noun: str = "row",
        first: int = FIRST_ROW,
        gaps: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self.keep: Mask = np.ones(size, dtype=bool)
        self.most = most
        self.noun = noun
        self.first = first
        self.gaps = len(gaps)
        self._problems = list(gaps.items())

    def refuse(self, wrong: Mask, problem: Callable[[int], str]) -> None:
        """Leave out rows. `problem` gives the message for the position of a row. Raises FitError above the limit."""
        wrong = wrong & self.keep
        if not wrong.any():
            return
        self.keep &= ~wrong
        place = int(np.flatnonzero(wrong)[0])
        number = place + self.first  # of a row after gaps it is too small, but not below that of the first gap
        self._problems.append((number, f"{self.noun} {number}: {problem(place)}"))
        left_out, skip = int((~self.keep).sum()), self.most + self.gaps
        if left_out > self.most:
            many = f" ({left_out + self.gaps:,} rows are wrong, {argument('skip', skip)})" if skip else ""
            raise FitError(self.first_problem + many)

    @property
    def first_problem(self) -> str:
        """What is wrong with the first of the wrong rows, with its number."""
        return min(self._problems, key=lambda each: each[0])[1]

    @property
    def left_out(self) -> int:
        """How many rows are left out."""
        return int((~self.keep).sum())

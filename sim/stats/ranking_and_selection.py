"""Ranking and selection: the best of several settings with few replications.

Procedure KN of S.-H. Kim and B. L. Nelson, "A fully sequential procedure for indifference-zone selection in
simulation", ACM Transactions on Modeling and Computer Simulation 11 (2001), with c = 1: all settings are observed in a
first stage, and then, replication by replication, those still in contention; settings that fall too far behind are
eliminated. When the best is ahead of every other by at least the indifference δ, it is selected with a probability of
at least 95 %. Observations are normal; those of one replication may be correlated (common random numbers), and
stronger correlation ends the procedure sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import numpy as np

from recovery.errors import RecoveryBenchError
from scenarios.fields.metric_rows import Direction
from sim.stats.intervals import CONFIDENCE

SMALLEST, LARGEST = 1e-100, 1e100
"""Limits of an indifference, so that its square is a finite float above 0."""
FIRST = 10
"""Replications of the first stage, n₀."""
MOST = 1000
"""Default maximum number of replications; when it is reached, the selection is undecided."""


class NotRankable(RecoveryBenchError, ValueError):
    """An observation without a mean, or without a difference of means. `setting` is the setting that it belongs to."""

    def __init__(self, setting: int, reason: str) -> None:
        super().__init__(reason)
        self.setting = setting


class KimNelson:
    """The procedure: it receives the observations of each replication and returns the settings still in contention.

    Settings are numbered from 0. `indifference`: the smallest difference of means that matters, in
    the metric's unit. Raises ValueError for fewer than two settings, an indifference that is not above 0 and finite,
    a first stage of fewer than two replications, and for fewer replications at `most` than that.
    """

    def __init__(
        self,
        settings: int,
        indifference: float,
        direction: Direction = "lower",
        first: int = FIRST,
        most: int = MOST,
    ) -> None:
        if settings < 2:
            raise ValueError(f"{settings} setting is not enough for a selection; valid: 2 or more")
        if not SMALLEST < indifference < LARGEST:
            raise ValueError(f"an indifference of {indifference:g}; valid: a finite number above 0")
        if first < 2:
            raise ValueError(f"a first stage of {first}; valid: 2 replications or more, to estimate variances")
        if most < first:
            raise ValueError(f"{most} replications at most; valid: {first} or more, the size of the first stage")
        self.contention: tuple[int, ...] = tuple(range(settings))
        """The settings that are not eliminated; after the decision the best, and others only with an equal mean."""
        self.eliminated: dict[int, int] = {}
        """The eliminated settings, with the number of replications at their elimination."""
        self.disqualified: dict[int, int] = {}
        """Settings that were taken out because they do not meet a constraint, and after how many replications."""
        self.replications = 0
        """Replications so far, including those without an observation."""
        self.decided = False
        self.indifference = indifference
        self._sign = -1.0 if direction == "higher" else 1.0  # inside, smaller is better
        self.first = first
        self.most = most
        self._observed = 0
        self._first_stage: list[list[float]] = []
        self._sums = np.zeros(settings)
        self._sums_at: dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self._count_at: dict[int, int] = {}
        self._limits = np.full((settings, settings), inf)

    @property
    def finished(self) -> bool:
        """Whether it is decided, no setting is in contention, or the maximum number of replications is reached."""
        return self.decided or not self.contention or self.replications >= self.most

    def disqualify(self, setting: int) -> None:
        """Take a setting out that does not meet a constraint, whatever its mean. One that is left alone is selected."""
        if setting not in self.contention:
            return
        self._eliminate(np.arange(len(self._sums)) == setting)
        self.disqualified[setting] = self.eliminated.pop(setting)
        self.decided = len(self.contention) == 1 and self._observed >= self.first

    @property
    def unobserved(self) -> int:
        """Replications in which no setting in contention observed the metric; they count only towards `most`."""
        return self.replications - self._observed

    @property
    def best(self) -> int:
        """The selected setting; before the decision, the one with the best mean so far. Of equals, the first.

        When all are disqualified, it is the one that stayed longest.
        """
        if not self.contention:
            return max(self.disqualified, key=lambda each: (self.disqualified[each], -each))
        return min(self.contention, key=lambda each: self._sums[each])

    @property
    def ranks(self) -> tuple[int, ...]:
        """Settings, best first: the others by the distance of their means from that of the best, over common
        replications, and disqualified ones last. The time of elimination is not a measure: a setting with a large
        variance stays in contention.
        """
        best = self.best
        behind = {best: -inf}
        for each in range(len(self._sums)):
            sums = self._sums_at.get(each, self._sums)
            count = max(1, self._count_at.get(each, self._observed))
            behind.setdefault(each, float(sums[each] - sums[best]) / count)
        return tuple(sorted(behind, key=lambda each: (each in self.disqualified, behind[each], each)))

    def observe(self, values: Sequence[float | None]) -> tuple[int, ...]:
        """Add the next replication: one value per setting (those of eliminated ones are ignored), None without an
        observation. Returns the settings that it eliminates.

        A replication without any observation is ignored. Raises NotRankable when only some settings have an
        observation, and for an infinite value, whose mean is infinite. In the first stage an infinitely bad value is
        accepted while another setting is finite: its setting is eliminated after the stage without a comparison.
        """
        if self.finished:
            raise ValueError("the procedure has ended and accepts no more observations")
        self.replications += 1
        given = {each: values[each] for each in self.contention}
        seen = {each: value for each, value in given.items() if value is not None}
        if not seen:
            return ()
        for each in self.contention:
            if each not in seen:
                raise NotRankable(each, "observed nothing")
            infinitely_bad = self._sign * seen[each] == inf
            if not isfinite(seen[each]) and not (infinitely_bad and self._observed < self.first):
                raise NotRankable(each, f"observed {seen[each]:g}")
        row = [self._sign * seen.get(each, 0.0) for each in range(len(self._sums))]
        among = list(self.contention)
        self._sums[among] += np.array(row)[among]
        self._observed += 1
        if not np.isfinite(self._sums[among]).any():
            last = next(each for each in among if not isfinite(row[each]))
            raise NotRankable(last, f"observed {seen[last]:g}, as all others have by now,")
        if self._observed < self.first:
            self._first_stage.append(row)
            return ()
        gone: list[int] = []
        if self._observed == self.first:
            gone += self._end_first_stage([*self._first_stage, row])
        gone += self._screen()
        return tuple(sorted(gone))

    def _end_first_stage(self, rows: list[list[float]]) -> list[int]:
        """The variances of all differences; they determine the number of replications after which any lead is enough:
        h² S² / δ², with h² = 2 c η (n₀ − 1).
        """
        observed = np.array(rows)
        finite = np.isfinite(observed).all(axis=0)
        self._first_stage = []
        size = len(self._sums)
        scale = 2 * eta(size, self.first) * (self.first - 1) / self.indifference**2
        for each in np.flatnonzero(finite):
            differences = observed[:, finite] - observed[:, [each]]
            self._limits[each, finite] = scale * differences.var(axis=0, ddof=1)
        return self._eliminate(~finite)

    def _screen(self) -> list[int]:
        """Eliminate settings whose mean is behind another's by more than W(r) = max{0, δ/(2cr) · (h² S² / δ² − r)}.

        When W is 0 for all pairs, only settings with the best mean remain, and the procedure ends.
        """
        among = np.array(self.contention)
        count = self._observed
        means = self._sums[among] / count
        limits = self._limits[np.ix_(among, among)]
        margins = np.maximum(0.0, self.indifference / (2 * count) * (limits - count))
        behind = np.zeros(len(self._sums), dtype=np.bool_)
        behind[among] = (means[:, np.newaxis] - means[np.newaxis, :] > margins).any(axis=1)
        gone = self._eliminate(behind)
        left = list(self.contention)
        self.decided = len(left) == 1 or bool((self._limits[np.ix_(left, left)] < count).all())
        return gone

    def _eliminate(self, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[int]:
        gone = [each for each in self.contention if which[each]]
        self.contention = tuple(each for each in self.contention if not which[each])
        for each in gone:
            self.eliminated[each] = self.replications
            self._sums_at[each], self._count_at[each] = self._sums.copy(), self._observed
        return gone


def eta(settings: int, first: int) -> float:
    """η of the procedure with c = 1, which solves ½ (1 + 2η)^(−(n₀ − 1)/2) = α / (k − 1)."""
    alpha = 1 - CONFIDENCE
    return float(((2 * alpha / (settings - 1)) ** (-2 / (first - 1)) - 1) / 2)

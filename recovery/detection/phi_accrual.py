"""Phi accrual: how suspicious a silence is, judged by how an agent has been beating.

N. Hayashibara, X. Défago, R. Yared, T. Katayama: "The φ Accrual Failure Detector", SRDS 2004. With inter-arrival times
taken as normal, the suspicion of a silence of t seconds is

    φ(t) = -log₁₀ P(X > t),  X ~ N(mean, deviation²)

so that a threshold of 8 means one false alarm in 10⁸ beats, if the times are what they were. Mean and deviation are
those of a sliding window; before there are any, the configured interval and a quarter of it stand for them, as in Akka.
"""

from __future__ import annotations

from collections import deque
from math import erfc, log, log10, pi, sqrt
from statistics import NormalDist

_STANDARD = NormalDist()
_FAR = 37.0  # deviations beyond which P(X > t) is below the smallest float, and its expansion exact to 1e-3


def phi(elapsed: float, mean: float, deviation: float) -> float:
    """The suspicion of a silence of `elapsed` seconds; grows without bound, 0.3 at the mean."""
    z = (elapsed - mean) / deviation
    if z < _FAR:
        return -log10(erfc(z / sqrt(2)) / 2)
    return (z * z / 2 + log(z * sqrt(2 * pi)) + log(1 + 1 / (z * z))) / log(10)


def patience(threshold: float, mean: float, deviation: float) -> float:
    """The silence, in seconds, at which `phi` reaches a threshold: its inverse. For thresholds up to 300."""
    return mean - deviation * _STANDARD.inv_cdf(10.0**-threshold)


class Arrivals:
    """Mean and deviation of the last `size` gaps between beats, in seconds.

    Both are kept up with each gap (Welford's update for a sliding window), and computed anew from the gaps themselves
    whenever all of them have been replaced: rounding errors do not add up, however long an agent beats.
    """

    def __init__(self, size: int, interval: float) -> None:
        estimate = interval / 4
        self._gaps = deque((interval - estimate, interval + estimate), maxlen=size)
        self._compute()

    def _compute(self) -> None:
        count = len(self._gaps)
        self.mean = sum(self._gaps) / count
        self._squares = sum((gap - self.mean) ** 2 for gap in self._gaps)
        self._until_anew = self._gaps.maxlen

    def add(self, gap: float) -> None:
        """A beat came so long after the last one; the oldest gap is forgotten when there are enough."""
        gaps, mean = self._gaps, self.mean
        if len(gaps) == gaps.maxlen:
            oldest = gaps[0]
            self.mean = mean + (gap - oldest) / len(gaps)
            self._squares += (gap - oldest) * (gap - self.mean + oldest - mean)
            gaps.append(gap)
        else:
            gaps.append(gap)
            self.mean = mean + (gap - mean) / len(gaps)
            self._squares += (gap - mean) * (gap - self.mean)
        assert self._until_anew is not None
        self._until_anew -= 1
        if not self._until_anew:
            self._compute()

    @property
    def deviation(self) -> float:
        """The standard deviation of the gaps in the window, as of a whole population."""
        return sqrt(max(0.0, self._squares) / len(self._gaps))

"""Phi accrual: the suspicion of an agent by the time since its last heartbeat and its earlier intervals.

N. Hayashibara, X. Défago, R. Yared, T. Katayama: "The φ Accrual Failure Detector", SRDS 2004. If the intervals
between heartbeats are normally distributed, the suspicion after t seconds without a heartbeat is

    φ(t) = -log₁₀ P(X > t),  X ~ N(mean, deviation²)

so that a threshold of 8 means one false alarm in 10⁸ heartbeats, if the distribution does not change. Mean and
deviation are those of a sliding window. Their initial values are the configured interval and a quarter of it, as in
Akka.
"""

from __future__ import annotations

from collections import deque
from math import erfc, log, log10, pi, sqrt
from statistics import NormalDist
from sys import maxsize

_STANDARD = NormalDist()
_FAR = 37.0  # deviations beyond which P(X > t) is below the smallest float, and its expansion exact to 1e-3


def phi(elapsed: float, mean: float, deviation: float) -> float:
    """The suspicion `elapsed` seconds after the last heartbeat; 0.3 at the mean, without an upper bound."""
    z = (elapsed - mean) / deviation
    if z < _FAR:
        return -log10(erfc(z / sqrt(2)) / 2)
    return (z * z / 2 + log(z * sqrt(2 * pi)) + log(1 + 1 / (z * z))) / log(10)


def phi_timeout(threshold: float, mean: float, deviation: float) -> float:
    """The inverse of `phi`: the seconds at which it reaches a threshold. For thresholds up to 300."""
    return mean - deviation * _STANDARD.inv_cdf(10.0**-threshold)


class Arrivals:
    """Mean and deviation of the last `size` intervals between heartbeats, in seconds.

    Both are updated with each interval (Welford's update for a sliding window), and computed from the intervals
    themselves whenever all of them have been replaced, so that rounding errors do not accumulate.
    """

    def __init__(self, size: int, interval: float) -> None:
        estimate = interval / 4
        self._gaps = deque((interval - estimate, interval + estimate), maxlen=min(size, maxsize))
        self._compute()

    def _compute(self) -> None:
        count = len(self._gaps)
        self.mean = sum(self._gaps) / count
        self._squares = sum((gap - self.mean) ** 2 for gap in self._gaps)
        self._until_anew = self._gaps.maxlen

    @property
    def count(self) -> int:
        """The number of intervals in the window."""
        return len(self._gaps)

    def restore(self, count: int, mean: float, deviation: float) -> None:
        """Replace the window by `count` intervals with this mean and this population standard deviation.

        Half of them are shorter than the mean and half are longer, by turns; of an odd number one equals the mean.
        """
        count = max(2, min(count, self._gaps.maxlen or count))
        apart = deviation * sqrt(count / (count - count % 2))
        self._gaps.clear()
        self._gaps.extend([mean] * (count % 2))
        self._gaps.extend((mean - apart, mean + apart) * (count // 2))
        self._compute()

    def add(self, gap: float) -> None:
        """Add an interval; removes the oldest one if the window is full."""
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
        """The population standard deviation of the intervals in the window."""
        return sqrt(max(0.0, self._squares) / len(self._gaps))

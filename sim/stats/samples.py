"""What one replication observed of a duration: complete observations, and lower bounds of those that were cut off."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Truths = NDArray[np.bool_]

MOST = 20_000
"""Observations of one replication that are kept one by one. More are counted in buckets."""
RELATIVE_ERROR = 0.001
"""By how much, at most, an observation that was counted in a bucket differs from the bucket's value."""
_NONE: Floats = np.empty(0)


@dataclass(frozen=True, slots=True)
class Values:
    """Distinct values in ascending order, and how often each was observed."""

    values: Floats
    counts: Counts

    @classmethod
    def of(cls, observations: Floats) -> Values:
        """Of observations of 0 or more, in any order; NaN, which stands for none, is left out.

        Of more than `MOST`, values are rounded to logarithmic buckets, each within `RELATIVE_ERROR`: the buckets of the
        mergeable sketch of C. Masson, J. E. Rim and H. K. Lee ("DDSketch", PVLDB 12, 2019). Every quantile is then
        within the same relative error.
        """
        seen = observations[~np.isnan(observations)]
        if len(seen) > MOST:
            base = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
            positive = np.isfinite(seen) & (seen > 0)
            buckets = np.ceil(np.log(seen[positive]) / log(base))
            seen = seen.copy()
            seen[positive] = 2 * base**buckets / (base + 1)
        values, counts = np.unique(seen, return_counts=True)
        return cls(values, counts.astype(np.int64))

    @property
    def total(self) -> int:
        """How many observations there are."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The observations of one replication, in seconds.

    `censored`: how long those had lasted that the end of the run cut off.
    """

    observed: Values
    censored: Values

    @classmethod
    def of(cls, observed: Floats, censored: Floats = _NONE) -> Sample:
        """The sample of these observations. NaN stands for what was not observed."""
        return cls(Values.of(observed), Values.of(censored))

    def __len__(self) -> int:
        return self.observed.total + self.censored.total

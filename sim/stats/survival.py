"""Observations of all replications as one sample: Kaplan–Meier quantiles and means, with intervals by replication.

The observations of one replication depend on each other, and replications do not. Estimates are therefore of the pooled
sample, and intervals are of how it differs between replications. The mean of the quantiles of single replications has a
bias that no number of replications removes, so that its interval covers less with each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, exp, floor, inf, isfinite, sqrt

import numpy as np
from scipy.special import betaincinv, stdtrit

from sim.stats.intervals import FEWEST, TAIL, Interval, Range, mean_interval, positive_interval
from sim.stats.samples import Counts, Floats, Parts, Sample, Truths

TOLERANCE = 1e-9
"""Relative. Instants are sums of floats, and what takes exactly as long as allowed is in time."""


@dataclass(frozen=True, slots=True)
class PooledEstimate:
    """A figure of the pooled sample, in its unit; infinite when it is beyond the horizon. `ci95`: None of one run."""

    value: float
    ci95: Interval | None


class Pooled:
    """The samples of all replications of one scenario as one.

    The distribution is the product-limit estimate (E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete
    observations", JASA 53, 1958) over all observations. An infinite observation never ends.
    """

    def __init__(self, times: Floats, is_complete: Truths, owner: Counts, counts: Counts, replications: int) -> None:
        """Of arrays in ascending order of the times: whether it ended then, of which replication, and how many such."""
        if not len(times):
            raise ValueError("a pooled sample needs at least one observation")
        self._times, self._complete, self._owner, self._counts = times, is_complete, owner, counts
        self.replications = replications
        self.count = int(counts.sum())
        self.censored = int(counts[~is_complete].sum())
        """Observations that were cut off."""

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Pooled:
        """The samples of these replications. Raises ValueError without an observation.

        Samples of parts of durations, some of which were cut off, are a `PooledParts`.
        """
        of_parts = [sample.parts for sample in samples if sample.parts is not None]
        if len(of_parts) == len(samples) and not all(each.is_complete.all() for each in of_parts):
            return PooledParts(of_parts)
        parts = [sample.observed for sample in samples] + [sample.censored for sample in samples]
        sizes = [len(part.values) for part in parts]
        times = np.concatenate([part.values for part in parts])
        is_complete = np.repeat(np.arange(len(parts)) < len(samples), sizes)
        owner = np.repeat(np.tile(np.arange(len(samples)), 2), sizes)
        counts = np.concatenate([part.counts for part in parts])
        order = np.lexsort((~is_complete, times))  # complete ones first: what is cut off at t was longer than t
        return cls(times[order], is_complete[order], owner[order], counts[order], len(samples))

    @cached_property
    def _hazard(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Distinct finite times of complete observations, the number of these, at risk, and surviving, at each."""
        ends_here = self._complete & np.isfinite(self._times)
        times, place = np.unique(self._times[ends_here], return_inverse=True)
        ends: Floats = np.bincount(place, self._counts[ends_here], len(times)).astype(np.float64)
        before = np.concatenate([[0], np.cumsum(self._counts)])
        at_risk = (self.count - before[np.searchsorted(self._times, times, side="left")]).astype(np.float64)
        surviving = np.asarray(np.cumprod(1 - ends / at_risk), dtype=np.float64)
        return times, ends, at_risk, surviving

    @cached_property
    def horizon(self) -> float:
        """The longest finite observation, complete or cut off. Means are restricted to it when something is cut off."""
        finite = self._times[np.isfinite(self._times)]
        return float(finite[-1]) if len(finite) else inf

    @property
    def restricted_to(self) -> float | None:
        """What observations count at most in the mean, because the longest was cut off; None: it is not restricted.

        It is also restricted where the longest has ended and stands for more than two observations, because others were
        cut off shortly before: the product-limit estimate then ends all of them at once, which is B. Efron's correction
        ("The two sample problem with censored data", Proc. Fifth Berkeley Symposium 4, 1967).
        """
        if not isfinite(float(self._times[-1])) or not self._complete.any():
            return None
        if not self._complete[-1]:
            return self.horizon
        _, ends, _, surviving = self._hazard
        left = float(surviving[-2]) if len(surviving) > 1 else 1.0
        return self.horizon if left * self.count > 2 * ends[-1] + TOLERANCE else None

    def quantile(self, share: float) -> PooledEstimate:
        """The time within which this share (above 0, below 1) has ended, with its interval by replication.

        Without censored observations, quantiles interpolate between order statistics (Hyndman & Fan 1996, type 7;
        numpy's default). The interval is R. S. Woodruff's ("Confidence intervals for medians and other position
        measures", JASA 47, 1952): that of the share that has ended by the quantile, over replications, carried back
        through the pooled distribution. A lower bound before the first observation is 0. An upper bound is infinite
        where the observations do not reach far enough for one. Where all are equal, so are the bounds. Raises
        ValueError for another share.
        """
        if not 0 < share < 1:
            raise ValueError(f"a quantile of {share:g}; valid: above 0 and below 1")
        value = self._inverse(share)
        if self.replications < 2:
            return PooledEstimate(value, None)
        if self._is_plain and self._times[0] == self._times[-1]:
            return PooledEstimate(value, (value, value))
        low, high = self._share_bounds(share, min(value, self.horizon))
        return PooledEstimate(value, (self._lower_bound(low), self._upper_bound(high)))

    def _share_bounds(self, share: float, until: float) -> Interval:
        """The union of the t-interval of a share, and of its image under the logit.

        Fewer than `FEWEST` replications may agree by chance. Then it is also not narrower than the exact binomial
        interval of independent observations.
        """
        step = float(stdtrit(self.replications - 1, 1 - TAIL)) * self._error(self._influence_on_share(until))
        odds, stretch = share / (1 - share), exp(min(step / (share * (1 - share)), 700.0))
        low = min(share - step, odds / stretch / (1 + odds / stretch))
        high = max(share + step, 1 - 1 / (1 + odds * stretch))
        if self.replications < FEWEST:
            count = self._effective_count(until)
            hits, others = count * share, count * (1 - share)
            low = min(low, float(betaincinv(hits, others + 1, TAIL)))
            high = max(high, float(betaincinv(hits + 1, others, 1 - TAIL)))
        return low, high

    def _effective_count(self, until: float) -> float:
        """How many complete observations would have the variance of the product-limit estimate at a time.

        M. Greenwood, "The natural duration of cancer", Reports on Public Health and Medical Subjects 33 (1926):
        S² Σ d / (r (r − d)). Without censored observations it is their number.
        """
        times, ends, at_risk, surviving = self._hazard
        used = (times <= until) & (ends < at_risk)
        if not self.censored or not used.any():
            return float(self.count)
        left = float(surviving[used][-1])
        odds = float((ends[used] / (at_risk[used] * (at_risk[used] - ends[used]))).sum())
        return (1 - left) / (left * odds)

    def _lower_bound(self, share: float) -> float:
        """The time of a share of `count` + 1 observations, the additional one of which has ended at once."""
        if share * (self.count + 1) < 1:
            return 0.0
        return self._at(share * (self.count + 1) - 1) if self._is_plain else min(self._inverse(share), self.horizon)

    def _upper_bound(self, share: float) -> float:
        """The time of a share of `count` + 1 observations, the additional one of which never ends.

        Without it the last observation, if it has ended, would bound every quantile.
        """
        if self._is_plain:
            place = share * (self.count + 1) - 1
            return self._at(place) if place <= self.count - 1 else inf
        times, ends, at_risk, _ = self._hazard
        reached = np.flatnonzero(np.cumprod(1 - ends / (at_risk + 1)) <= 1 - share)
        return float(times[reached[0]]) if len(reached) else inf

    def share_within(self, seconds: float) -> PooledEstimate:
        """The share that has ended within a time. The interval is of the pseudo-values of the replications."""
        value = self._share(seconds * (1 + TOLERANCE))
        if self.replications < 2:
            return PooledEstimate(value, None)
        return PooledEstimate(value, mean_interval(np.clip(self.pseudo_shares(seconds), 0, 1), Range.SHARE))

    def pseudo_shares(self, seconds: float) -> Floats:
        """A share for each replication, of which the pooled share within a time is the mean."""
        moved = self._influence_on_share(seconds * (1 + TOLERANCE))
        return self._share(seconds * (1 + TOLERANCE)) + self.replications * moved

    def mean(self) -> PooledEstimate:
        """The mean, restricted to `horizon` when something is cut off: of the shorter of both.

        The interval is of `pseudo_means`. Infinite, without an interval, when an observation is infinite, or when none
        has ended.
        """
        if not isfinite(float(self._times[-1])) or not self._complete.any():
            return PooledEstimate(inf, None)
        value = float(self._area.sum())
        return PooledEstimate(value, None if self.replications < 2 else positive_interval(self.pseudo_means))

    @cached_property
    def _area(self) -> Floats:
        """The area below the survival curve before each complete time, and after the last one."""
        times, _, _, surviving = self._hazard
        steps = np.diff(np.concatenate([[0.0], times, [self.horizon]]))
        area: Floats = np.concatenate([[1.0], surviving]) * steps
        return area

    @cached_property
    def pseudo_means(self) -> Floats:
        """A mean for each replication, of which the pooled mean is the mean: its influence on it, times their number.

        With equally many complete observations in each, these are the means of the replications.
        """
        value = float(self._area.sum())
        remaining = value - np.cumsum(self._area)[:-1]  # below the curve from each complete time on
        return value + self.replications * self._influence(remaining, inf)

    def pseudo_quantiles(self, share: float) -> Floats:
        """A quantile for each replication, of which the pooled one is about the mean: its influence times their number.

        The influence on the quantile is that on the share, divided by the density there (R. R. Bahadur, "A note on
        quantiles in large samples", Annals of Mathematical Statistics 37, 1966). The density is that between the bounds
        of the interval, as far as the observations reach. (The jackknife of a quantile is not consistent.)
        """
        value = self._inverse(share)
        if self.replications < 2 or not isfinite(value):
            return np.full(self.replications, value)
        most = self._share(self.horizon) if not self._is_plain else 1.0
        low, high = self._share_bounds(share, value)
        low, high = max(low, 1 / (self.count + 1)), min(high, most, self.count / (self.count + 1))
        slope = (self._inverse(high) - self._inverse(low)) / (high - low) if low < high else 0.0
        values: Floats = value - self.replications * self._influence_on_share(value) * slope
        return values

    @cached_property
    def deviation(self) -> float | None:
        """The standard deviation (n − 1 in the denominator), restricted like the mean; None of one observation."""
        mean = self.mean().value
        if self.count < 2 or not isfinite(mean):
            return None
        times, _, _, surviving = self._hazard
        mass = -np.diff(surviving, prepend=1.0)
        left = float(surviving[-1]) if len(surviving) else 1.0
        variance = float((mass * (times - mean) ** 2).sum()) + left * (self.horizon - mean) ** 2
        return sqrt(variance * self.count / (self.count - 1))

    @property
    def maximum(self) -> float:
        """The longest; infinite when the longest was cut off."""
        return float(self._times[-1]) if self._complete[-1] else inf

    # ------------------------------------------------------------------------------------------------ inside
    @property
    def _is_plain(self) -> bool:
        """Whether every observation is complete and finite."""
        return not self.censored and isfinite(float(self._times[-1]))

    def _inverse(self, share: float) -> float:
        if self._is_plain:
            return self._at((self.count - 1) * min(share, 1.0))
        times, _, _, surviving = self._hazard
        reached = np.flatnonzero(surviving <= 1 - share + 1e-12)
        return float(times[reached[0]]) if len(reached) else inf

    def _at(self, place: float) -> float:
        """The order statistic at a place from 0 on, between two of them by interpolation."""
        place = min(place, self.count - 1.0)
        before = np.cumsum(self._counts)
        low, high = self._times[np.searchsorted(before, [floor(place), ceil(place)], side="right")]
        return float(low + (high - low) * (place - floor(place)))

    def _share(self, until: float) -> float:
        times, _, _, surviving = self._hazard
        place = int(np.searchsorted(times, until, side="right"))
        return 1 - float(surviving[place - 1]) if place else 0.0

    def _influence_on_share(self, until: float) -> Floats:
        left = 1 - self._share(until)
        return -self._influence(np.full(len(self._hazard[0]), left), until)

    def _influence(self, weight: Floats, until: float) -> Floats:
        """How much each replication moves an estimate: the sum over its observations of the influence of each.

        `weight` at each complete time is what the estimate loses with all of the survival from there on. The influence
        of an observation is that of the product-limit estimate (N. Reid, "Influence functions for censored data",
        Annals of Statistics 9, 1981); without censored ones, (x − mean) / n for a mean.
        """
        times, ends, at_risk, _ = self._hazard
        used = (times <= until) & (ends < at_risk)
        per_end = np.zeros(len(times))
        per_end[used] = weight[used] / (at_risk[used] - ends[used])
        expected = np.concatenate([[0.0], np.cumsum(per_end * ends / at_risk)])
        seen = np.searchsorted(times, self._times, side="right")
        moved = expected[seen]
        ends_here = self._complete & np.isfinite(self._times)
        moved[ends_here] -= per_end[seen[ends_here] - 1]
        influence: Floats = np.bincount(self._owner, moved * self._counts, self.replications).astype(np.float64)
        return influence

    def _error(self, moved: Floats) -> float:
        return sqrt(self.replications / (self.replications - 1) * float(np.sum(moved**2)))


class PooledParts(Pooled):
    """Parts of durations, some of which were cut off, of all replications as one sample.

    How long a part lasts says when the duration ends, so that a part that was cut off is not censored independently.
    Each part therefore has the weight that the product-limit estimate of the durations gives its duration (D. Y. Lin,
    W. Sun and Z. Ying, "Nonparametric estimation of the gap time distributions for serial events with censored data",
    Biometrika 86, 1999). The weight of what is beyond the horizon is that of the longest duration, whose parts count so
    far (B. Efron, "The two sample problem with censored data", Proc. Fifth Berkeley Symposium 4, 1967). So the means of
    all parts add up to that of the durations. Intervals are those of the jackknife by replication.
    """

    def __init__(self, samples: Sequence[Parts]) -> None:
        """The parts of these replications, in order. Raises ValueError without an observation."""
        parts, wholes, is_complete = (
            np.concatenate([getattr(each, name) for each in samples]) for name in ("parts", "wholes", "is_complete")
        )
        owner = np.repeat(np.arange(len(samples)), [len(each.parts) for each in samples])
        ended = is_complete | samples[0].are_over
        order = np.lexsort((~ended, parts))
        super().__init__(parts[order], ended[order], owner[order], np.ones(len(parts), dtype=np.int64), len(samples))
        self._wholes, self._whole_is_complete = wholes[order], is_complete[order]

    @cached_property
    def _weights(self) -> Floats:
        return self._weights_of(np.ones(len(self._times), dtype=np.bool_))

    @cached_property
    def _weights_without(self) -> Floats:
        """The weights without each replication, one row for each."""
        return np.array([self._weights_of(self._owner != number) for number in range(self.replications)])

    def _weights_of(self, kept: Truths) -> Floats:
        """The weights of the kept observations, which add up to 1."""
        weights = np.zeros(len(self._times))
        wholes, is_complete = self._wholes[kept], self._whole_is_complete[kept]
        if not len(wholes):
            return weights
        order = np.lexsort((~is_complete, wholes))
        ones = np.ones(len(order), dtype=np.int64)
        curve = Pooled(wholes[order], is_complete[order], np.zeros_like(ones), ones, 1)
        times, ends, _, surviving = curve._hazard
        of_kept = np.zeros(len(wholes))
        if len(times):
            mass = -np.diff(surviving, prepend=1.0) / ends
            of_kept[is_complete] = mass[np.searchsorted(times, wholes[is_complete])]
        longest = ~is_complete & (wholes == wholes.max())
        if longest.any():
            of_kept[longest] = (float(surviving[-1]) if len(surviving) else 1.0) / np.count_nonzero(longest)
        weights[kept] = of_kept
        return weights

    def mean(self) -> PooledEstimate:
        """The mean; what the horizon cuts off counts as much as it has lasted."""
        value = float((self._weights * self._times).sum())
        return PooledEstimate(value, None if self.replications < 2 else positive_interval(self.pseudo_means))

    @cached_property
    def pseudo_means(self) -> Floats:
        """A mean for each replication, by the jackknife."""
        return self._pseudo_values(self._times)

    @cached_property
    def deviation(self) -> float | None:
        """The standard deviation (n − 1 in the denominator) under the same weights; None of one observation."""
        if self.count < 2:
            return None
        mean = self.mean().value
        variance = float((self._weights * (self._times - mean) ** 2).sum())
        return sqrt(variance * self.count / (self.count - 1))

    def _pseudo_values(self, of: Floats) -> Floats:
        """n times the weighted sum of all, less n − 1 times that without each replication."""
        values: Floats = self.replications * float((self._weights * of).sum()) - (self.replications - 1) * (
            self._weights_without @ of
        )
        return values

    def _inverse(self, share: float) -> float:
        reached = np.flatnonzero(np.cumsum(np.where(self._complete, self._weights, 0.0)) >= share - 1e-12)
        return float(self._times[reached[0]]) if len(reached) else inf

    def _share(self, until: float) -> float:
        return float(self._weights[self._complete & (self._times <= until)].sum())

    def _influence_on_share(self, until: float) -> Floats:
        ended_by_then = (self._complete & (self._times <= until)).astype(np.float64)
        moved: Floats = (self._pseudo_values(ended_by_then) - self._share(until)) / self.replications
        return moved

    def _effective_count(self, until: float) -> float:
        return 1 / float((self._weights**2).sum())

    def _upper_bound(self, share: float) -> float:
        return self._inverse(share * (self.count + 1) / self.count)

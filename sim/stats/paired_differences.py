"""Paired differences of two settings on common random numbers.

Both settings are run on the same replications, whose streams are keyed by name, so that a task has the same work and an
agent crashes at the same time in both. The common variation cancels in the difference, and far fewer replications are
needed than with independent random numbers (A. M. Law, "Simulation Modeling and Analysis", 5th ed., 11.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np
from scipy.special import stdtr

from scenarios.fields.metrics import Direction
from sim.stats.estimates import CONFIDENCE, Estimate, estimate

BETTER = "better"
WORSE = "worse"
DIFFERENT = "different"
NOT_SHOWN = "no difference shown"
CONTINUOUS = ("s", "agent-s")
"""Units of continuous quantities, which are never equal by chance."""
LEVEL = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric under two settings, b − a, over the replications that observed it under both.

    `p` is the two-sided p-value of no difference (paired t-test), `adjusted_p` the same among all metrics that are
    compared at once (Holm). `variance_reduction` is the factor by which independent random numbers would need more
    replications for the same interval: (Var a + Var b) / Var(b − a). `unpaired`: replications that observed it under
    one setting only.
    """

    metric: str
    unit: str
    direction: Direction
    a: float
    b: float
    difference: Estimate
    p: float
    adjusted_p: float
    variance_reduction: float | None
    unpaired: int = 0

    @property
    def relative(self) -> float | None:
        """The difference as a fraction of a; None when a is 0."""
        return self.difference.mean / abs(self.a) if self.a else None

    @property
    def verdict(self) -> str:
        """Of b against a: better, worse, different (for a metric without a direction), or no difference shown."""
        if not self.adjusted_p < LEVEL:
            return NOT_SHOWN
        if self.direction is None:
            return DIFFERENT
        return BETTER if (self.difference.mean > 0) == (self.direction == "higher") else WORSE


@dataclass(frozen=True, slots=True)
class Observed:
    """The observations of a metric by replication; None: not observed."""

    metric: str
    unit: str
    direction: Direction
    a: Sequence[float | None]
    b: Sequence[float | None]


def differences(observed: Sequence[Observed]) -> dict[str, Difference]:
    """The difference of each metric that at least two replications observed under both settings."""
    found: dict[str, Difference] = {}
    for each in observed:
        pairs = [
            (one, other) for one, other in zip(each.a, each.b, strict=True) if one is not None and other is not None
        ]
        if len(pairs) < 2 or not all(isfinite(value) for pair in pairs for value in pair):
            continue
        seen = [pair for pair in zip(each.a, each.b, strict=True) if pair != (None, None)]
        found[each.metric] = _difference(each, np.array(pairs, dtype=np.float64), len(seen) - len(pairs))
    adjusted = holm({name: difference.p for name, difference in found.items()})
    return {name: _with(difference, adjusted[name]) for name, difference in found.items()}


def _difference(of: Observed, pairs: np.ndarray[tuple[int, int], np.dtype[np.float64]], unpaired: int) -> Difference:
    a, b = pairs[:, 0], pairs[:, 1]
    step = b - a
    spread, apart = float(step.var(ddof=1)), float(a.var(ddof=1) + b.var(ddof=1))
    p = _p_value(float(step.mean()), spread, len(step), of.unit)
    return Difference(
        of.metric,
        of.unit,
        of.direction,
        float(a.mean()),
        float(b.mean()),
        estimate(step.tolist(), of.unit),
        p,
        p,
        apart / spread if spread > 0 else inf if apart > 0 else None,
        unpaired,
    )


def _p_value(mean: float, variance: float, count: int, unit: str) -> float:
    """Two-sided, of Student's t with n − 1 degrees of freedom.

    A constant difference of a continuous quantity is not chance. For counts it may be: then the sign test, 2^(1 − n).
    """
    if variance == 0:
        return 1.0 if mean == 0 else 0.0 if unit in CONTINUOUS else 2.0 ** (1 - count)
    return 2 * float(stdtr(count - 1, -abs(mean) / sqrt(variance / count)))


def _with(difference: Difference, adjusted_p: float) -> Difference:
    values = {name: getattr(difference, name) for name in Difference.__slots__}
    return Difference(**{**values, "adjusted_p": adjusted_p})


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values, valid for all hypotheses together: the largest (m − j + 1) · p₍ⱼ₎ up to each in order.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    ordered = sorted(p_values, key=lambda name: (p_values[name], name))
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - place) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}

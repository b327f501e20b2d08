"""Distributions of durations, in seconds. Each has a mean, a vectorized sampler, and a constant value or None.

Formulas: Law, *Simulation Modeling and Analysis*, chapter 6 (continuous distributions), unless a class says otherwise.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from scenarios.errors import invalid, shown
from scenarios.fields.base import Form, OneOf
from scenarios.fields.csv_columns import FromFile
from scenarios.fields.quantities import (
    DURATION_SCHEMA,
    LASTING_SCHEMA,
    Number,
    PositiveCount,
    PositiveSeconds,
    Quantity,
    Seconds,
    bounded,
    seconds,
)

Draws = NDArray[np.float64]
LARGEST_VARIATION = 1000
"""Limit on coefficients of variation. Far above it no run is long enough to estimate the mean."""


def _above_zero(value: float) -> float:
    if value <= 0:
        raise invalid(f"{shown(value)} is impossible; valid: more than 0")
    return value


def _variation(value: float) -> float:
    if not 0 <= value <= LARGEST_VARIATION:
        raise invalid(f"{shown(value)} is impossible; valid: 0 to {LARGEST_VARIATION}")
    return value


def _high_variation(value: float) -> float:
    if not 1 <= value <= LARGEST_VARIATION:
        below = " (below 1, erlang and lognormal fit)" if value < 1 else ""
        raise invalid(f"{shown(value)} is impossible; valid: 1 to {LARGEST_VARIATION}{below}")
    return value


PositiveNumber = Annotated[Number, AfterValidator(_above_zero), bounded(exclusiveMinimum=0), Quantity("number > 0")]
Variation = Annotated[
    Number,
    AfterValidator(_variation),
    bounded(minimum=0, maximum=LARGEST_VARIATION),
    Quantity(f"number from 0 to {LARGEST_VARIATION}"),
]
HighVariation = Annotated[
    Number,
    AfterValidator(_high_variation),
    bounded(minimum=1, maximum=LARGEST_VARIATION),
    Quantity(f"number from 1 to {LARGEST_VARIATION}"),
]


class Constant(Form):
    """Always the same value."""

    kind: ClassVar[str] = "constant"
    value: Seconds = Field(description="the value")

    @property
    def constant(self) -> float | None:
        """The value."""
        return self.value

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """`size` times the value."""
        return np.full(size, self.value)


class Uniform(Form):
    """Uniform on [low, high)."""

    kind: ClassVar[str] = "uniform"
    low: Seconds = Field(description="the least value")
    high: Seconds = Field(description="the greatest value")

    @model_validator(mode="after")
    def _in_order(self) -> Uniform:
        if self.high < self.low:
            raise invalid(f"{shown(self.high)} is impossible; valid: at least low, {shown(self.low)}", "high")
        return self

    @property
    def constant(self) -> float | None:
        """The value when `low` is `high`, else None."""
        return self.low if self.low == self.high else None

    @property
    def mean(self) -> float:
        """(low + high) / 2."""
        return (self.low + self.high) / 2

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values: low + (high − low)·U."""
        return generator.uniform(self.low, self.high, size)


class Exponential(Form):
    """Exponential: no memory, coefficient of variation 1."""

    kind: ClassVar[str] = "exponential"
    mean: PositiveSeconds = Field(description="the mean")

    @property
    def constant(self) -> float | None:
        """None."""
        return None

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        return generator.exponential(self.mean, size)


class Normal(Form):
    """Normal with parameters `mean` and `sd`, truncated at zero: conditioned on being at least 0.

    Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995): for α = −mean/sd the
    truncated distribution has the mean `mean + sd·φ(α)/(1 − Φ(α))`; by inversion, a draw is the point that the normal
    exceeds with probability U·(1 − Φ(α)).
    """

    kind: ClassVar[str] = "normal"
    location: Seconds = Field(alias="mean", description="mean before truncation")
    sd: Seconds = Field(description="standard deviation before truncation")

    @property
    def constant(self) -> float | None:
        """The mean when `sd` is 0, else None."""
        return self.location if self.sd == 0 else None

    @property
    def mean(self) -> float:
        """The mean after truncation, which is above the parameter."""
        if self.sd == 0:
            return self.location
        cut = self.location / self.sd
        density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
        return self.location + self.sd * density / _normal_cdf(cut)

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        from scipy.special import ndtri  # noqa: PLC0415 - imports in a tenth of a second, and few scenarios need it

        if self.sd == 0:
            return np.full(size, self.location)
        exceeded = (1.0 - generator.random(size)) * _normal_cdf(self.location / self.sd)
        drawn: Draws = np.maximum(self.location - self.sd * ndtri(exceeded), 0.0)
        return drawn


class Lognormal(Form):
    """Lognormal with the given mean and coefficient of variation: σ² = ln(1 + cv²), µ = ln(mean) − σ²/2."""

    kind: ClassVar[str] = "lognormal"
    mean: PositiveSeconds = Field(description="the mean")
    cv: Variation = Field(description="coefficient of variation: standard deviation over mean")

    @property
    def constant(self) -> float | None:
        """The mean when `cv` is 0, else None."""
        return self.mean if self.cv == 0 else None

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        variance = math.log1p(self.cv * self.cv)
        return generator.lognormal(math.log(self.mean) - variance / 2, math.sqrt(variance), size)


class Hyperexponential(Form):
    """Two exponential branches with balanced means: highly variable, cv ≥ 1.

    Allen, *Probability, Statistics, and Queueing Theory*, 2nd ed., section 3.2.9: with
    p = (1 + √((cv² − 1)/(cv² + 1)))/2 a branch has the mean mean/(2p), the other, taken with 1 − p, mean/(2(1 − p)).
    """

    kind: ClassVar[str] = "hyperexponential"
    mean: PositiveSeconds = Field(description="the mean")
    cv: HighVariation = Field(description="coefficient of variation, at least 1")

    @property
    def constant(self) -> float | None:
        """None."""
        return None

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        square = self.cv * self.cv
        often = (1 + math.sqrt((square - 1) / (square + 1))) / 2
        branch = generator.random(size) < often
        means = np.where(branch, self.mean / (2 * often), self.mean / (2 * (1 - often)))
        return generator.standard_exponential(size) * means


class Weibull(Form):
    """Weibull: shape below 1 for early failures, 1 exponential, above 1 for wear. Mean scale·Γ(1 + 1/shape)."""

    kind: ClassVar[str] = "weibull"
    scale: PositiveSeconds = Field(description="the 63rd percentile")
    shape: PositiveNumber = Field(description="below 1: early failures; above 1: wear")

    @property
    def constant(self) -> float | None:
        """None."""
        return None

    @property
    def mean(self) -> float:
        """scale·Γ(1 + 1/shape), infinite when it exceeds the range of floats."""
        try:
            return self.scale * math.gamma(1 + 1 / self.shape)
        except OverflowError:
            return math.inf

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        return self.scale * generator.weibull(self.shape, size)


class Erlang(Form):
    """The sum of `k` exponential stages with the given total mean: cv = 1/√k."""

    kind: ClassVar[str] = "erlang"
    k: PositiveCount = Field(description="number of stages")
    mean: PositiveSeconds = Field(description="the mean")

    @property
    def constant(self) -> float | None:
        """None."""
        return None

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        return generator.gamma(self.k, self.mean / self.k, size)


class Pareto(Form):
    """Pareto (type I): P(X > x) = (minimum/x)^alpha. Heavy tail; the mean is infinite for alpha ≤ 1.

    Johnson, Kotz, Balakrishnan, *Continuous Univariate Distributions* 1, chapter 20.
    """

    kind: ClassVar[str] = "pareto"
    minimum: PositiveSeconds = Field(description="the least value")
    alpha: PositiveNumber = Field(description="the tail's exponent")

    @property
    def constant(self) -> float | None:
        """None."""
        return None

    @property
    def mean(self) -> float:
        """alpha·minimum/(alpha − 1), infinite for alpha ≤ 1."""
        return math.inf if self.alpha <= 1 else self.alpha * self.minimum / (self.alpha - 1)

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values."""
        return self.minimum * (1.0 + generator.pareto(self.alpha, size))


class Empirical(FromFile):
    """Recorded durations: each draw is one of them, independently, as in a bootstrap."""

    kind: ClassVar[str] = "empirical"

    @property
    def constant(self) -> float | None:
        """The value when all are equal, else None."""
        return float(self.values[0]) if (self.values == self.values[0]).all() else None

    @property
    def mean(self) -> float:
        """The mean of the recorded durations."""
        return float(self.values.mean())

    def sample(self, generator: np.random.Generator, size: int) -> Draws:
        """Draw `size` independent values, with replacement."""
        return self.values[generator.integers(len(self.values), size=size)]


def _normal_cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


FORMS = (Constant, Uniform, Exponential, Normal, Lognormal, Hyperexponential, Weibull, Erlang, Pareto, Empirical)
AnyDistribution = (
    Constant | Uniform | Exponential | Normal | Lognormal | Hyperexponential | Weibull | Erlang | Pareto | Empirical
)


def _constant(value: Any) -> Constant:
    return Constant(value=seconds(value))


def _exponential(value: Any) -> Exponential:
    return Exponential(mean=_above_zero(seconds(value)))


def _lasting(distribution: AnyDistribution) -> AnyDistribution:
    if distribution.mean <= 0:
        raise invalid("has a mean of 0; valid: a mean of more than 0")
    return distribution


Distribution = Annotated[
    AnyDistribution, OneOf("distribution", FORMS, _constant, DURATION_SCHEMA), Quantity("distribution")
]
"""Any distribution; a bare duration is a constant."""
Interval = Annotated[
    AnyDistribution,
    OneOf("distribution", FORMS, _constant, LASTING_SCHEMA),
    AfterValidator(_lasting),
    Quantity("distribution, mean > 0"),
]
"""A distribution of the time between events: its mean is above 0; a bare duration is a constant."""
RandomInterval = Annotated[
    AnyDistribution,
    OneOf("distribution", FORMS, _exponential, LASTING_SCHEMA),
    AfterValidator(_lasting),
    Quantity("distribution, mean > 0"),
]
"""Like `Interval`, but a bare duration is the mean of an exponential."""
ZERO = Constant(value=0.0)
"""The constant 0."""

__all__ = [
    "FORMS",
    "ZERO",
    "AnyDistribution",
    "Constant",
    "Distribution",
    "Empirical",
    "Erlang",
    "Exponential",
    "Hyperexponential",
    "Interval",
    "Lognormal",
    "Normal",
    "Pareto",
    "RandomInterval",
    "Uniform",
    "Weibull",
]

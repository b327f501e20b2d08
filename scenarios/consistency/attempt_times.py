"""The duration of one attempt on a healthy agent: its work, and the checkpoints that it writes."""

from __future__ import annotations

from math import ceil, inf, log
from statistics import NormalDist

import numpy as np

from scenarios.fields.distributions import (
    AnyDistribution,
    Empirical,
    Exponential,
    Lognormal,
    Pareto,
    Uniform,
    Weibull,
)
from scenarios.schema import ScenarioFields

HIGH = 0.95
"""The quantile of durations that limits are compared with: 5 % of the attempts are longer."""
DRAWS = 1 << 16
"""Draws for a quantile without a closed form; their generator is fixed."""


def quantile(distribution: AnyDistribution, q: float) -> float:
    """A quantile of a distribution of durations, in seconds; of some, estimated from fixed draws (about 1 %)."""
    if distribution.constant is not None:
        return distribution.constant
    match distribution:
        case Uniform(low=low, high=high):
            return low + q * (high - low)
        case Exponential(mean=mean):
            return -mean * log(1 - q)
        case Lognormal(mean=mean, cv=cv):
            variance = log(1 + cv * cv)
            return float(np.exp(log(mean) - variance / 2 + variance**0.5 * NormalDist().inv_cdf(q)))
        case Weibull(scale=scale, shape=shape):
            return float(scale * (-log(1 - q)) ** (1 / shape))
        case Pareto(minimum=minimum, alpha=alpha):
            return float(minimum * (1 - q) ** (-1 / alpha))
        case Empirical():
            return float(np.quantile(distribution.values, q))
    drawn = distribution.sample(np.random.Generator(np.random.Philox(key=0)), DRAWS)
    return float(np.quantile(drawn, q))


def longest(distribution: AnyDistribution) -> float:
    """The least upper bound of a distribution; infinite where it has none."""
    if distribution.constant is not None:
        return distribution.constant
    match distribution:
        case Uniform(high=high):
            return high
        case Empirical():
            return float(distribution.values.max())
    return inf


def attempt_time(scenario: ScenarioFields, work: float) -> float:
    """The time in seconds that an attempt with so much work takes, with its checkpoints, when nothing else happens."""
    checkpoint = scenario.tasks.checkpoint
    if checkpoint is None or work <= 0:
        return work
    writes = ceil(round(work / checkpoint.every, 9)) - 1 + checkpoint.final
    return work + writes * (checkpoint.cost + scenario.storage.write)


def mean_attempt(scenario: ScenarioFields) -> float:
    """The duration of an attempt with mean work."""
    return attempt_time(scenario, scenario.tasks.work.mean)


def long_attempt(scenario: ScenarioFields) -> float:
    """The duration that 95 % of the attempts do not exceed."""
    return attempt_time(scenario, quantile(scenario.tasks.work, HIGH))

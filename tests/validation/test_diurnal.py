"""Diurnal arrivals: counts are Poisson with the integral of the rate."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

import sim
from sim.history import Event
from tests.validation.agreement import SEED, check, scenario

RATE, AMPLITUDE, PERIOD, PEAK, PARTS, DAYS = 1.0, 0.5, 1000.0, 250.0, 10, 130
DAY, NIGHT = slice(0, 5), slice(5, 10)


def integral(begin: float, end: float) -> float:
    """The integral of rate (1 + amplitude cos(2 pi (t - peak) / period)) over an interval."""

    def until(time: float) -> float:
        return time + AMPLITUDE * PERIOD / (2 * math.pi) * math.sin(2 * math.pi * (time - PEAK) / PERIOD)

    return RATE * (until(end) - until(begin))


@pytest.mark.long
def test_diurnal_counts_are_poisson_with_the_integral_of_the_rate() -> None:
    """By day and by night, and in each tenth of 130 days, the mean and the variance are the integral. E. Cinlar,
    "Introduction to Stochastic Processes" (1975), ch. 4. Wrong: as many by night as by day; and the rate at the
    beginning of a tenth for all of it, which the ten deviations tell (chi-square at one in ten thousand).
    """
    run = sim.run(
        scenario(
            PERIOD * DAYS,
            tasks=f"{{arrivals: {{diurnal: {{rate: {RATE}, amplitude: {AMPLITUDE}, period: {PERIOD}, peak: {PEAK}}}}}, "
            "work: 0s}",
            agents="{count: 1}",
        ),
        seed=SEED,
    )
    table = run.record.table
    times = table["time"][table["event"] == Event.TASK_SUBMITTED]
    edges = np.linspace(0, PERIOD, PARTS + 1)
    counts = np.histogram(times, bins=PARTS * DAYS, range=(0, PERIOD * DAYS))[0].reshape(DAYS, PARTS)
    exact = np.array([integral(begin, end) for begin, end in pairwise(edges)])
    for part in (DAY, NIGHT):
        check(counts[:, part].sum(axis=1), exact[part].sum(), wrong=RATE * PERIOD / 2)

    def deviation(means: NDArray[np.float64]) -> float:
        return float((((counts.mean(axis=0) - means) ** 2) / (means / DAYS)).sum())

    from_peak = edges[:-1] - PEAK
    first = RATE * PERIOD / PARTS * (1 + AMPLITUDE * np.cos(2 * np.pi * from_peak / PERIOD))
    assert deviation(exact) < chi2.ppf(0.9999, PARTS) < deviation(first)
    dispersion = float((((counts - exact) ** 2) / exact).sum())
    assert chi2.ppf(0.0001, PARTS * DAYS) < dispersion < chi2.ppf(0.9999, PARTS * DAYS)

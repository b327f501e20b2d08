"""The statistics that a distribution is reported by."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from scenarios.fields.metric_rows import STATISTICS
from sim.measures.tables.distribution import describe, numbers
from sim.stats.samples import Sample


def test_a_sample_by_hand() -> None:
    """1, 2, 3, 10: mean 4, sd √(50/3), and linear interpolation between the order statistics."""
    assert describe("x", Sample.of(np.array([10.0, 1.0, 3.0, 2.0]))) == pytest.approx(
        {
            "x.mean": 4.0,
            "x.sd": (50 / 3) ** 0.5,
            "x.p50": 2.5,
            "x.p95": 3 + 0.85 * 7,
            "x.p99": 3 + 0.97 * 7,
            "x.max": 10.0,
        }
    )


def test_without_an_observation_every_statistic_is_none() -> None:
    assert describe("x", Sample.of(np.array([np.nan]))) == {f"x.{statistic}": None for statistic in STATISTICS}


def test_one_observation_has_no_standard_deviation() -> None:
    assert describe("x", Sample.of(np.array([np.nan, 2.0])))["x.sd"] is None


def test_only_censored_observations_are_beyond_the_horizon() -> None:
    found = describe("x", Sample.of(np.array([]), np.array([5.0])))
    assert {name: value for name, value in found.items() if name != "x.sd"} == {
        f"x.{statistic}": inf for statistic in STATISTICS if statistic != "sd"
    }


def test_numbers_expands_samples_and_keeps_other_metrics() -> None:
    found = numbers({"count": 2.0, "missing": None, "tasks.wait": Sample.of(np.array([2.0, 4.0]))})
    assert found["count"] == 2.0
    assert found["missing"] is None
    assert found["tasks.wait.mean"] == 3.0

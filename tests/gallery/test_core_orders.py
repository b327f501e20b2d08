"""Explored orders of concurrent recoveries: the sound core survives, and a defect is found."""

from __future__ import annotations

import pytest

import sim
from tests.gallery.core_orders import consistent, forgetful, recoveries


@pytest.mark.parametrize("strategy", ["random", "pct", "bounded"])
def test_the_core_survives_every_explored_order(strategy: str) -> None:
    sim.explore(recoveries, consistent, strategy, runs=40).assert_holds()


@pytest.mark.long
def test_an_order_shows_that_a_dropped_report_loses_a_task() -> None:
    """First in, first out hides it."""
    report = sim.explore(forgetful, consistent, runs=100, shrink=False)
    (failure,) = report.failures
    assert report.rows[0].verdict == "holds"
    assert failure.deviations > 0
    with pytest.raises(AssertionError):
        sim.replay(forgetful, report.token, consistent)

"""A found warm-up against queueing theory, through ordinary scenarios and the public interface."""

from __future__ import annotations

import pytest

import scenarios
import sim
from tests.validation.agreement import SEED

SHORT = """\
name: short
duration: 1000s
tasks: {arrivals: {poisson: {rate: 0.9/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 1}
"""


@pytest.mark.slow
def test_an_initially_empty_queue_matches_theory_after_the_warm_up() -> None:
    """M/M/1 at load 0.9: L = ρ / (1 − ρ) = 9. Wrong: all of the run is measured, from the empty system on."""
    short = scenarios.loads(SHORT)
    found = sim.find_warmup(short, seed=SEED, replications=150, jobs=2)
    assert 0 < found.seconds <= 500
    without, after = (
        sim.replicate(short, SEED, 400, jobs=2, warmup=warmup).metrics["tasks.in_system.mean"].ci95
        for warmup in (None, found)
    )
    assert without is not None
    assert after is not None
    assert without[1] < 9 < after[1]
    assert after[0] < 9

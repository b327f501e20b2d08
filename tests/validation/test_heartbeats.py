"""The distribution of the detection time of a crash, by the Kolmogorov-Smirnov test."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

import sim
from tests.validation.agreement import SEED, scenario

INTERVAL, MISSED = 5.0, 3


def latencies(mtbf: float, duration: float) -> NDArray[np.float64]:
    """Seconds from each crash to the suspicion of the agent, in one run of 20 agents."""
    run = sim.run(
        scenario(
            duration,
            tasks="{arrivals: {burst: {size: 1}}, work: 1s}",
            agents=f"{{count: 20, mtbf: {mtbf}, restart_time: 20s}}",
            recovery=f"{{detection: {{detector: heartbeat, heartbeat_interval: {INTERVAL}, "
            f"missed_heartbeats: {MISSED}}}}}",
        ),
        seed=SEED,
    )
    history = run.history
    crashes: dict[int, float] = {}
    found = []
    for row in history[history["event"].isin(["agent.crashed", "agent.suspected"])].itertuples():
        if row.event == "agent.crashed":
            crashes[row.agent] = row.time
        elif row.agent in crashes:
            found.append(row.time - crashes.pop(row.agent))
    return np.array(found)


@pytest.mark.parametrize("crashes", [300, pytest.param(1_900, marks=pytest.mark.slow)])
def test_the_detection_latency_is_uniform_over_one_interval(crashes: int) -> None:
    """With crashes at random and a phase at random, the last beat before a crash is as old as a uniform part of the
    interval h: detection after m h - U(0, h), for m missed beats. h = 5 s, m = 3; agents register
    with a beat at their start, which makes one crash in eighty a little earlier, too little to be seen. Kolmogorov and
    Smirnov at one in ten thousand. Wrong: a beat more, m h + U; the mean always; and no detection after m h.
    """
    found = latencies(mtbf=2_000, duration=crashes * 2_000 / 19)
    assert len(found) > crashes * 0.8
    low, high = (MISSED - 1) * INTERVAL, MISSED * INTERVAL
    assert low <= found.min() <= found.max() <= high
    assert kstest(found, "uniform", (low, INTERVAL)).pvalue > 1e-4
    assert kstest(found, "uniform", (high, INTERVAL)).pvalue < 1e-4
    assert kstest(found, "uniform", (0.0, high)).pvalue < 1e-4
    assert abs(found - (low + high) / 2).mean() > INTERVAL / 5

"""Failure detectors against closed forms: false alarm rates and detection times.

As everywhere in this folder: seeds are fixed beforehand, and the wrong model beside each right one is rejected.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import kstest, norm, truncnorm

import scenarios
import sim
from sim.history import Event

SEED = 20241


def per_beat(result_of: scenarios.Scenario, replications: int, beats: float) -> tuple[float, float, int]:
    """False alarms per heartbeat: mean over replications, standard error, and number of replications."""
    result = sim.replicate(result_of, seed=SEED, replications=replications)
    rates = result.frame.query("metric == 'detection.agent.false_positives'")["value"].to_numpy() / beats
    return float(rates.mean()), float(rates.std(ddof=1) / np.sqrt(len(rates))), len(rates)


def agrees(found: tuple[float, float, int], exact: float, wrong: float, width: float) -> None:
    """Assert that a rate lies within four standard errors of the exact one, and not of the wrong one."""
    mean, error, replications = found
    assert stdtrit(replications - 1, 0.975) * error <= width * exact, f"{mean} ± {error} is too wide to tell anything"
    assert abs(mean - exact) <= 4 * error, f"{mean} ± {error} is not {exact}"
    assert abs(mean - wrong) > 4 * error, f"{mean} ± {error} cannot be told from {wrong}"


QUIET = """
name: theory
duration: {duration}
tasks: {{arrivals: {{burst: {{size: 1}}}}, work: 1s}}
agents: {{count: {agents}}}
network: {network}
recovery: {{detection: {{detector: {detector}, heartbeat_interval: 1s, {more}}}}}
"""


@pytest.mark.parametrize(("replications", "width"), [(4, 0.2), pytest.param(20, 0.05, marks=pytest.mark.slow)])
def test_the_false_alarm_rate_matches_runs_of_lost_heartbeats(replications: int, width: float) -> None:
    """Beats are lost independently with probability p. An alarm takes a run of m losses: a beat that arrives is
    followed by one with probability p^m, so that per beat sent there are (1 - p) p^m alarms (a renewal argument; W.
    Feller, "An Introduction to Probability Theory", vol. 1, XIII.7: runs of length at least m begin at this rate).

    p = 0.3, m = `missed_heartbeats` = 4: a beat at the very instant of the deadline, 4 intervals after the last one, is
    in time, so that it takes four losses. Wrong is p^m, which counts each loss of a long run anew.
    """
    p, missed, duration, agents = 0.3, 4, 1_000, 25
    text = QUIET.format(
        duration=duration,
        agents=agents,
        network=f"{{loss: {p}}}",
        detector="heartbeat",
        more=f"missed_heartbeats: {missed}, phase: aligned",
    )
    found = per_beat(scenarios.loads(text), replications, agents * duration)
    agrees(found, (1 - p) * p**missed, wrong=p**missed, width=width)


@pytest.mark.parametrize(("replications", "width"), [(4, 0.2), pytest.param(10, 0.05, marks=pytest.mark.slow)])
def test_the_phi_accrual_false_alarm_rate_matches_its_threshold(replications: int, width: float) -> None:
    """Latencies are normal with deviation s, so that gaps are normal with deviation s·√2, and a gap is an alarm when it
    exceeds mean + z·deviation, P(Z > z) = 10^-threshold (Hayashibara et al. 2004).

    A silence that was suspected is no gap to judge the next by (as in Akka), so that mean and deviation are those of a
    normal distribution that is cut off at the patience itself: c = m(c) + z·d(c), with m and d those of Z given Z <= c,
    and P(Z > c) alarms a beat. For a threshold of 2 that is 0.0142 and not 0.01, the wrong model that forgets it; so is
    0.05, of a deviation of s.
    """
    z = -norm.ppf(0.01)
    cut = brentq(lambda c: truncnorm.mean(-np.inf, c) + z * truncnorm.std(-np.inf, c) - c, 1.0, z)
    duration, agents = 6_000, 4
    text = QUIET.format(
        duration=duration,
        agents=agents,
        network="{latency: {normal: {mean: 400ms, sd: 50ms}}}",
        detector="phi_accrual",
        more="phi_threshold: 2, phi_min_deviation: 1ms, phase: aligned",
    ).replace("name: theory", "name: theory\nwarmup: 1000")
    found = per_beat(scenarios.loads(text), replications, agents * (duration - 1_000))
    agrees(found, float(norm.sf(cut)), wrong=0.01, width=width)
    assert abs(found[0] - 0.05) > 4 * found[1]


@pytest.mark.parametrize("duration", [8_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_the_detection_time_of_regular_heartbeats_is_uniform(duration: int) -> None:
    """A crash comes at a random moment, so that the last beat is uniform over the interval before it; three missed
    beats are 15 s, and the latency is uniform over (10 s, 15 s]: mean 12.5 s, standard deviation 5/√12 s.

    The whole distribution, by Kolmogorov and Smirnov at the level of 1 in 1,000. Wrong: detection takes all the 15 s.
    """

    text = f"""
name: theory
duration: {duration}
tasks: {{arrivals: {{burst: {{size: 1}}}}, work: 1s}}
agents: {{count: 100, restart_time: 50s, mtbf: 2000s}}
"""
    run = sim.run(scenarios.loads(text), seed=SEED)
    history = run.record
    table = history.table
    crashed: dict[int, float] = {}
    latencies = []
    for time, event, agent in zip(table["time"], table["event"], table["agent"], strict=True):
        if event == Event.AGENT_CRASHED:
            crashed[int(agent)] = float(time)
        elif event == Event.AGENT_SUSPECTED:
            latencies.append(float(time) - crashed[int(agent)])
    assert len(latencies) > duration * 0.045
    assert kstest(latencies, "uniform", args=(10, 5)).pvalue > 1e-3
    assert kstest(latencies, "uniform", args=(10.5, 5)).pvalue < 1e-3
    assert run.metrics["detection.latency.mean"] is not None
    assert abs(run.metrics["detection.latency.mean"] - 12.5) <= 4 * 5 / np.sqrt(12 * len(latencies))

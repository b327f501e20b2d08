"""Sequential replication until a precision is reached."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import scenarios
import sim
from sim.experiments.runs.unobserved import NeverObserved
from sim.stats.estimates import Estimate, estimate
from sim.stats.precision import LEAST, Asked, next_check, reached

pytestmark = pytest.mark.long


def asked(epsilon=0.1, most=1000):
    return Asked(epsilon, ("x",), most)


def around(mean, half_width):
    return Estimate(mean, (mean - half_width, mean + half_width), 10, "s")


def test_a_relative_half_width_bounds_the_relative_error():
    """|mean − µ| ≤ hw = ε/(1 + ε) · mean ≤ ε/(1 + ε) · (µ + hw), which is |mean − µ| ≤ ε · µ."""
    assert asked(0.25).relative_half_width == pytest.approx(0.2)
    assert reached(asked(0.25), "x", around(10, 2)).holds
    assert not reached(asked(0.25), "x", around(10, 2.01)).holds
    assert reached(asked(), "x", around(10, 2)).epsilon == pytest.approx(0.25)
    assert reached(asked(), "x", around(-10, 2)).epsilon == pytest.approx(0.25)


BEYOND = Estimate(math.inf, (20.0, math.inf), 10, "s")
"""A quantile beyond the horizon."""


@pytest.mark.parametrize("found", [None, Estimate(3.0, None, 1, "s"), around(0, 1), around(1, 5), BEYOND])
def test_a_missing_or_infinite_interval_is_not_precise(found):
    assert reached(asked(), "x", found).epsilon == math.inf
    assert next_check(asked(), LEAST, [found]) == 2 * LEAST


def test_equal_replications_are_precise_when_there_are_enough():
    """After n equal ones, another value has a probability of at most 1 − 0.05^(1/n): 1/21 or less from n = 62 on."""
    half = 1 - 0.05 ** (1 / 61), 1 - 0.05 ** (1 / 62)
    assert half[0] > asked(0.05).relative_half_width > half[1]
    enough = [next_check(asked(0.05), n, [estimate([5.0] * n, "s")]) is None for n in (10, 61, 62)]
    assert enough == [False, False, True]


@pytest.mark.parametrize("unit", ["s", "tasks", "fraction", "agent-s"])
def test_zeros_are_never_precise(unit):
    for count in (10, 500):
        assert not reached(asked(0.9), "x", estimate([0.0] * count, unit)).holds


def test_failures_that_are_rare_do_not_end_the_replications_by_their_absence():
    """0.05 failures a run: no failure in ten runs, in 6 of 10 cases. 10 % takes about 400 failures: 8,000 runs."""
    counts = np.random.default_rng(3).poisson(0.05, 20_000).astype(float)
    counts[:LEAST] = 0
    of, count = asked(0.1, most=20_000), LEAST
    while (look := next_check(of, count, [estimate(counts[:count], "tasks")])) is not None:
        count = look
    assert 5_000 < count < 20_000
    assert estimate(counts[:count], "tasks").mean == pytest.approx(0.05, rel=0.1)


def test_the_first_check_is_after_ten_replications():
    assert next_check(asked(), 0, []) == LEAST
    assert next_check(asked(), 3, [around(5, 0)]) == LEAST


def test_the_next_check_is_at_the_estimated_number_and_at_most_doubles():
    width = asked(0.1).relative_half_width * 10
    assert next_check(asked(0.1), 20, [around(10, width * math.sqrt(1.38))]) == 28
    assert next_check(asked(0.1), 20, [around(10, width * 5)]) == 40
    assert (
        next_check(asked(0.1), 20, [around(10, width), around(10, width * math.sqrt(1.38))]) == 28
    )  # the worst counts
    assert next_check(asked(0.1, most=25), 20, [around(10, width * 5)]) == 25
    assert next_check(asked(0.1, most=20), 20, [around(10, width * 5)]) is None


@given(st.floats(0.001, 0.9), st.integers(LEAST, 500), st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_replication_stops_at_the_precision_or_at_the_limit(epsilon, count, half_width, mean):
    of = Asked(epsilon, ("x",), 400)
    found = around(mean, half_width)
    look = next_check(of, count, [found])
    if look is None:
        assert reached(of, "x", found).holds or count >= 400
    else:
        assert count < look <= min(400, 2 * count)


def test_the_final_interval_has_nearly_nominal_coverage():
    """Sequential stopping costs some coverage; Law and Kelton found 0.90 and above for nominal 0.95."""
    generator, covered = np.random.default_rng(5), 0
    for _ in range(400):
        values = generator.exponential(1.0, 1000)
        count = LEAST
        while (look := next_check(asked(0.15), count, [estimate(values[:count].tolist())])) is not None:
            count = look
        low, high = estimate(values[:count].tolist()).ci95
        covered += low <= 1.0 <= high
    _, high = stats.binomtest(covered, 400).proportion_ci(0.999)
    assert high >= 0.90


@pytest.fixture(scope="module")
def short():
    return scenarios.load("agent-failure").with_values(
        {"duration": "20m", "warmup": "2m", "tasks.arrivals.poisson.rate": "0.2/s"}
    )


def test_the_number_of_replications_does_not_depend_on_jobs(short):
    looks, heard = [], []
    one = sim.replicate(short, seed=7, precision=0.02, on_look=looks.append, on_precision=heard.append)
    two = sim.replicate(short, seed=7, precision=0.02, jobs=2)
    assert one.frame.equals(two.frame)
    assert looks[0] == LEAST
    assert looks[-1] == len(one.runs) > LEAST
    assert heard[-1] == one.precision
    assert [each.holds for (each,) in heard] == [*[False] * (len(looks) - 1), True]
    (found,) = one.precision
    assert (found.metric, found.holds) == ("recovery.time.mean", True)
    assert found.epsilon <= 0.02
    plain = sim.replicate(short, seed=7, replications=len(one.runs))
    assert plain.metrics == one.metrics
    assert one.as_json()["precision"]["metrics"]["recovery.time.mean"]["holds"] is True


def test_an_unreached_precision_is_reported(short):
    found = sim.replicate(short, seed=7, precision=Asked(0.001, ("tasks.sojourn.p99",), 12))
    assert len(found.runs) == 12
    assert [each.holds for each in found.precision] == [False]
    assert found.as_json()["precision"] == {
        "asked": 0.001,
        "most": 12,
        "metrics": {"tasks.sojourn.p99": {"reached": found.precision[0].epsilon, "holds": False}},
    }


def test_without_recoveries_the_precision_is_that_of_task_metrics():
    calm = scenarios.load("baseline").with_values({"duration": "10m", "warmup": "1m"})
    assert [each.metric for each in sim.replicate(calm, seed=1, precision=0.5).precision] == ["tasks.sojourn.mean"]


def test_an_interrupt_keeps_finished_replications(short):
    def stop(summary):
        if summary.seed == "7/4":
            raise KeyboardInterrupt

    found = sim.replicate(short, seed=7, precision=0.02, on_run=stop)
    assert (found.interrupted, len(found.runs)) == (True, 5)


@pytest.mark.parametrize("metric", ["tasks.within(60s)", "tasks.sojourn.p90", "recovery.agent_failure.time.p50"])
def test_a_metric_that_is_computed_when_it_is_asked_for_can_be_precise(short, metric):
    found = sim.replicate(short, seed=7, precision=Asked(0.9, (metric,), most=LEAST))
    assert metric in found.metrics
    assert metric in found.runs[0].metrics
    assert found.precision[0].holds


def test_an_unobserved_metric_is_rejected_after_the_first_check():
    calm = scenarios.load("baseline").with_values({"duration": "10m", "warmup": "1m"})
    runs, looks = [], []
    with pytest.raises(
        NeverObserved,
        match=r"^detection\.latency\.mean: baseline observes it in none of the first 10 replications; valid: one that "
        r"it observes, such as tasks\.sojourn\.mean$",
    ):
        sim.replicate(
            calm,
            seed=1,
            precision=Asked(0.05, ("tasks.sojourn.mean", "detection.latency.mean")),
            on_run=runs.append,
            on_look=looks.append,
        )
    assert (len(runs), looks) == (LEAST, [LEAST])


@pytest.mark.parametrize("precision", [0.0, 1.0, -0.1, Asked])
def test_an_invalid_precision_is_rejected(short, precision):
    with pytest.raises(ValueError, match=r"must be between 0 and 1|valid: 10 or more"):
        sim.replicate(short, precision=precision if precision is not Asked else Asked(0.1, (), 3))


def test_a_single_replication_has_no_precision(short):
    with pytest.raises(ValueError, match="7/3 is one replication, of which there is no precision"):
        sim.replicate(short, seed="7/3", precision=0.1)

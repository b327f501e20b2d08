"""Warm-up detection: the end of the transient, and rejected series."""

import math

import numpy as np
import pytest

import scenarios
import sim
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.warmup import SLICES, NoWarmup, _check_trend, mser5
from sim.stats.estimates import estimate

pytestmark = pytest.mark.long

QUEUE = """\
name: queue
seed: 7
duration: 10m
tasks: {arrivals: {poisson: {rate: %s}}, work: {exponential: {mean: 1s}}}
agents: {count: 2}
"""


@pytest.fixture(scope="module")
def queue():
    return scenarios.loads(QUEUE % "1/s")


# ------------------------------------------------------------------------------------------------------------- MSER-5
def autoregressive(generator, bias, time_constant, count=500, runs=10):
    """Mean over runs of xₜ = 0.5 xₜ₋₁ + noise, with a bias that decays exponentially."""
    noise = generator.normal(size=(runs, count))
    series = np.zeros((runs, count))
    for place in range(1, count):
        series[:, place] = 0.5 * series[:, place - 1] + noise[:, place]
    return series.mean(axis=0) + bias * np.exp(-np.arange(count) / time_constant)


def test_a_cut_computed_by_hand():
    """Batch means 10, 0, 1, 0, 1, …: without the first, their spread is always a quarter."""
    means = [10.0, *[0.0, 1.0] * 10]
    series = np.repeat(means, 5)
    assert mser5(series) == 5
    assert mser5([*series, 50.0, 50.0, 50.0, 50.0]) == 5  # no whole batch: not looked at
    assert mser5(series[5:]) == 0


def test_a_decaying_bias_is_cut_about_where_it_ends():
    generator = np.random.default_rng(3)
    cuts = [mser5(autoregressive(generator, bias=-10, time_constant=30)) for _ in range(40)]
    assert None not in cuts
    left = 10 * np.exp(-np.median(cuts) / 30)
    sd = math.sqrt(1 / (1 - 0.5**2) / 10)
    assert left < sd, "what is left of it is lost in the noise"
    assert np.median(cuts) < 5 * 30


def test_a_stationary_series_is_hardly_cut():
    generator = np.random.default_rng(4)
    cuts = [mser5(autoregressive(generator, bias=0, time_constant=1)) for _ in range(40)]
    assert np.median(cuts) == 0
    assert np.mean([cut <= 50 for cut in cuts if cut is not None]) > 0.85


@pytest.mark.parametrize("level", [0.0, 0.1, 1e9])
def test_a_constant_series_is_not_cut_despite_rounding(level):
    assert mser5(level * (1 + 1e-14 * np.arange(500))) == 0


@pytest.mark.parametrize("shape", [lambda t: t, lambda t: -t, np.sqrt, lambda t: t**2])
def test_a_trend_is_rejected(shape):
    noise = np.random.default_rng(6).normal(size=500)
    assert mser5(shape(np.arange(500.0)) + 0.1 * noise) is None


def test_a_bias_into_the_second_half_is_rejected():
    generator = np.random.default_rng(7)
    assert [mser5(autoregressive(generator, bias=-10, time_constant=120)) for _ in range(10)] == [None] * 10


def test_correlated_values_at_the_end_are_not_rejected():
    series = np.random.default_rng(8).normal(size=500)
    series[-30:] = 0.0
    assert mser5(series) is not None


def test_an_initially_empty_queue_is_unbiased_only_after_the_cut():
    """M/M/1 at load 0.9, as a chain of arrivals and departures (uniformization): L = ρ / (1 − ρ) = 9."""
    generator = np.random.default_rng(20241)

    def queues(runs, steps=4000):
        up = generator.random((steps, runs)) < 0.9 / 1.9
        number, series = np.zeros(runs), np.empty((steps, runs))
        for step in range(steps):
            number = np.where(up[step], number + 1, np.maximum(number - 1, 0))
            series[step] = number
        return series

    cut = mser5(queues(500).mean(axis=1))
    assert 0 < cut < 2000
    fresh = queues(1000)
    without, after = (estimate(part.mean(axis=0).tolist()) for part in (fresh, fresh[cut:]))
    assert without.ci95[1] < 9
    assert after.ci95[0] < 9 < after.ci95[1]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([1.0] * 49, "49 observations are too few for MSER-5; valid: 50 or more"),
        ([1.0] * 99 + [math.nan], "not finite"),
    ],
)
def test_invalid_mser_input_is_rejected(series, message):
    with pytest.raises(ValueError, match=message):
        mser5(series)


# ---------------------------------------------------------------------------------------------------------- scenarios
def test_a_found_warm_up_replaces_that_of_the_scenario(queue):
    changed = queue.with_values({"warmup": "4m"})
    found = sim.find_warmup(changed, replications=5)
    assert 0 <= found.seconds <= 300
    assert found.seconds == 600 * mser5(found.series.to_numpy()) / SLICES
    assert found.scenario == changed.with_values({"warmup": found.seconds})
    assert (found.metric, found.replications) == ("tasks.in_system.mean", 5)


def test_the_series_is_the_mean_of_the_pilots(queue):
    found = sim.find_warmup(queue, seed=7, replications=4)
    pilots = [sim.run(queue, f"7/warmup.{number}").metrics["tasks.in_system.mean"] for number in range(4)]
    assert found.series.mean() == pytest.approx(np.mean(pilots))
    assert found.series.index[-1] == 600
    assert found.series.iloc[0] < found.series.mean() / 2


def test_pilots_differ_from_the_measured_runs(queue):
    pilots = sim.find_warmup(queue, replications=3).series.mean()
    measured = sim.replicate(queue, replications=3).metrics["tasks.in_system.mean"].mean
    assert pilots != pytest.approx(measured)


def test_the_result_depends_on_the_seed(queue):
    assert not sim.find_warmup(queue, seed=8).series.equals(sim.find_warmup(queue, seed=7).series)


@pytest.mark.usefixtures("parallel")
def test_the_result_does_not_depend_on_jobs_or_replications(queue):
    one = sim.find_warmup(queue, seed=7, replications=3)
    for other in (
        sim.find_warmup(queue, seed=7, replications=3, jobs=2),
        sim.find_warmup(queue, seed="7/5", replications=3, backend=Backend("loky", 2)),
    ):
        assert other.series.equals(one.series)
        assert other.seconds == one.seconds


def test_planned_faults_are_disabled_and_random_breakdowns_stay(queue):
    alone = sim.find_warmup(queue, replications=3)
    hit = queue.with_values({"faults": [{"agent_hang": {"targets": "all", "at": "10s", "for": "200s"}}]})
    assert sim.find_warmup(hit, replications=3).series.equals(alone.series)
    breaking = queue.with_values({"agents.mtbf": "60s", "agents.restart_time": "5s"})
    assert sim.find_warmup(breaking, replications=3).series.mean() > 1.2 * alone.series.mean()


def test_a_fault_before_the_end_of_the_warm_up_is_reported(queue):
    slow = queue.with_values({"tasks.arrivals": {"poisson": {"rate": "1.8/s"}}})
    found = sim.find_warmup(slow, replications=5)
    assert found.seconds > 2
    assert found.warning is None
    early = slow.with_values({"faults": [{"agent_crash": {"at": "590s"}}, {"agent_crash": {"at": "2s"}}]})
    found = sim.find_warmup(early, replications=5)
    assert found.warning == (
        f"The warm-up that was found ends at {found.seconds:g}s, and the first fault comes at 2s: what is recovered "
        "before it ends is not measured."
    )
    assert found.as_json()["warning"] == found.warning
    again = slow.with_values({"faults": [{"agent_crash": {"every": "2s"}}]})
    assert sim.find_warmup(again, replications=5).warning is None


def test_a_result_records_whether_the_warm_up_was_found(queue):
    found = sim.find_warmup(queue, replications=3, metric="tasks.throughput")
    result = sim.replicate(queue, replications=2, warmup=found)
    assert result.scenario == found.scenario
    assert result.as_json()["warmup"] == {
        "seconds": found.seconds,
        "found": True,
        "metric": "tasks.throughput",
        "replications": 3,
    }
    given = sim.replicate(queue.with_values({"warmup": "5m"}), replications=2)
    assert given.as_json()["warmup"] == {"seconds": 300.0, "found": False}


def test_clients_without_think_time_use_the_throughput(queue):
    """Their number is constant."""
    busy = queue.with_values({"tasks.arrivals": {"closed": {"clients": 5}}})
    assert sim.find_warmup(busy, replications=3).metric == "tasks.throughput"
    number = sim.find_warmup(busy, replications=3, metric="tasks.in_system.mean")
    assert number.series.to_numpy() == pytest.approx(5.0)
    assert number.seconds == 0
    thinking = queue.with_values({"tasks.arrivals": {"closed": {"clients": 5, "think": "2s"}}})
    assert sim.find_warmup(thinking, replications=3).metric == "tasks.in_system.mean"


def trace(folder, until):
    (folder / "arrivals.csv").write_text("time\n" + "\n".join(str(second) for second in range(until)) + "\n")
    return {"trace": {"file": str(folder / "arrivals.csv"), "column": "time"}}


def test_a_trace_that_ends_before_the_run_has_no_steady_state(queue, tmp_path):
    ending = queue.with_values({"tasks.arrivals": trace(tmp_path, 300)})
    with pytest.raises(NoWarmup, match=r"queue: its recorded load ends at 299s, .*; valid: .*duration=299s"):
        sim.find_warmup(ending)
    lasting = queue.with_values({"tasks.arrivals": trace(tmp_path, 601)})
    assert sim.find_warmup(lasting, replications=3).seconds < 300


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"tasks.arrivals": {"poisson": {"rate": "2.4/s"}}},
            (
                r"^queue: is overloaded: 2.4 tasks/s × 1 s on 2 slots of agents: a load of 120 %; the queue grows .*; "
                r"valid: agents.count=3 or more, fewer or shorter tasks, .*, or a warmup that is given$"
            ),
        ),
        ({"tasks.arrivals": {"interval": {"every": "250ms"}}}, r": a load of 200 %; .* agents.count=5 or more"),
        ({"tasks.arrivals": {"poisson": {"rate": "2/s"}}}, r"is overloaded: .*: a load of 100 %"),
        (
            {"tasks.arrivals": {"poisson": {"rate": "1.5/s"}}, "tasks.failure_probability": 0.4},
            r"\(1.62 attempts per task\) on 2 slots of agents: a load of 1\d\d",
        ),
        ({"tasks.needs": {"gpu": 1}, "resources": {"gpu": {"units": 1}}}, "valid: resources.gpu.units=2 or more"),
        (
            {"agents.count": 401, "tasks.work": "400s"},
            r"tasks.in_system.mean has not settled in the first half of the run \(600s\); valid: a longer duration",
        ),
        ({"tasks.arrivals": {"burst": {"size": 9}}}, "queue: a burst is measured from its first .*; valid: warmup=0s"),
        ({"tasks.count": 100}, "queue: ends after 100 tasks and is measured as a whole; valid: .*tasks.count=null"),
        ({"tasks.arrivals": {"diurnal": {"rate": "1/s", "period": "3m"}}}, "for ever; valid: .* warmup=180s"),
    ],
)
def test_a_scenario_without_steady_state_is_rejected_with_advice(queue, values, message):
    with pytest.raises(NoWarmup, match=message):
        sim.find_warmup(queue.with_values(values), replications=3)


@pytest.mark.parametrize("rate", [2.0, 2.6])
def test_every_seed_of_an_overloaded_scenario_is_rejected_before_the_pilots(queue, rate):
    """A queue that grows at a constant rate has slices with a spread that MSER-5 accepts in some runs."""
    overloaded = queue.with_values({"tasks.arrivals": {"poisson": {"rate": rate}}})
    runs = []
    for seed in range(10):
        with pytest.raises(NoWarmup, match="is overloaded"):
            sim.find_warmup(overloaded, seed=seed, on_run=lambda: runs.append(1))
    assert runs == []


def test_a_limited_queue_settles_at_any_load(queue):
    limited = queue.with_values({"tasks.arrivals": {"poisson": {"rate": "4/s"}}, "queue.capacity": 10})
    assert sim.find_warmup(limited, replications=5).seconds < 60


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))])
def test_a_queue_that_repeated_requests_overload_is_rejected_by_its_trend(queue, seed):
    """The load of the first requests is 0.9; each that waits longer than its client adds another one."""
    storm = queue.with_values(
        {
            "tasks.arrivals": {"poisson": {"rate": "1.8/s"}},
            "tasks.client": {"timeout": "4s", "max_retries": 5},
        }
    )
    with pytest.raises(NoWarmup, match=r"still rises in the last quarter .* by \d\d%|has not settled"):
        sim.find_warmup(storm, seed=seed, replications=5)


def test_constant_growth_is_a_trend_and_a_steady_level_is_none(queue):
    generator = np.random.default_rng(4)
    noise = generator.normal(size=(5, SLICES))
    _check_trend(queue, "tasks.in_system.mean", 10 + noise)
    _check_trend(queue, "tasks.throughput", np.arange(SLICES) + noise)
    with pytest.raises(NoWarmup, match=r"by 40% from the quarter before it"):
        _check_trend(queue, "tasks.in_system.mean", np.arange(SLICES) + noise)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"metric": "recovery.time.mean"},
            "recovery.time.mean: is not known of slices of a run; valid: queue.depth.mean",
        ),
        (
            {"metric": "tasks.sojourn.mean"},
            "queue: tasks.sojourn.mean is not observed all the time; valid: tasks.in_sys",
        ),
        ({"replications": 0}, "0 replications on 1 jobs; valid: 1 or more of each"),
        ({"jobs": 0}, "10 replications on 0 jobs; valid: 1 or more of each"),
    ],
)
def test_an_unknown_method_is_rejected(queue, asked, message):
    with pytest.raises(ValueError, match=message):
        sim.find_warmup(queue, **asked)

"""Rare events of whole runs: closed forms, and bounds without hits."""

import math

import pytest
from scipy import stats
from scipy.linalg import expm

import scenarios
import sim
from sim.experiments.rare_events.events import RareError, event_of, level_of
from sim.stats.intervals import binomial

pytestmark = pytest.mark.long

QUEUE = scenarios.loads("""
name: queue
duration: 30s
tasks: {arrivals: {poisson: {rate: 0.5/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 1}
recovery: {detection: {detector: perfect}}
""")
FLEET = scenarios.loads("""
name: fleet
duration: 100s
tasks: {arrivals: {interval: {every: 5s}}, work: 1ms}
agents: {count: 10, mtbf: 500s, restart_time: 1h}
recovery: {detection: {detector: perfect}}
""")
SLOW_START = scenarios.loads("""
name: slow-start
duration: 300s
tasks: {arrivals: {interval: {every: 4s}}, work: 1ms}
agents: {count: 2, restart_time: {exponential: {mean: 20s}}}
recovery: {detection: {detector: perfect}}
faults: [{agent_crash: {targets: 1, at: 10s}}]
""")

FAILING = scenarios.loads("""
name: failing
duration: 30s
tasks: {arrivals: {burst: {size: 1}}, work: 2s, failure_probability: 0.1}
agents: {count: 1}
recovery: {detection: {detector: perfect}, conditions: {task_failure: {max_retries: 3, retry_delay: 1s}}}
""")


def queue_reaches(depth):
    """P(an initially empty M/M/1 queue reaches `depth` within 30 s): its Markov chain with that state absorbing."""
    states = depth + 2  # one is in service
    rates = [[0.0] * states for _ in range(states)]
    for number in range(states - 1):
        rates[number][number + 1] = 0.5
        if number:
            rates[number][number - 1] = 1.0
        rates[number][number] = -sum(rates[number])
    return float(expm([[30 * rate for rate in row] for row in rates])[0, -1])


def within(found, exact, times=1.5):
    """In the interval, or nearly: one of twenty is not."""
    low, high = found.ci95
    return exact / times <= high and low <= exact * times and low < found.probability < high


def test_identical_splittings_give_the_interval_of_plain_replications():
    scenario = scenarios.load("agent-failure").with_values({"duration": "5m", "warmup": "0s", "faults": []})
    found = sim.rare(scenario, "tasks.in_system.mean > 0", 7, 2, particles=5)
    assert {each.probability for each in found.splittings} == {1.0}
    assert found.ci95 == binomial(10, 10)
    assert found.ci95[0] < 0.75


def test_queue_depth_probabilities_match_the_markov_chain():
    found = sim.rare(QUEUE, "queue.depth.max >= 16", 7, replications=6, particles=30, jobs=2)
    exact = queue_reaches(16)
    assert 5e-6 < exact < 2e-5
    assert found.level == "queue.depth"
    assert within(found, exact)
    assert found.plain_needed > 20 * found.runs


@pytest.mark.parametrize("particles", [10, pytest.param(30, marks=pytest.mark.slow)])
def test_simultaneous_agent_failures_match_the_binomial(particles):
    """Lifetimes are drawn when an agent starts: without drawing them again, all trajectories would have one fate."""
    found = sim.rare(FLEET, "agents.up.mean < 11", 7, level=None, replications=10)
    assert found.probability == 1.0
    found = sim.rare(FLEET, "recovery.count >= 8", 7, level="agents.down", replications=6, particles=particles)
    exact = stats.binom.sf(7, 10, 1 - math.exp(-100 / 500))
    assert 1e-5 < exact < 1e-4
    assert within(found, exact)


@pytest.mark.parametrize(
    ("values", "tasks", "replications", "particles"),
    [
        ({}, 1, 8, 10),
        *(
            pytest.param(values, tasks, 25, 20, marks=pytest.mark.slow)
            for values, tasks in (
                ({}, 1),
                ({"tasks.failure_at": "uniform", "tasks.work": {"exponential": {"mean": "2s"}}}, 1),
                ({"tasks.arrivals": {"burst": {"size": 5}}, "agents.count": 5}, 5),
            )
        ),
    ],
)
def test_failures_alone_reach_an_event_of_failures(values, tasks, replications, particles):
    """P(a task is given up) = 0.1^4. Wrong: no hit, as the outcome of an attempt is drawn when it starts."""
    found = sim.rare(FAILING.with_values(values), "tasks.failed > 0", 7, replications, particles=particles)
    assert found.level == "tasks.attempts"
    assert found.plain_hits == 0 or tasks > 1
    assert within(found, 1 - (1 - 0.1**4) ** tasks)


@pytest.mark.parametrize("particles", [10, pytest.param(30, marks=pytest.mark.slow)])
def test_recovery_time_follows_the_drawn_restart_time(particles):
    """P(restart > 150 s) = exp(−7.5), of which plain replications see 1 in 1,800."""
    found = sim.rare(SLOW_START, "recovery.time > 150s", 7, replications=6, particles=particles)
    assert found.level == "recovery.age"
    assert within(found, math.exp(-7.5))


def test_a_hit_can_be_repeated():
    found = sim.rare(QUEUE, "queue.depth.max >= 10", 7, replications=2, particles=20)
    assert any("@" in name for name in found.hits)
    for name in found.hits:
        assert sim.run(QUEUE, name).metrics["queue.depth.max"] >= 10


@pytest.mark.usefixtures("parallel")
def test_the_number_of_processes_does_not_change_the_estimate():
    here, there = (
        sim.rare(QUEUE, "queue.depth.max >= 7", 7, replications=3, particles=10, jobs=jobs) for jobs in (1, 2)
    )
    assert here.as_json() == there.as_json()
    assert here.as_json() != sim.rare(QUEUE, "queue.depth.max >= 7", 8, replications=3, particles=10).as_json()


def test_plain_replications_equal_those_of_run():
    found = sim.rare(QUEUE, "queue.depth.max >= 4", 7, level=None, replications=45)
    hits = [f"7/{n}" for n in range(45) if sim.run(QUEUE, 7, n).metrics["queue.depth.max"] >= 4]
    assert found.plain_hits == len(hits) > 1
    assert found.hits == tuple(sorted(hits, key=len)[:3])
    assert found.probability == len(hits) / 45
    exact = stats.binomtest(len(hits), 45).proportion_ci(0.95, "exact")
    assert found.ci95 == pytest.approx((exact.low, exact.high))


def test_without_a_hit_the_upper_bound_is_positive():
    plain = sim.rare(QUEUE, "tasks.lost > 0", 7, replications=30)
    assert plain.level is None
    assert plain.probability is None
    assert plain.ci95 == (0.0, pytest.approx(1 - 0.05 ** (1 / 30)))
    split = sim.rare(QUEUE, "tasks.lost > 0", 7, level="agents.down", replications=2, particles=5)
    assert split.probability is None
    assert split.ci95 == (0.0, pytest.approx(1 - 0.05 ** (1 / 10)))
    assert split.as_json()["probability"] is None


def test_a_violated_invariant_can_be_the_event():
    assert sim.rare(QUEUE, "consistency.violations == 0", 7, level=None, replications=3).probability == 1.0


def test_an_interrupt_keeps_finished_results():
    done = []

    def stop(number):
        done.append(number)
        if len(done) == 2:
            raise KeyboardInterrupt

    found = sim.rare(QUEUE, "queue.depth.max >= 5", 7, replications=4, particles=5, on_done=stop)
    assert found.interrupted
    assert len(found.splittings) == 2


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ("recovery.time > 600", "recovery.time.max", 600.0),
        ("recovery.time.p95>=10m", "recovery.time.p95", 600.0),
        ("tasks.lost > 0", "tasks.lost", 0.0),
        ("agents.availability < 50%", "agents.availability", 0.5),
    ],
)
def test_an_event_is_a_metric_and_a_bound(text, metric, value):
    event = event_of(QUEUE, text)
    assert (event.metric, event.value) == (metric, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recovery.time", "not an event; valid: metric operator value"),
        ("recovery.tine > 5", "unknown metric 'recovery.tine'"),
        ("recovery.time < 5", "has many values in a run; valid: recovery.time.mean"),
        ("recovery.time > soon", "recovery.time.max"),
        ("resources.gpu.utilization > 5%", "gpu"),
    ],
)
def test_an_invalid_event_is_rejected(text, message):
    with pytest.raises(RareError, match=message):
        event_of(QUEUE, text)


def test_a_level_is_the_default_an_explicit_one_or_none():
    event = event_of(QUEUE, "recovery.time > 600")
    assert level_of(event, "natural") == "recovery.age"
    assert level_of(event, "queue.depth") == "queue.depth"
    assert level_of(event, None) is None
    assert level_of(event_of(QUEUE, "recovery.time.mean < 5"), "natural") is None
    assert level_of(event_of(QUEUE, "agents.availability < 5%"), "natural") == "agents.down"
    with pytest.raises(RareError, match=r"queue\.dept: not a level; .*'queue\.depth'"):
        level_of(event, "queue.dept")


def test_the_frame_contains_the_levels():
    found = sim.rare(QUEUE, "queue.depth.max >= 6", 7, replications=2, particles=10)
    assert list(found.frame.columns) == ["splitting", "level", "probability"]
    last = found.frame.groupby("splitting")["probability"].min()
    assert last.tolist() == [each.probability for each in found.splittings]


@pytest.mark.parametrize(
    ("how", "error"), [({"replications": 0}, ValueError), ({"jobs": 0}, ValueError), ({"particles": 1}, RareError)]
)
def test_invalid_numbers_are_rejected(how, error):
    with pytest.raises(error, match="valid"):
        sim.rare(QUEUE, "queue.depth.max >= 6", 7, **how)


def test_a_value_already_exceeded_at_the_end_is_a_hit():
    """A recovery that never ends within the run takes over 280 s, because it began 290 s before the end."""
    scenario = SLOW_START.with_values({"agents.restart_time": "1h"})
    for event, probability in {"recovery.time > 280s": 1.0, "recovery.time > 295s": None}.items():
        assert sim.rare(scenario, event, 7, level=None, replications=3).probability == probability
    stuck = SLOW_START.with_values({"agents.count": 1, "agents.restart_time": "1h"})
    for event, probability in {
        "tasks.wait >= 285s": 1.0,
        "tasks.sojourn > 285s": 1.0,
        "tasks.wait > 295s": None,
    }.items():
        assert sim.rare(stuck, event, 7, level=None, replications=3).probability == probability

"""Trajectories that branch: a shared past and a conditionally distributed future."""

import itertools

import numpy as np
import pytest
from scipy import stats

import scenarios
import sim
from sim.randomness.branching import Branch, Trajectory
from sim.simulation import simulate

RUNS = 150


def first(event, subject=None, nth=0):
    """When something happens for the nth time in a run; the end of the run if it does not."""

    def of(scenario, name):
        history = simulate(scenario, name).frame()
        rows = history[history["event"] == event]
        if subject is not None:
            rows = rows[rows["subject"] == subject]
        return float(rows["time"].iloc[nth]) if len(rows) > nth else scenario.duration

    return of


BASE = """
name: pending
duration: 45s
tasks: {{arrivals: {{interval: {{every: 1s}}}}, work: {work}}}
agents: {{count: 30, restart_time: {restart}, mtbf: {mtbf}}}
recovery: {{detection: {{detector: perfect}}, conditions: {{task_failure: {{max_retries: 0}}}}}}
faults: {faults}
"""
WEIBULL = "{weibull: {scale: 25, shape: 4}}"
"""It ages: who has lived for 20 s does not live as long again as one who is new."""


def pending(work="1ms", restart="1s", mtbf="null", faults="[]", **more):
    more = {path.replace("__", "."): value for path, value in more.items()}
    return scenarios.loads(BASE.format(work=work, restart=restart, mtbf=mtbf, faults=faults)).with_values(more)


PENDING = {
    "a lifetime": (pending(mtbf=WEIBULL), 200, first("agent.crashed", "agent.3")),
    "a restart": (
        pending(restart=WEIBULL, faults="[{agent_crash: {targets: [agent.3], at: 1s}}]"),
        100,
        first("agent.restarted"),
    ),
    "the next fault": (
        pending(faults=f"[{{agent_crash: {{targets: 1, every: {WEIBULL}}}}}]"),
        100,
        first("fault.injected"),
    ),
    "work that was begun": (pending(work=WEIBULL), 60, first("task.completed", "task.0")),
    "work that a crash has cut short": (
        pending(work=WEIBULL, faults="[{agent_crash: {targets: [agent.0], at: 8s}}]"),
        70,
        first("task.completed", "task.0"),
    ),
    "a failure within constant work": (
        pending(work="40s", tasks__failure_probability=0.7, tasks__failure_at="uniform"),
        60,
        first("attempt.failed", "task.0"),
    ),
    "a failure within random work": (
        pending(work=WEIBULL, tasks__failure_probability=0.7, tasks__failure_at="uniform"),
        60,
        first("attempt.failed", "task.0"),
    ),
    "success or failure within random work": (
        pending(work=WEIBULL, tasks__failure_probability=0.7, tasks__failure_at="uniform"),
        60,
        first("attempt.succeeded", "task.0"),
    ),
    "a failure at the end of random work": (
        pending(work=WEIBULL, tasks__failure_probability=0.7),
        60,
        first("attempt.failed", "task.0"),
    ),
    "a failure between checkpoints": (
        pending(
            work=WEIBULL,
            tasks__failure_probability=0.7,
            tasks__failure_at="uniform",
            tasks__checkpoint={"every": "3s", "cost": "500ms"},
        ),
        60,
        first("attempt.failed", "task.0"),
    ),
    "a failure on an agent that hangs": (
        pending(
            work=WEIBULL,
            tasks__failure_probability=0.7,
            tasks__failure_at="uniform",
            faults="[{agent_hang: {targets: [agent.0], at: 4s, for: 9s}}]",
            recovery__detection={"detector": "heartbeat", "missed_heartbeats": 9},
        ),
        60,
        first("attempt.failed", "task.0"),
    ),
    "a think time": (
        pending(tasks__arrivals={"closed": {"clients": 30, "think": {"weibull": {"scale": "25s", "shape": 4}}}}),
        60,
        first("task.submitted", nth=20),
    ),
    "the latency of a message": (
        pending(network__latency={"weibull": {"scale": "25s", "shape": 4}}),
        40,
        first("attempt.started", "task.0"),
    ),
    "the latency of a delivery": (
        pending(queue__latency={"weibull": {"scale": "25s", "shape": 4}}),
        40,
        first("attempt.started", "task.0"),
    ),
    "the duration of a fault": (
        pending(faults=f"[{{agent_slow: {{targets: 3, at: 1s, factor: 2, for: {WEIBULL}}}}}]"),
        60,
        first("fault.cleared", nth=2),
    ),
    "the time down of an agent that flaps": (
        pending(restart="1h", faults=f"[{{agent_flap: {{targets: [agent.3], at: 1s, down: {WEIBULL}, up: 1s}}}}]"),
        60,
        first("fault.cleared"),
    ),
    "the delay of a conditional fault": (
        pending(faults=f"[{{agent_crash: {{targets: 1, when: queue.depth >= 0, after: {WEIBULL}}}}}]"),
        60,
        first("fault.injected"),
    ),
    "the phase of heartbeats": (
        pending(
            duration="2m",
            faults="[{agent_crash: {targets: [agent.3], at: 70s}}]",
            recovery__detection={"detector": "heartbeat", "heartbeat_interval": "60s", "missed_heartbeats": 1},
        ),
        60,
        first("recovery.opened"),
    ),
}


@pytest.mark.parametrize(
    "what", [what if what == "a restart" else pytest.param(what, marks=pytest.mark.long) for what in PENDING]
)
def test_a_pending_event_is_redrawn_conditional_on_its_age(what):
    """Branching at a fixed event changes no probability: the future is distributed as without a branch."""
    scenario, events, when = PENDING[what]
    plain = [when(scenario, f"7/{number}") for number in range(RUNS)]
    left = [when(scenario, f"8/{number}@{events}:1") for number in range(RUNS)]
    assert stats.ks_2samp(plain, left).pvalue > 0.01
    began = float(sim.run(scenario, "7/0").history["time"].iloc[events - 1])
    assert 5 < began < 20, "it is to be under way"
    parent = when(scenario, "7/0")
    assert parent > began
    others = [when(scenario, f"7/0@{events}:{draws}") for draws in range(5)]
    within = [time for time in others if time < scenario.duration]
    assert len({*within}) == len(within) >= 2
    assert len(within) == 5 or scenario.tasks.failure_probability, "only a failure may not come at all"
    assert min(others) > began


CROWD = scenarios.loads("""
name: crowd
duration: 45s
tasks: {arrivals: {burst: {size: 2000}}, work: {weibull: {scale: 25, shape: 4}}}
agents: {count: 2000}
recovery: {detection: {detector: perfect}, conditions: {task_failure: {max_retries: 0}}}
""")
"""All tasks start at once, so that one branched run is a sample of 2,000."""
P = 0.7
BRANCH = 10.0  # seconds


def failed_on_the_way(times):
    """P(failed by t) = p E[min(t / W, 1)], W exponential with mean 25."""
    quantiles = -25 * np.log1p(-(np.arange(10_000) + 0.5) / 10_000)
    return P * np.minimum(np.asarray(times)[:, None] / quantiles, 1).mean(axis=1)


def worked(times):
    return 1 - np.exp(-((np.asarray(times) / 25) ** 4))


ON_THE_WAY = {"tasks.failure_probability": P, "tasks.failure_at": "uniform"}
OBSERVED = {
    "failures within random work": (
        {**ON_THE_WAY, "tasks.work": {"exponential": {"mean": 25}}},
        "attempt.failed",
        failed_on_the_way,
    ),
    "successes despite failures within the work": (
        {**ON_THE_WAY, "tasks.work": {"exponential": {"mean": 25}}},
        "attempt.succeeded",
        lambda t: (1 - P) * -np.expm1(-np.asarray(t) / 25),
    ),
    "failures within constant work": (
        {**ON_THE_WAY, "tasks.work": "30s"},
        "attempt.failed",
        lambda t: P * np.minimum(np.asarray(t) / 30, 1),
    ),
    "failures at the end": ({"tasks.failure_probability": P}, "attempt.failed", lambda t: P * worked(t)),
    "latencies of messages": (
        {"network.latency": {"weibull": {"scale": 25, "shape": 4}}},
        "attempt.started",
        worked,
    ),
    "latencies of deliveries": ({"queue.latency": {"weibull": {"scale": 25, "shape": 4}}}, "attempt.started", worked),
    "think times": (
        {"tasks.arrivals": {"closed": {"clients": 2000, "think": {"weibull": {"scale": 25, "shape": 4}}}}},
        "task.submitted",
        worked,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("what", OBSERVED)
def test_a_branch_leaves_the_distribution_of_the_future_exact(what):
    """Kolmogorov-Smirnov, with the events before the branch and those after it in one sample.

    Wrong: a failure redrawn as if the attempt had just started; a failure that is kept does not show here, but in the
    next test.
    """
    values, event, exact = OBSERVED[what]
    scenario = CROWD.with_values(values)
    parent = sim.run(scenario, "7/0").history
    branch = int((parent["time"] < BRANCH).sum())
    child = simulate(scenario, f"7/0@{branch}:1").frame()
    times = np.sort(child[child["event"] == event]["time"].to_numpy())[:2000]
    expected, steps = exact(times), np.arange(len(times) + 1) / 2000
    distance = max((steps[1:] - expected).max(), (expected - steps[:-1]).max())
    assert distance < stats.kstwo.ppf(0.99, 2000)
    assert 0 < (times < BRANCH).mean() < 0.8


@pytest.mark.long
def test_a_branch_redraws_which_attempts_fail():
    """With constant work, only the fate of an attempt is random: its independent copies agree with p^2 + (1 - p)^2."""
    scenario = CROWD.with_values({"tasks.failure_probability": P, "tasks.work": "30s"})
    parent = sim.run(scenario, "7/0").history
    started = int((parent["time"] < BRANCH).sum())
    fates = [
        set(of[of["event"] == "attempt.failed"]["task"])
        for of in (parent, *(simulate(scenario, f"7/0@{started}:{draws}").frame() for draws in (1, 2)))
    ]
    for one, other in itertools.pairwise(fates):
        agree = 1 - len(one ^ other) / 2000
        assert agree == pytest.approx(P**2 + (1 - P) ** 2, abs=0.04)


LOADED = """
name: loaded
duration: 100s
tasks: {arrivals: {poisson: {rate: 1.5/s}}, work: {exponential: {mean: 1s}}, failure_probability: 0.05}
agents: {count: 2, mtbf: 60s, restart_time: {exponential: {mean: 10s}}}
"""


def test_branches_share_the_past_and_not_the_future():
    scenario = scenarios.loads(LOADED)
    parent = sim.run(scenario, "7/0").history
    child = sim.run(scenario, "7/0@600:4").history
    told = ["time", "event", "subject", "detail"]
    assert parent[told].iloc[:600].equals(child[told].iloc[:600])
    left = parent["time"].iloc[599]
    assert not parent[told].iloc[600:].reset_index().equals(child[told].iloc[600:].reset_index())
    arrivals = [set(of[(of["event"] == "task.submitted") & (of["time"] > left)]["time"]) for of in (parent, child)]
    assert arrivals[0].isdisjoint(arrivals[1])


def test_a_name_is_reproducible_and_each_suffix_gives_another_run():
    scenario = scenarios.loads(LOADED)
    names = ["7/0@600:4", "7/0@600:5", "7/0@600:4@900:1", "7/0@601:4", "7/1@600:4"]
    hashes = [sim.run(scenario, name).history_sha256 for name in names]
    assert len(set(hashes)) == len(names)
    assert [sim.run(scenario, name).history_sha256 for name in names] == hashes


def test_a_branch_of_a_branch_shares_both_pasts():
    scenario = scenarios.loads(LOADED)
    parent, child = (sim.run(scenario, name).history for name in ("7/0@600:4", "7/0@600:4@900:1"))
    assert parent["time"].iloc[:900].equals(child["time"].iloc[:900])
    assert not parent["time"].iloc[900:1000].equals(child["time"].iloc[900:1000])


def test_a_trajectory_is_identified_by_its_name():
    trajectory = Trajectory.parse("7/3@1200:17@5000:4")
    assert trajectory == Trajectory("7/3", (Branch(1200, 17), Branch(5000, 4)))
    assert str(trajectory) == "7/3@1200:17@5000:4"
    assert str(trajectory.branched(6000, 9)) == "7/3@1200:17@5000:4@6000:9"
    assert str(trajectory.branched(5000, 9)) == "7/3@1200:17@5000:9", "what is left there is not left before"
    assert str(trajectory.branched(3000, 9)) == "7/3@1200:17@3000:9"


@pytest.mark.parametrize(
    "name", ["7/3@", "7/3@12", "7/3@a:1", "@1:2", "7/3@5:1@5:2", "7/3@5:1@4:2", "7/3@0:1", "7/3@-1:1"]
)
def test_an_invalid_trajectory_is_rejected(name):
    with pytest.raises(ValueError, match="valid: as in 7/3@1200:17"):
        Trajectory.parse(name)


def test_a_branch_point_after_the_end_is_rejected():
    events = sim.run(pending(), "7/0").events
    sim.run(pending(), f"7/0@{events - 1}:1")
    wrong = f"7/0@1000000:1: branches after 1,000,000 events, but the run has {events:,}; valid: less"
    with pytest.raises(ValueError, match=wrong):
        sim.run(pending(), "7/0@1000000:1")


def test_constants_do_not_change_in_a_branch():
    """Values without randomness are equal after a branch."""
    scenario = pending(work="2s", restart="3s", faults="[{agent_crash: {targets: [agent.0], at: 10s}}]")
    parent, child = (sim.run(scenario, name).history for name in ("7/0", "7/0@100:1"))
    assert parent["event"].tolist() == child["event"].tolist()
    assert parent["time"].tolist() == pytest.approx(child["time"].tolist())


def test_work_observed_by_a_fault_condition_is_kept():
    """`task.progress > 0.5` has revealed the amount of work, so a branch keeps it."""
    when = "[{execution_failure: {targets: 1, when: task.progress > 0.9}}]"
    scenario = pending(work=WEIBULL, faults=when)
    parent, child = (first("task.completed", "task.0")(scenario, name) for name in ("7/0", "7/0@60:1"))
    assert parent == child < 45
    assert first("task.completed", "task.0")(pending(work=WEIBULL), "7/0@60:1") != parent

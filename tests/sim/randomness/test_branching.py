"""Trajectories that branch: a shared past and a conditionally distributed future."""

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
recovery: {{detection: {{detector: perfect}}}}
faults: {faults}
"""
WEIBULL = "{weibull: {scale: 25, shape: 4}}"
"""It ages: who has lived for 20 s does not live as long again as one who is new."""


def pending(work="1ms", restart="1s", mtbf="null", faults="[]"):
    return scenarios.loads(BASE.format(work=work, restart=restart, mtbf=mtbf, faults=faults))


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
    others = {when(scenario, f"7/0@{events}:{draws}") for draws in range(5)}
    assert len(others) == 5
    assert min(others) > began


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

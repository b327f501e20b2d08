"""A run with `drain` goes on after its duration until what was submitted has ended."""

import pytest

import scenarios
import sim
from scenarios.errors import ScenarioError
from sim.reports.explained.explanation import hit

BUSY = """
name: busy
duration: 10m
drain: 1h
tasks: {arrivals: {poisson: {rate: 1/s}}, work: {exponential: {mean: 4s}}, failure_probability: 0.05}
agents: {count: 4, mtbf: 5m, restart_time: 20s}
faults:
  - agent_hang: {targets: 1, every: {exponential: {mean: 3m}}, for: 30s}
"""


def run(text, **values):
    return sim.run(scenarios.loads(text).with_values(values), seed=7)


@pytest.fixture(scope="module")
def drained():
    return run(BUSY)


@pytest.fixture(scope="module")
def cut_off():
    return run(BUSY, drain=None)


def test_everything_that_was_submitted_ends(drained, cut_off):
    assert cut_off.metrics["tasks.unfinished"] > 0
    assert drained.metrics["tasks.unfinished"] == 0
    assert drained.metrics["recovery.censored"] == 0
    assert drained.metrics["tasks.submitted"] == cut_off.metrics["tasks.submitted"]
    assert not drained.violations


def test_the_run_ends_at_the_last_end(drained):
    ends = drained.history[drained.history["event"].isin(["task.completed", "task.failed", "recovery.verified"])]
    assert drained.virtual_seconds == ends["time"].max()
    assert 600 < drained.virtual_seconds < 4200
    assert drained.metrics["run.virtual_seconds"] == drained.virtual_seconds


def test_the_first_part_is_the_run_without_a_drain(drained, cut_off):
    before = drained.history[drained.history["time"] < 600]
    assert before.equals(cut_off.history[cut_off.history["time"] < 600])


def test_nothing_new_begins_while_it_drains(drained):
    after = drained.history[drained.history["time"] >= 600]
    begun = {"task.submitted", "agent.crashed", "fault.injected", "agent.hung"}
    assert len(after) > 0
    assert not begun & set(after["event"])
    before = drained.history[drained.history["time"] < 600]
    assert begun <= set(before["event"])


def test_rates_and_averages_are_of_the_duration(drained, cut_off):
    for name in ("tasks.throughput", "queue.depth.mean", "agents.utilization", "agents.availability"):
        assert drained.metrics[name] == cut_off.metrics[name]


def test_sojourn_times_are_complete(drained, cut_off):
    assert cut_off.samples["tasks.sojourn"].censored.total > 0
    assert drained.samples["tasks.sojourn"].censored.total == 0
    assert len(drained.samples["tasks.sojourn"]) == drained.metrics["tasks.completed"]


def test_a_drain_has_a_limit():
    stuck = run(BUSY, drain="5s")
    assert stuck.virtual_seconds == 605
    assert stuck.metrics["tasks.unfinished"] > 0


def test_a_run_without_anything_open_does_not_go_on():
    idle = run(
        "name: idle\nduration: 1m\ndrain: 10m\ntasks: {arrivals: {burst: {size: 1, at: 1s}}, work: 1s}\n"
        "agents: {count: 1}\n"
    )
    assert idle.virtual_seconds == 60
    assert idle.metrics["tasks.completed"] == 1


def test_a_closed_client_submits_nothing_more():
    closed = run(BUSY, **{"tasks.arrivals": {"closed": {"clients": 3, "think": "5s"}}})
    submitted = closed.history[closed.history["event"] == "task.submitted"]
    assert submitted["time"].max() < 600
    assert closed.metrics["tasks.unfinished"] == 0


def test_clients_still_repeat_their_requests():
    asked = run(BUSY, **{"tasks.client": {"timeout": "8s", "max_retries": 3, "retry_delay": "20s"}})
    repeated = asked.history[(asked.history["event"] == "client.retried") & (asked.history["time"] >= 600)]
    assert len(repeated) > 0
    assert asked.metrics["tasks.unfinished"] == 0


def test_show_says_how_long_it_may_go_on():
    said = " ".join(" ".join(str(line) for line in hit(scenarios.loads(BUSY))).split())
    assert said.endswith("The run lasts 10m. It goes on for up to 1h until what was submitted has ended.")


def test_a_drain_of_no_time_is_refused():
    with pytest.raises(ScenarioError, match="drain"):
        scenarios.loads(BUSY.replace("drain: 1h", "drain: 0s"))

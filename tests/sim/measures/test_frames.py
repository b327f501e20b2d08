"""The frames of a run: recoveries, tasks and faults."""

import warnings

import numpy as np
import pandas as pd
import pytest

import scenarios
import sim
from sim.history import Event, History, HistoryNotKept
from sim.measures import frames

PHASES = ["detect", "wait", "analyze", "execute", "verify"]


@pytest.fixture(scope="module")
def runs():
    """Runs with crashed agents, failed attempts, a cut link, and units out of service."""
    changes = {
        "agent-failure": {"duration": "20m", "agents.mtbf": "1h"},
        "execution-failure": {"duration": "8m"},
        "communication-failure": {"duration": "15m"},
        "resource-failure": {"duration": "15m"},
    }
    return {name: sim.run(scenarios.load(name).with_values(values), seed=7) for name, values in changes.items()}


def test_the_frames_agree_with_the_metrics(runs):
    for run in runs.values():
        recoveries = run.recoveries[run.recoveries["measured"]]
        assert len(recoveries) == run.metrics["recovery.count"]
        assert recoveries["censored"].sum() == run.metrics["recovery.censored"]
        verified = recoveries[recoveries["outcome"] == "verified"]
        assert len(verified) == run.metrics["recovery.succeeded"]
        assert verified["time"].max() == run.metrics["recovery.time.max"]
        tasks = run.tasks[run.tasks["measured"]]
        assert len(tasks) == run.metrics["tasks.submitted"]
        assert (tasks["outcome"] == "completed").sum() == run.metrics["tasks.completed"]
        assert tasks["retries"].sum() == run.metrics["retries.count"]
        faults = run.faults[run.faults["measured"] & (run.faults["kind"] != frames.RANDOM_CRASH)]
        assert len(faults) - (faults["skipped"] > 0).sum() == run.metrics["faults.injected"]
        assert faults["skipped"].sum() == run.metrics["faults.skipped"]


def test_the_phases_sum_to_the_time(runs):
    for run in runs.values():
        timed = run.recoveries[run.recoveries["time"].notna()]
        np.testing.assert_allclose(timed[PHASES].sum(axis=1), timed["time"], atol=1e-9)


def test_recoveries_join_their_faults_and_tasks(runs):
    crashes = runs["agent-failure"]
    joined = crashes.recoveries.merge(crashes.faults, on=["scenario", "replication", "fault"], validate="many_to_one")
    assert set(joined["kind_y"]) == {"agent_crash", frames.RANDOM_CRASH}
    assert (joined["onset"] == joined["injected"]).all()
    assert (joined["agent_x"] == joined["agent_y"]).all()
    for name, kind in (("communication-failure", "partition"), ("resource-failure", "resource_unavailable")):
        run = runs[name]
        assert set(run.faults.set_index("fault").loc[run.recoveries["fault"], "kind"]) == {kind}
        assert run.faults["recoveries"].sum() == len(run.recoveries) > 0
    attempts = runs["execution-failure"]
    assert attempts.recoveries["fault"].isna().all()
    assert len(attempts.recoveries.merge(attempts.tasks, on="task", validate="many_to_one")) == len(attempts.recoveries)


def test_frames_of_all_runs_concatenate_without_a_warning(runs):
    made = list(runs.values())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("recoveries", "tasks", "faults", "history", "frame"):
            parts = [getattr(run, name) for run in made]
            whole = pd.concat(parts, ignore_index=True)
            assert list(whole.columns[:2]) == ["scenario", "replication"]
            assert dict(whole.dtypes) == dict(parts[0].dtypes)
            assert whole["scenario"].nunique() == len([part for part in parts if len(part)])


def test_a_history_has_no_number_that_stands_for_none(runs):
    history = runs["agent-failure"].history
    for column in ("task", "agent", "epoch", "incident"):
        assert history[column].isna().any()
        assert (history[column].dropna() >= 0).all()


def test_the_faults_of_a_flap_are_cleared_and_united_faults_counted():
    text = """
name: united
duration: 5m
tasks: {arrivals: {interval: {every: 1s}}, work: 1s}
agents: {count: 3}
faults:
  - agent_hang: {targets: [agent.1], at: 60s, for: 30s}
  - agent_hang: {targets: [agent.1], at: 70s, for: 60s}
  - resource_unavailable: {resource: gpu, units: 1, at: 2m, for: 10s}
  - execution_failure: {targets: [task.9999], at: 3m}
resources: {gpu: {units: 1}}
recovery: {conditions: {agent_failure: null}, detection: {detector: heartbeat, missed_heartbeats: 1000}}
"""
    faults = sim.run(scenarios.loads(text), seed=7).faults
    assert faults[["kind", "subject", "injected", "cleared", "united", "skipped"]].to_numpy(object).tolist()[:3] == [
        ["agent_hang", "agent.1", 60.0, 90.0, 0, 0],
        ["agent_hang", "agent.1", 70.0, 130.0, 1, 0],
        ["resource_unavailable", "gpu", 120.0, 130.0, 0, 0],
    ]
    assert faults[["kind", "subject", "task", "skipped"]].to_numpy(object).tolist()[3:] == [
        ["execution_failure", "task.9999", 9999, 1]
    ]


def test_an_open_recovery_is_censored_at_the_end_of_the_run():
    history = History.of(
        [
            {"time": 10.0, "event": Event.AGENT_CRASHED, "agent": 1},
            {"time": 12.0, "event": Event.RECOVERY_OPENED, "agent": 1, "incident": 0, "detail": "agent_failure"},
        ],
        {"duration": 20.0, "agents": 2},
    )
    (row,) = frames.recoveries(history).to_dict("records")
    assert (row["onset"], row["opened"], row["time"], row["censored"]) == (10.0, 12.0, 10.0, True)
    assert (row["fault"], row["tries"], row["kind"]) == (0, 0, "agent_failure")
    assert pd.isna([row["ended"], row["outcome"], row["task"], row["diagnosis"]]).all()


def test_a_history_without_events_gives_empty_frames():
    empty = History.of([], {"duration": 20.0, "agents": 2})
    for make in (frames.recoveries, frames.tasks, frames.faults):
        assert len(make(empty)) == 0


def test_a_run_without_a_history_has_no_frames():
    run = sim.run(scenarios.load("agent-failure").with_values({"duration": "6m", "history": "summary"}), seed=7)
    with pytest.raises(HistoryNotKept):
        run.recoveries  # noqa: B018


def test_a_result_repeats_its_replications():
    scenario = scenarios.load("agent-failure").with_values({"duration": "12m", "history": "summary"})
    result = sim.replicate(scenario, seed=7, replications=2, policies={"task_failure": None})
    assert list(result.recoveries.groupby("replication").size()) == [
        len(sim.run(scenario.with_values({"history": "full"}), "7", number).recoveries) for number in range(2)
    ]
    assert result.faults["replication"].tolist() == ["7/0", "7/1"]
    assert set(result.tasks["replication"]) == set(result.frame["replication"]) == {"7/0", "7/1"}


def test_a_loaded_result_of_another_core_says_why_it_cannot_be_repeated(tmp_path):
    scenario = scenarios.load("agent-failure").with_values({"duration": "6m"})
    sim.replicate(scenario, seed=7, core=lambda *of: sim.build_core(*of, policies={})).save(tmp_path / "result.json")
    with pytest.raises(sim.RecoveryBenchError, match=r"its core was replaced .* valid: the result of sim.replicate"):
        sim.load(tmp_path / "result.json").faults  # noqa: B018


def test_a_metric_that_does_not_exist_is_answered_with_the_nearest_name(runs):
    run = runs["resource-failure"]
    result = sim.replicate(run.scenario, seed=7)
    for metrics in (run.metrics, result.metrics):
        with pytest.raises(KeyError, match=r"unknown metric 'tasks.sojurn.mean' .nearest: 'tasks.sojourn.mean'"):
            metrics["tasks.sojurn.mean"]
        with pytest.raises(KeyError, match=r"'recovery.agent_failure.time.mean' was not observed"):
            metrics["recovery.agent_failure.time.mean"]
        assert metrics.get("recovery.agent_failure.time.mean") is None

"""Logs that the bench wrote: the fit finds the parameters of the scenario within their intervals."""

import numpy as np
import pandas as pd
import pytest

import scenarios
import sim
from sim.experiments.fitting.arrivals import fit_arrivals
from sim.experiments.fitting.durations import durations_of, fit_durations
from tests.sim.experiments.fitting.logs import contains, known_run, rows


@pytest.fixture(scope="module")
def found():
    return sim.fit(sim.task_log(known_run()))


def test_every_parameter_of_the_scenario_is_found_within_its_interval(found):
    assert {entry.path: entry.written.split(":")[0] for entry in found.entries if "{" in entry.written} == {
        "tasks.arrivals": "{poisson",
        "tasks.work": "{lognormal",
        "agents.restart_time": "{exponential",
        "recovery.detection": "{detector",
        "recovery.conditions.task_failure": "{max_retries",
    }
    for path, value in (
        ("tasks.arrivals.poisson.rate", 2),
        ("tasks.work.lognormal.mean", 3),
        ("tasks.work.lognormal.cv", 1.5),
        ("tasks.failure_probability", 0.2),
        ("agents.mtbf", 300),
        ("agents.restart_time.exponential.mean", 20),
    ):
        assert contains(found, path, value), path
    scenario = found.scenario
    assert (scenario.agents.count, scenario.agents.slots) == (12, 1)
    assert (scenario.tasks.failure_at, scenario.tasks.retried, scenario.tasks.interrupted) == (
        "end",
        "repeat",
        "restart",
    )
    policy = scenario.recovery.conditions.task_failure
    assert (policy.max_retries, policy.backoff) == (2, "exponential")
    assert policy.retry_delay == pytest.approx(10, rel=0.05)
    assert policy.multiplier == pytest.approx(3, rel=0.05)


@pytest.mark.long
def test_the_fitted_scenario_behaves_as_the_one_that_wrote_the_log(found):
    logged, fitted = known_run("5m"), sim.run(found.scenario.with_values({"duration": "5m"}))
    for metric in ("tasks.throughput", "attempts.amplification"):
        assert fitted.metrics[metric] == pytest.approx(logged.metrics[metric], rel=0.15)


VARIANTS = {
    "later parts": {
        "tasks.failure_at": "uniform",
        "tasks.interrupted": "resume",
        "agents.restart_time": "{constant: {value: 20}}",
    },
    "new work": {"tasks.retried": "redraw", "tasks.interrupted": "redraw", "agents.slots": "3"},
    "no chance": {"tasks.work": "{constant: {value: 3}}", "tasks.arrivals": "{interval: {every: 0.5}}"},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name != "new work")) for name in VARIANTS]
)
def test_what_a_run_does_is_found(name):
    values = VARIANTS[name]
    agents = {"agents.mtbf": "100s"} | ({"agents.count": 4} if "agents.slots" in values else {})
    found = sim.fit(sim.task_log(known_run("5m", **agents, **values)))
    assert {entry.path: entry.written for entry in found.entries}.items() >= values.items()


def test_a_lost_resource_is_no_crash_of_an_agent_and_retries_that_resume_are_no_work():
    frame = rows(300, seed=4).assign(task=lambda rows: rows.index.astype(str), agent="a", attempt=1, status="success")
    gone = frame.index[::30]
    frame.loc[gone, ["status", "error"]] = ["interrupted", "resource_unavailable"]
    failed = frame.index[5::15]
    frame.loc[failed, ["status", "error"]] = ["failed", "ValueError"]
    again = frame.loc[failed].assign(attempt=2, status="success", error=None)
    lasted = (again["ended"] - again["started"]) % 0.5  # what is left after the latest checkpoint
    again = again.assign(started=again["ended"] + 10, ended=again["ended"] + 10 + lasted)
    found = sim.fit(pd.concat([frame, again], ignore_index=True))
    assert "agents.mtbf" not in {entry.path for entry in found.entries}
    assert found.scenario.tasks.retried == "repeat"
    assert any(note.startswith("retries resume: 99 % take at most 4") for note in found.notes)
    first = (frame["ended"] - frame["started"])[~frame.index.isin(gone)]
    assert found.work.count == len(first)


@pytest.mark.long
def test_detection_is_separate_from_restarts_when_its_time_is_given():
    """A heartbeat every 4 s, of which 3 are missed, takes 10 s on average to notice a crash."""
    run = known_run(
        "10m",
        **{
            "recovery.detection": "{heartbeat_interval: 4s, missed_heartbeats: 3}",
            "agents.mtbf": "60s",
            "agents.count": 20,
        },
    )
    log = sim.task_log(run)
    whole, without = sim.fit(log), sim.fit(log, detection_time=10)
    assert without.scenario.recovery.detection.heartbeat_interval == 4
    assert without.scenario.agents.restart_time.mean == pytest.approx(20, rel=0.25)
    assert whole.scenario.agents.restart_time.mean == pytest.approx(30, rel=0.25)
    assert any("noticed" in text for text in whole.unknown)
    assert not any("noticed" in text for text in without.unknown)


def test_attempts_that_run_at_the_end_of_the_log_do_not_bias_the_work():
    """Of a log of 20 s, most attempts of 30 s on average run at its end; those that have ended are the short ones."""
    frame = rows(1_000, mean=30.0)
    frame["submitted"] = frame["started"] = frame["submitted"] % 20
    frame["ended"] = frame["started"] + np.random.default_rng(5).exponential(30.0, len(frame))
    frame.loc[frame["ended"] > 20, "ended"] = np.nan
    found = sim.fit(frame)
    assert frame["ended"].isna().mean() > 0.6
    assert (frame["ended"] - frame["started"]).mean() < 9
    assert contains(found, "tasks.work.exponential.mean", 30)


def test_an_attempt_without_an_end_that_another_follows_is_a_lost_agent():
    frame = rows(40).assign(task=lambda rows: rows.index.astype(str), agent="a", attempt=1)
    lost = frame.index[10]
    again = frame.loc[[lost]].assign(attempt=2, started=frame.loc[lost, "started"] + 30)
    again["ended"] = again["started"] + 2
    frame.loc[lost, "ended"] = np.nan
    found = sim.fit(pd.concat([frame, again], ignore_index=True))
    assert any("their agents were lost" in note for note in found.notes)
    assert "agents.mtbf" in {entry.path for entry in found.entries}


def test_gaps_in_which_tasks_wait_are_outages_when_no_interruption_is_logged():
    """Two agents serve a full queue; one of them is down for 50 s four times."""
    started = np.concatenate([np.arange(400) * 1.001 + 50 * agent * ((np.arange(400) + 1) // 80) for agent in (0, 1)])
    frame = pd.DataFrame({"started": np.round(started, 6), "agent": np.repeat(["a", "b"], 400)}).sort_values("started")
    frame = frame.assign(submitted=np.linspace(0, 1, 800) * (frame["started"] > 1), ended=frame["started"] + 1)
    written = {entry.path: entry.written for entry in sim.fit(frame).entries}
    assert "agents.mtbf" in written
    assert scenarios.loads(sim.fit(frame).text).agents.restart_time.mean == pytest.approx(50, rel=0.01)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("{exponential: {mean: 3s}}", "exponential"),
        ("{uniform: {low: 1s, high: 4s}}", "uniform"),
        ("{normal: {mean: 1s, sd: 2s}}", "normal"),
        ("{lognormal: {mean: 3s, cv: 0.5}}", "lognormal"),
        ("{hyperexponential: {mean: 3s, cv: 3}}", "hyperexponential"),
        ("{weibull: {scale: 3s, shape: 0.6}}", "weibull"),
        ("{erlang: {k: 4, mean: 3s}}", "erlang"),
        ("{pareto: {minimum: 1s, alpha: 2.5}}", "pareto"),
    ],
)
def test_each_family_of_the_schema_is_recognized_with_censored_durations(text, family):
    work = scenarios.loads(
        f"name: a\nduration: 1h\ntasks: {{arrivals: {{poisson: {{rate: 1}}}}, work: {text}}}\nagents: {{count: 1}}"
    ).tasks.work
    draws = np.random.default_rng(11)
    durations, ends = work.sample(draws, 1_500), draws.exponential(20, 1_500)
    found = fit_durations(durations_of(durations[durations <= ends], ends[durations > ends], 1e-6), 1e-6)
    assert (found.family, found.is_supported) == (family, True)
    true = work.model_dump(by_alias=True)
    for name, (low, high) in found.intervals.items():
        wide = 0.15 * (high - low)  # of 16 intervals of 95 %, one may miss a little
        assert low - wide - 1e-6 <= true[name] <= high + wide + 1e-6, name


def test_durations_of_two_kinds_are_empirical():
    draws = np.random.default_rng(0)
    both = np.concatenate([draws.normal(1, 0.05, 500), draws.normal(60, 2, 500)])
    found = fit_durations(durations_of(both, np.empty(0), 1e-6), 1e-6)
    assert found.family == "empirical"
    assert found.candidates[0].distance > 0.1
    assert np.quantile(found.values, 0.25) == pytest.approx(1, rel=0.05)


def test_arrivals_that_follow_the_day_are_found_and_bursts_are_recorded():
    draws = np.random.default_rng(1)
    hours = np.sort(draws.uniform(0, 3 * 86_400, 12_000))
    kept = hours[draws.random(len(hours)) < (1 + 0.6 * np.cos(2 * np.pi * (hours - 50_000) / 86_400)) / 1.6]
    day = fit_arrivals(kept, 1e-6, has_clock=True)
    assert day.kind == "diurnal"
    for name, value in {"amplitude": 0.6, "peak": 50_000}.items():
        low, high = day.intervals[name]
        assert low <= value <= high
    bursts = np.sort(np.concatenate([at + draws.exponential(1, 40) for at in draws.uniform(0, 86_400, 60)]))
    assert fit_arrivals(bursts, 1e-6, has_clock=True).kind == "trace"
    assert fit_arrivals(np.sort(draws.uniform(0, 9_000, 3_000)), 1e-6, has_clock=False).kind == "poisson"

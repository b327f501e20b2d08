"""Policies and cores that replace a scenario's own, in every experiment and in what is kept of it."""

from functools import partial

import pytest
import tenacity

import scenarios
import sim
from recovery import RetryPolicy, Supervisor
from sim.core.build import InvalidPolicies, build_core
from sim.core.replacement import replaced_by
from sim.experiments.sweeps.folder import SweepFolderError
from sim.reports.failures.replay import Replay

SMALL = scenarios.loads(
    """\
name: small
seed: 7
duration: 5m
tasks: {arrivals: {interval: {every: 2s}}, work: 1s, failure_probability: 20%}
agents: {count: 3}
recovery: {conditions: {task_failure: {max_retries: 3, retry_delay: 30s}}}
"""
)
QUICK = {"task_failure": RetryPolicy(max_retries=3, retry_delay="1s")}
DELAY = "recovery.conditions.task_failure.retry_delay"
TEXT = "policies: task_failure: max_retries=3, retry_delay=1.0"


def quick_core(scenario, system, streams):
    return build_core(scenario, system, streams, policies=QUICK)


def test_a_run_keeps_what_replaced_its_core(tmp_path):
    run = sim.run(SMALL, policies=QUICK)
    assert run.replaced == TEXT
    assert run.metrics["retries.delay.max"] == 1.0
    run.save(tmp_path / "run.json")
    assert sim.load(tmp_path / "run.json") == run
    assert sim.run(SMALL).replaced is None


@pytest.mark.long
def test_policies_apply_in_every_experiment():
    changed = SMALL.with_values({DELAY: "1s"})
    metric = "recovery.time.mean"
    expected = sim.replicate(changed, replications=2)
    result = sim.replicate(SMALL, replications=2, policies=QUICK)
    assert [run.history_sha256 for run in result.runs] == [run.history_sha256 for run in expected.runs]
    counts = {"agents.count": 3}, {"agents.count": 4}
    comparison = sim.compare(SMALL, *counts, replications=2, policies=QUICK)
    assert comparison.a.metrics[metric] == expected.metrics[metric]
    swept = sim.sweep(SMALL, counts, replications=2, policies=QUICK)
    assert next(iter(swept.estimates(metric).values())) == expected.metrics[metric]
    selected = sim.select(SMALL, counts, metric, 1.0, first=2, most=3, judged=2, policies=QUICK)
    assert selected.replaced == swept.replaced == result.replaced == comparison.b.replaced == TEXT
    assert all(each.estimate.mean < 30 for each in selected.ranked)
    assert sim.rare(SMALL, "recovery.time > 10", replications=3, level=None, policies=QUICK).plain_hits == 0
    assert sim.rare(SMALL, "recovery.time > 10", replications=3, level=None).plain_hits == 3
    for found in (result, swept):
        assert found.as_json()["replaced"] == TEXT


@pytest.mark.long
def test_a_core_of_ones_own_runs_in_every_experiment():
    whole = sim.replicate(SMALL, replications=2, policies=QUICK)
    counts = {"agents.count": 3}, {"agents.count": 4}
    result = sim.replicate(SMALL, replications=2, core=quick_core)
    assert result.replaced == f"core: {__name__}.quick_core"
    assert result.metrics == whole.metrics
    assert sim.compare(SMALL, *counts, replications=2, core=quick_core).a.metrics == whole.metrics
    metric = "recovery.time.mean"
    swept = sim.sweep(SMALL, counts, replications=2, core=quick_core).estimates(metric)
    assert next(iter(swept.values())) == whole.metrics[metric]


@pytest.mark.parametrize("experiment", [sim.compare, sim.sweep, sim.select, sim.rare, sim.replicate, sim.run])
def test_invalid_policies_are_refused_in_every_experiment(experiment):
    arguments = {
        sim.compare: ({}, {"agents.count": 4}),
        sim.sweep: ([{"agents.count": 3}],),
        sim.select: ([{"agents.count": 3}, {"agents.count": 4}], "recovery.time.mean", 1.0),
        sim.rare: ("recovery.time > 10",),
    }.get(experiment, ())
    with pytest.raises(InvalidPolicies, match="unknown kind of failure 'task_failures'; valid: task_failure"):
        experiment(SMALL, *arguments, policies={"task_failures": None})


def test_a_folder_is_continued_with_the_same_policies_only(tmp_path):
    points = [{"agents.count": 3}]
    sim.sweep(SMALL, points, out=tmp_path / "out", policies=QUICK)
    again = sim.sweep(SMALL, points, replications=2, out=tmp_path / "out", policies=QUICK)
    assert again.computed == 1
    assert sim.load_sweep(tmp_path / "out").replaced == TEXT
    for other in (None, {"task_failure": RetryPolicy(max_retries=4, retry_delay="1s")}):
        with pytest.raises(SweepFolderError, match="is another sweep: replaced"):
            sim.sweep(SMALL, points, out=tmp_path / "out", policies=other)


def test_texts_of_policies_have_no_addresses_and_differ_when_the_policies_do():
    def text(wait):
        return sim.run(SMALL, policies={"task_failure": tenacity.Retrying(wait=wait)}).replaced

    fixed = "policies: task_failure: wait=wait_fixed(wait_fixed=3.0), stop=tenacity.stop.stop_never"
    assert text(tenacity.wait_fixed(3)).startswith(fixed.partition(", stop")[0])
    both = text(tenacity.wait_fixed(3) + tenacity.wait_random(0, 2))
    assert "wait_combine" in both
    assert "wait_random_max=2" in both
    assert "0x" not in both
    assert text(tenacity.wait_fixed(3)) == text(tenacity.wait_fixed(3)) != text(tenacity.wait_fixed(4))


def test_a_builder_is_named_by_its_function():
    assert sim.run(SMALL, core=partial(build_core, policies=QUICK)).replaced == TEXT
    assert sim.run(SMALL, core=partial(quick_core)).replaced == f"core: {__name__}.quick_core"


def test_a_comparison_of_two_results_names_their_cores():
    found = sim.compare(sim.replicate(SMALL, replications=2), sim.replicate(SMALL, replications=2, policies=QUICK))
    assert (found.a_values, found.b_values) == ({"core": "the scenario's"}, {"core": TEXT})
    assert found.differences["recovery.time.mean"].difference.mean == pytest.approx(-29)


# ------------------------------------------------------------------------------- how to repeat a run
def test_the_replay_of_a_shipped_scenario_has_its_name_and_its_changes():
    scenario = scenarios.load("agent-failure").with_values({"agents.count": 4, "tasks.timeout": "90s"})
    command = "recovery-bench run agent-failure --seed 7/3 --set tasks.timeout=90.0 --set agents.count=4"
    assert Replay.of(scenario).command("7/3") == command


def test_the_replay_of_a_file_has_its_path_from_here(tmp_path, monkeypatch):
    (tmp_path / "mine.scenario.yaml").write_text(
        "name: mine\nduration: 1m\ntasks: {arrivals: {interval: {every: 2s}}, work: 1s}\nagents: {count: 3}\n"
    )
    scenario = scenarios.load(tmp_path / "mine.scenario.yaml")
    monkeypatch.chdir(tmp_path)
    assert Replay.of(scenario).command("0", 5) == "recovery-bench run mine.scenario.yaml --seed 0 --replications 5"
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert str(tmp_path / "mine.scenario.yaml") in Replay.of(scenario).command("0")


def test_what_no_command_repeats_is_a_call_in_python():
    assert Replay.of(SMALL).command("7/0") == "sim.run(scenario, seed='7/0')"
    shipped = scenarios.load("agent-failure").with_values({"agents.count": 4})
    assert Replay.of(shipped, TEXT).command("7", 3) == (
        "sim.replicate(scenarios.load('agent-failure').with_values({'agents.count': '4'}), seed='7', replications=3, "
        "policies=…)"
    )


def test_a_replay_repeats_the_run(tmp_path, monkeypatch):
    scenario = scenarios.load("agent-failure").with_values(
        {"duration": "20m", "faults": [{"agent_crash": {"targets": 2, "at": "3m"}}], "resources": {"gpu": {"units": 3}}}
    )
    run = sim.run(scenario, "9/2")
    changes = Replay.of(scenario).changes
    assert sim.run(scenarios.load("agent-failure").with_values(changes), "9/2").history_sha256 == run.history_sha256


# ------------------------------------------------------------------------- parts of the scenario's own core
async def restarts_nothing(context, **arguments):
    return False


class Silent(Supervisor):
    def report(self, failure):
        pass


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"commands": {"retry_task": restarts_nothing}}, f"commands: retry_task: {__name__}.restarts_nothing"),
        ({"supervisor": Silent}, f"supervisor: {__name__}.Silent"),
    ],
)
def test_a_command_and_the_class_of_the_core_can_be_replaced(part, text):
    found = sim.run(SMALL, core=partial(build_core, **part))
    assert found.replaced == text
    assert found.metrics["recovery.succeeded"] == 0 < sim.run(SMALL).metrics["recovery.succeeded"]


def test_an_unknown_command_is_refused():
    with pytest.raises(ValueError, match=r"unknown command 'retry_tasks'; valid: .*\(nearest: 'retry_task'\)"):
        sim.run(SMALL, core=partial(build_core, commands={"retry_tasks": restarts_nothing}))


def test_a_listener_of_reports_replaces_nothing():
    assert replaced_by(partial(build_core, on_report=print), scenarios.load("baseline")) is None

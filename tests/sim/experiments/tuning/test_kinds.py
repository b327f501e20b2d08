"""Searches of the policies of single kinds of tasks."""

from types import SimpleNamespace

import pytest

import scenarios
import sim
from recovery import RetryPolicy
from scenarios import ScenarioError, inconsistencies
from scenarios.documents.overrides import value_of
from scenarios.exchange.policy_file import loads_policy, values_text
from sim.cli import main
from sim.core.build import InvalidPolicies, core_config
from sim.experiments.tuning.defaults import default_space, their_time
from sim.experiments.tuning.policy_values import policy_values, units_of
from sim.experiments.tuning.space import TuneError
from sim.strategies.faults import Around

FLEET = """\
name: fleet
duration: 5m
tasks:
  arrivals: {interval: {every: 1s}}
  kinds:
  - {name: chat, share: 50%, work: 1s, failure_probability: 20%, retry: {max_retries: 5, retry_delay: 2s}}
  - {name: report, share: 30%, work: 2s, failure_probability: 20%}
  - {name: rare, work: 2s, retry: {max_retries: 1, retry_delay: 9s}}
agents:
  pools: {gpu: {count: 3, takes: [report, rare]}, cpu: {count: 3, takes: [chat]}}
"""


def varied(scenario: scenarios.Scenario) -> set[str]:
    """The policies that a search varies by default."""
    runs = [sim.run(scenario, seed=1)]
    runs = [SimpleNamespace(metrics=run.metrics, failure_kinds=["task_failure"]) for run in runs]
    return {path.rpartition(".")[0] for path in default_space(scenario, runs)}


def test_a_search_varies_the_policies_of_the_kinds_whose_attempts_fail(monkeypatch):
    monkeypatch.setattr("sim.experiments.tuning.defaults.failure_kinds", lambda runs: ["task_failure"])
    scenario = scenarios.loads(FLEET)
    assert varied(scenario) == {"recovery.conditions.task_failure", "tasks.kinds.chat.retry"}
    own = scenario.with_values({"tasks.report.retry": {"max_retries": 1, "retry_delay": "1s"}})
    assert varied(own) == {"tasks.kinds.chat.retry", "tasks.kinds.report.retry"}


def test_a_policy_file_has_the_policies_of_kinds():
    scenario = scenarios.loads(FLEET)
    paths = ["tasks.chat.retry.retry_delay", "tasks.kinds.rare.retry.max_retries"]
    assert units_of(paths) == ("tasks.kinds.chat.retry", "tasks.kinds.rare.retry")
    values = policy_values(scenario.with_values({"tasks.chat.retry.retry_delay": "7s"}), paths)
    file = loads_policy("tasks: {kinds: {chat: {retry: {max_retries: 2, retry_delay: 4s, jitter: full}}}}\n")
    applied = file.applied(scenario.with_values(values))
    assert value_of(applied, "tasks.kinds.chat.retry.jitter") == "full"
    assert value_of(applied, "tasks.kinds.rare.retry.retry_delay") == 9
    with pytest.raises(
        TuneError,
        match=r"tasks.kinds.chat.work is no part of a policy; valid: retry, .*client.* below tasks.kinds.NAME",
    ):
        units_of(["tasks.kinds.chat.work"])


def test_a_search_varies_the_clients_of_the_kinds_whose_requests_are_retried(monkeypatch):
    monkeypatch.setattr("sim.experiments.tuning.defaults.failure_kinds", lambda runs: [])
    impatient = {"timeout": "1500ms", "max_retries": 2}
    scenario = scenarios.loads(FLEET).with_values({"tasks.client": impatient})
    assert varied(scenario) == {"tasks.client"}
    own = scenario.with_values({"tasks.chat.client": impatient, "tasks.rare.client": {"timeout": "50s"}})
    assert varied(own) == {"tasks.client", "tasks.kinds.chat.client"}  # those of reports have that of all tasks
    assert their_time([own]).seconds == 50
    every_own = own.with_values({"tasks.report.client": {"timeout": "50s"}, "tasks.client.timeout": "90s"})
    assert varied(every_own) == {"tasks.kinds.chat.client"}
    assert their_time([every_own]).seconds == 50  # no task has the client of all tasks


def test_a_policy_file_has_the_client_of_a_kind_as_a_whole():
    client = {"timeout": "2s", "max_retries": 1}
    scenario = scenarios.loads(FLEET).with_values({"tasks.chat.client": client, "tasks.chat.timeout": "8s"})
    values = policy_values(scenario, ["tasks.chat.client.retry_delay", "tasks.kinds.chat.timeout"])
    file = loads_policy(values_text(values))
    assert file.of_task_kinds == {}
    applied = file.applied(scenarios.loads(FLEET))
    assert applied.tasks.kinds["chat"].client == scenario.tasks.kinds["chat"].client
    assert applied.tasks.kinds["chat"].timeout == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: {kinds: {chat: {work: 3s}}}\n", "1: tasks.kinds.chat.work: is no part of a policy; valid: retry"),
        ("tasks: {kinds: {chat: {retry: {max_retries: x}}}}\n", "1: tasks.kinds.chat.retry.max_retries: 'x' is not"),
        ("tasks: {kinds: [chat]}\n", "1: tasks.kinds: .* is not a mapping"),
    ],
)
def test_a_policy_file_with_another_key_of_a_kind_is_refused(text, message):
    with pytest.raises(ScenarioError, match=message):
        loads_policy(text, "policy.yaml")


def test_a_policy_file_of_a_kind_that_a_scenario_lacks_is_refused():
    file = loads_policy("tasks: {kinds: {chatt: {retry: {max_retries: 1, retry_delay: 1s}}}}\n", "policy.yaml")
    with pytest.raises(ScenarioError, match=r"policy.yaml:1: .*unknown kind 'chatt'; .*nearest: 'chat'"):
        file.applied(scenarios.loads(FLEET))


def test_policies_in_python_are_of_kinds_of_failures_or_of_tasks():
    scenario = scenarios.loads(FLEET)
    policies = {
        "chat": RetryPolicy(max_retries=0, retry_delay=0),
        "report": {"max_retries": 2, "retry_delay": 1},
        "rare": None,
    }
    config = core_config(scenario, policies)
    assert {kind: of.policy.max_retries for kind, of in config.by_task_kind.items()} == {"chat": 0, "report": 2}
    metrics = sim.run(scenario, seed=1, policies=policies).metrics
    assert metrics["retries.chat.count"] == 0 < metrics["retries.report.count"]
    with pytest.raises(InvalidPolicies, match=r"unknown kind of failure or of tasks 'chatt'; .*nearest: 'chat'"):
        core_config(scenario, {"chatt": None})


def test_a_search_of_faults_keeps_the_fleet_and_targets_its_parts():
    around = Around(scenarios.loads(FLEET))
    targets = [choice["targets"] for choice in (*around.agents, *around.tasks)]
    assert {"pool": "gpu", "count": 1} in targets
    assert {"kind": "chat"} in targets


def test_a_policy_that_ends_before_an_outage_of_a_dependency_is_reported_by_kind():
    scenario = scenarios.load("mixed-fleet")
    assert inconsistencies(scenario) == ()
    (found,) = inconsistencies(scenario.with_values({"tasks.chat.retry.max_retries": 2}))
    assert found.kind == "retry_schedule"
    assert "tasks.kinds.chat.retry" in found.paths
    assert found.figures["escalations"] == pytest.approx(1.4 * (60 - 1 - 2))  # full jitter of 2 s and 4 s, half of it


def test_the_policy_of_a_kind_is_exported_from_a_scenario_and_a_policy_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.scenario.yaml").write_text(FLEET)
    (tmp_path / "policy.yaml").write_text("tasks: {kinds: {chat: {retry: {max_retries: 5, retry_delay: 2s}}}}\n")
    for source, given in (("fleet.scenario.yaml", ["--kind", "chat"]), ("policy.yaml", [])):
        assert main(["policy", "export", source, "--to", "temporal", *given]) == 0
        text = capsys.readouterr().out
        assert "timedelta(seconds=2)" in text
        assert "maximum_attempts=6" in text
    assert main(["policy", "export", "fleet.scenario.yaml", "--to", "temporal", "--kind", "chatt"]) == 2
    assert "nearest: 'chat'" in capsys.readouterr().err
    cost = ["--to", "kubernetes", "--kind", "chat", "--set", "duration=1m", "--replications", "2"]
    assert main(["policy", "export", "fleet.scenario.yaml", *cost]) == 0
    assert "fleet, 2 pairs" in capsys.readouterr().err

"""`policy export`, `policy import`, `policy check`, and `run --policy`."""

import json
from pathlib import Path

import pytest

from scenarios.exchange.frameworks import FRAMEWORKS
from sim.cli import main
from sim.cli.commands.policy import NAMES

LOSSY = """\
name: lossy
duration: 20m
tasks: {arrivals: {interval: {every: 20s}}, work: 2s, failure_probability: 60%}
agents: {count: 3}
recovery: {conditions: {task_failure: {max_retries: 4, retry_delay: 1s, budget: {tokens: 2, refill: 0.01}}}}
"""
TEMPORAL = "RetryPolicy(maximum_attempts=3, initial_interval=timedelta(seconds=4), backoff_coefficient=1.0)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lossy.scenario.yaml").write_text(LOSSY, encoding="utf-8")
    (tmp_path / "retry.py").write_text(TEMPORAL, encoding="utf-8")
    return tmp_path


def ran(capsys, command):
    status = main(command.split())
    return status, *capsys.readouterr()


def test_what_a_framework_cannot_express_is_printed_with_its_simulated_cost(capsys):
    status, out, err = ran(capsys, "policy export --to temporal lossy.scenario.yaml --replications 3 --json cost.json")
    assert status == 0
    assert "retry_policy = RetryPolicy(" in out
    assert "# not expressible: budget: 2 retries, 0.01 back per success → none" in out
    first, cost, amplification, *_ = err.splitlines()
    assert first == "temporal cannot express budget: 2 retries, 0.01 back per success → none"
    assert cost.startswith("  lossy, 3 pairs: ")
    assert amplification.startswith("    attempts.amplification ")
    assert amplification.endswith(", different)")
    data = json.loads(Path("cost.json").read_text(encoding="utf-8"))
    (lost,) = data["not_expressible"]
    found = lost["cost"]["metrics"]["attempts.amplification"]
    assert lost["what"] == "budget"
    assert found["b"] > found["a"]
    assert found["difference"]["ci95"][0] > 0
    assert data["used"] == {"max_retries": 4, "retry_delay": 1}


def test_several_differences_are_simulated_one_by_one_and_together(capsys):
    command = "policy export --to kubernetes lossy.scenario.yaml --replications 2 --out job.yaml"
    status, out, err = ran(capsys, command)
    assert (status, out) == (0, "")
    assert [line.partition(":")[0] for line in err.splitlines() if not line.startswith("  ")] == [
        "kubernetes cannot express delays",
        "kubernetes cannot express budget",
        "all together",
    ]


def test_a_policy_that_a_framework_can_express_is_only_written(capsys):
    status, out, err = ran(capsys, "policy export --to tenacity agent-failure")
    assert (status, err) == (0, "")
    assert "wait=wait_fixed(30), stop=stop_after_attempt(4)" in out


def test_an_imported_policy_is_the_policy_of_a_run(capsys):
    status, out, err = ran(capsys, "policy import --from temporal retry.py --out policy.yaml")
    assert (status, out, err) == (0, "", "")
    ran(capsys, "run lossy.scenario.yaml --policy policy.yaml --json by-policy.json")
    condition = "recovery.conditions.task_failure"
    changes = f"--set {condition}.max_retries=2 --set {condition}.retry_delay=4s --set {condition}.budget=null"
    ran(capsys, f"run lossy.scenario.yaml {changes} --json set.json")
    by_policy, by_set = (json.loads(Path(file).read_text(encoding="utf-8")) for file in ("by-policy.json", "set.json"))
    assert by_policy["scenario_resolved"] == by_set["scenario_resolved"]
    assert by_policy["runs"][0]["history_sha256"] == by_set["runs"][0]["history_sha256"]


def test_a_change_of_the_command_line_overrides_the_policy(capsys):
    ran(capsys, "policy import --from temporal retry.py --out policy.yaml")
    changed = "--set recovery.conditions.task_failure.jitter=full"
    ran(capsys, f"run lossy.scenario.yaml --policy policy.yaml {changed} --json result.json")
    resolved = json.loads(Path("result.json").read_text(encoding="utf-8"))["scenario_resolved"]
    condition = resolved["recovery"]["conditions"]["task_failure"]
    assert (condition["max_retries"], condition["jitter"]) == (2, "full")


def test_a_policy_file_is_exported_and_simulated_on_another_scenario(capsys):
    ran(capsys, "policy import --from temporal retry.py --out policy.yaml")
    status, out, err = ran(capsys, "policy export --to aws policy.yaml --scenario lossy.scenario.yaml --replications 2")
    assert status == 0
    assert out.endswith("[default]\nretry_mode = legacy\nmax_attempts = 3\n")
    assert "aws cannot express delays: 4s each → 1s, 2s" in err
    assert "lossy, 2 pairs" in err


def test_check_names_the_rule_of_each_finding(capsys):
    Path("late.scenario.yaml").write_text(LOSSY.replace("lossy", "late") + "faults: [{agent_crash: {at: 2h}}]\n")
    status, out, _ = ran(capsys, "policy check late.scenario.yaml --json found.json")
    assert status == 1
    assert "\nfault_after_end: faults[0]" in out
    assert "\n  see scenarios/consistency/README.md#fault_after_end\nlate: 3 found\n" in out
    rules = [each["rule"] for each in json.loads(Path("found.json").read_text(encoding="utf-8"))["findings"]]
    assert rules == ["budget", "budget_emptied", "fault_after_end"]
    status, out, _ = ran(capsys, "policy check agent-failure")
    assert (status, out) == (0, "agent-failure: nothing found\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("policy export --to temporl agent-failure", "--to temporl: is no known framework; valid: temporal, "),
        ("policy import --from x retry.py", "--from x: is no known framework; valid: temporal, "),
        ("policy export --to dapr --language go agent-failure", "--language go: valid: yaml for dapr"),
        (
            "policy export --to dapr --kind tasks agent-failure",
            "--kind tasks: is no kind of failure; valid: task_failure, ",
        ),
        (
            "policy export --to dapr --kind agent_failure agent-failure",
            "there is no such condition; valid: task_failure",
        ),
        ("policy export --to dapr nothing", "nothing: no such file or scenario; "),
        ("policy export --to dapr agent-failure --scenario lossy", "--scenario: the policy is that of a scenario"),
        (
            "policy export --to dapr agent-failure --json -",
            "--json -: the policy is on stdout as well; valid: --out FILE",
        ),
        ("policy import --from temporal nothing.py", "nothing.py: no such file"),
        ("policy import --from celery retry.py", "retry.py:1: has no task(…) or shared_task(…) or dict(…); "),
        ("policy import --from temporal retry.py --kind x", "--kind x: is no kind of failure"),
        ("policy check nothing", "nothing: no such file or scenario; "),
        ("run lossy.scenario.yaml --policy nothing.yaml", "nothing.yaml: no such file; valid: a policy file"),
        ("run lossy.scenario.yaml --policy retry.py", "retry.py:1: is not a policy file; "),
    ],
)
def test_bad_input_is_one_line(command, said, capsys):
    status, out, err = ran(capsys, command)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_the_help_names_every_framework():
    assert NAMES.split(", ") == list(FRAMEWORKS)

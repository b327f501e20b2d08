"""A scenario that contains only its differences from another one."""

from pathlib import Path

import jsonschema
import pytest

import scenarios
from recovery.runbook import catalogue
from scenarios import ScenarioError
from scenarios.json_schema import json_schema

BASE = """\
name: base
description: What it says of itself.
duration: 1h
warmup: 5m
tasks: {arrivals: {poisson: {rate: 2/s}}, work: {exponential: {mean: 3s}}, needs: {gpu: 1}}
agents: {count: 10, restart_time: 20s}
resources: {gpu: {units: 12}}
recovery: {conditions: {task_failure: {max_retries: 5, retry_delay: 7s}}, costs: {restart_agent: 3s}}
faults:
  - agent_crash: {at: 10m}
  - agent_crash: {at: 20m}
expect:
  - tasks.lost == 0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "base.scenario.yaml").write_text(BASE)
    return tmp_path


def extending(folder, text: str, name: str = "child", base: str = "base.scenario.yaml"):
    file = folder / f"{name}.scenario.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"name: {file.name.removesuffix('.scenario.yaml')}\nextends: {base}\n{text}")
    return scenarios.load(file)


def test_omitted_keys_are_inherited_except_metadata(folder):
    child, base = extending(folder, ""), scenarios.load(folder / "base.scenario.yaml")
    mine, theirs = child.resolved(), base.resolved()
    assert (child.name, child.description, child.extends) == ("child", "", "base.scenario.yaml")
    for key in ("name", "description", "extends"):
        del mine[key], theirs[key]
    assert mine == theirs


def test_mappings_are_merged_and_lists_replaced(folder):
    child = extending(
        folder,
        "agents: {count: 3}\nresources: {cpu: {units: 4}}\nrecovery: {costs: {retry_task: 1s}, parallel: 2}\n"
        "faults: [agent_hang: {at: 5m}]\n",
    )
    assert (child.agents.count, child.agents.restart_time.value) == (3, 20.0)
    assert {name: pool.units for name, pool in child.resources.items()} == {"gpu": 12, "cpu": 4}
    assert child.recovery.costs == {"restart_agent": 3.0, "retry_task": 1.0}
    assert child.recovery.conditions.task_failure.retry_delay == 7.0
    assert [fault.kind for fault in child.faults] == ["agent_hang"]


def test_another_form_replaces_the_inherited_one_and_the_same_form_is_merged(folder):
    child = extending(folder, "tasks: {arrivals: {interval: {every: 1s}}, work: {exponential: {mean: 4s}}}\n")
    assert child.tasks.arrivals.kind == "interval"
    assert child.tasks.work.mean == 4.0
    assert extending(folder, "tasks: {work: 5s}\n").tasks.work.value == 5.0


def test_null_overrides_an_inherited_value(folder):
    assert extending(folder, "recovery: {conditions: {task_failure: null}}\n").recovery.conditions.task_failure is None


def test_a_shipped_scenario_is_extended_by_name(folder):
    child = extending(folder, "agents: {count: 3}\n", base="agent-failure")
    assert child.agents.count == 3
    assert child.faults == scenarios.load("agent-failure").faults


def test_inheritance_has_several_levels(folder):
    extending(folder, "agents: {count: 3}\nwarmup: 1m\n")
    grandchild = extending(folder, "warmup: 2m\n", "grandchild", "child.scenario.yaml")
    assert (grandchild.agents.count, grandchild.warmup, grandchild.duration) == (3, 120.0, 3600.0)


def test_a_runbook_path_is_relative_to_the_file_that_names_it(folder):
    (folder / "mine.yaml").write_text(Path(catalogue.__file__).with_name("runbook.yaml").read_text(encoding="utf-8"))
    (folder / "base.scenario.yaml").write_text(BASE.replace("recovery: {", "recovery: {runbook: mine.yaml, "))
    child = extending(folder, "", "below/child", "../base.scenario.yaml")
    assert child.recovery.runbook == "../mine.yaml"
    assert child.recovery.runbook_sha256 is not None


# ------------------------------------------------------------------------------------------------------- mistakes
def error(folder, text: str, **more) -> str:
    with pytest.raises(ScenarioError) as raised:
        extending(folder, text, **more)
    return str(raised.value).replace(f"{folder}/", "")


def test_an_error_is_reported_in_the_file_that_contains_it(folder):
    message = error(folder, "agents: {count: 0}\n")
    assert message.startswith("child.scenario.yaml:3: agents.count: 0")
    (folder / "base.scenario.yaml").write_text(BASE.replace("count: 10", "count: 0"))
    assert error(folder, "agents: {slots: 2}\n").startswith("base.scenario.yaml:6: agents.count: 0")


def test_a_contradiction_is_reported_where_its_part_is_written(folder):
    message = error(folder, "resources: {gpu: {units: 0}}\n")
    assert message.startswith("child.scenario.yaml:3: resources.gpu.units")
    message = error(folder, "faults: [agent_crash: {targets: 99, at: 1m}]\n")
    assert message.startswith("child.scenario.yaml:3: faults[0].agent_crash.targets: 99 exceeds the number of agents")


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (
            "bas.scenario.yaml",
            "child.scenario.yaml:2: extends: 'bas.scenario.yaml': no such file or scenario; valid: a",
        ),
        (
            "child.scenario.yaml",
            "child.scenario.yaml:2: extends: 'child.scenario.yaml' leads to a cycle; valid: a scenario that",
        ),
        ("3", "child.scenario.yaml:2: extends: 3 is not a scenario; valid: a name, or a file"),
        (".", "child.scenario.yaml:2: extends: '.': is a folder; valid: a scenario file"),
    ],
)
def test_an_invalid_extends_is_reported(folder, base, message):
    assert error(folder, "", base=base).startswith(message)


def test_a_cycle_is_reported(folder):
    (folder / "base.scenario.yaml").write_text("extends: child.scenario.yaml\n" + BASE)
    assert "leads to a cycle" in error(folder, "")


def test_the_name_is_not_inherited(folder):
    (folder / "child.scenario.yaml").write_text("extends: base.scenario.yaml\n")
    with pytest.raises(ScenarioError, match="name: is missing; it is required"):
        scenarios.load(folder / "child.scenario.yaml")


def test_the_json_schema_accepts_a_partial_file_that_extends(folder):
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid({"name": "child", "extends": "base", "tasks": {"timeout": "5s"}})
    assert not validator.is_valid({"name": "child", "extends": "base", "tasks": {"timeout": "soon"}})
    assert not validator.is_valid({"name": "child", "tasks": {"timeout": "5s"}})
    assert not validator.is_valid({"extends": "base"})

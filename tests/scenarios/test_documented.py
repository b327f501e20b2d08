"""The shipped scenarios, and the defaults from the guide."""

import math

import pytest

import scenarios
from recovery.config import DetectionConfig
from recovery.model import FailureKind
from recovery.runbook.catalogue import command_names, documented
from scenarios.fields.commands import COMMANDS
from scenarios.sections.recovery import ConditionSettings, DetectionSettings

every_scenario = pytest.mark.parametrize("name", scenarios.names())
documented_ones = pytest.mark.parametrize(
    "name", [name for name in scenarios.names() if scenarios.path(name).parent.name == "documented"]
)


@every_scenario
def test_a_file_is_named_after_its_scenario(name):
    assert scenarios.path(name).name == f"{name}.scenario.yaml"
    assert scenarios.load(name).name == name


@every_scenario
def test_a_scenario_has_a_description_and_expectations(name):
    scenario = scenarios.load(name)
    assert scenario.description
    assert {"tasks.lost == 0", "consistency.violations == 0"} <= {each.expression for each in scenario.expect}


@documented_ones
def test_a_scenario_starts_with_its_arithmetic(name):
    first, second, *_ = scenarios.path(name).read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert second.startswith("# ")


@documented_ones
def test_a_scenario_exercises_an_entry_of_the_runbook(name):
    entries = [entry for entry, _ in documented().entries()]
    documents = scenarios.load(name).documents
    assert documents is None if name == "baseline" else documents in entries


def test_each_entry_of_the_runbook_is_exercised():
    exercised = [scenarios.load(name).documents for name in scenarios.names()]
    assert [entry for entry, _ in documented().entries() if entry not in exercised] == []


@documented_ones
def test_documented_scenarios_share_one_load(name):
    scenario = scenarios.load(name)
    assert (scenario.seed, scenario.duration, scenario.warmup) == (7, 3600, 300)
    assert (scenario.tasks.arrivals.rate, scenario.tasks.work.mean, scenario.agents.count) == (2, 3, 10)


@documented_ones
def test_documented_scenarios_use_the_conditions_of_the_guide(name):
    scenario = scenarios.load(name)
    assert scenario.recovery.conditions == ConditionSettings()
    assert scenario.recovery.detection == DetectionSettings()


def test_the_baseline_has_no_failures():
    baseline = scenarios.load("baseline")
    assert baseline.faults == ()
    assert baseline.tasks.failure_probability == 0
    assert baseline.agents.mtbf is None


@every_scenario
def test_resolved_values_give_an_equal_scenario(name):
    scenario = scenarios.load(name)
    assert scenarios.Scenario.model_validate(scenario.resolved()) == scenario


def test_four_failures_in_a_row_are_as_rare_as_described():
    scenario = scenarios.load("execution-failure")
    attempts = scenario.recovery.conditions.task_failure.max_retries + 1
    assert math.isclose(scenario.tasks.failure_probability**attempts, 1 / 6_250_000)


def test_the_guide_s_figures():
    conditions = ConditionSettings()
    assert (conditions.task_failure.max_retries, conditions.task_failure.retry_delay) == (3, 30)
    assert (conditions.resource_failure.max_retries, conditions.resource_failure.retry_delay) == (2, 15)
    assert conditions.agent_failure is conditions.communication_failure is None


@pytest.mark.parametrize("kind", FailureKind)
def test_the_conditions_are_those_of_the_documented_runbook(kind):
    policy = documented().conditions()[kind]
    condition = getattr(ConditionSettings(), kind.value)
    if policy is None:
        assert condition is None
    else:
        same = condition.model_dump(exclude={"preset", "by_error"})
        assert {key: getattr(policy, key) for key in same} == same


def test_the_default_detector_is_that_of_the_core():
    ours, the_core_s = DetectionSettings().model_dump(), DetectionConfig().model_dump()
    assert {key: ours[key] for key in the_core_s} == the_core_s


def test_commands_with_a_cost_are_those_of_automatic_recovery():
    names = command_names()
    assert names == COMMANDS
    given = [step.command for _, entry in documented().entries() for step in (*entry.diagnosis, *entry.recovery)]
    assert set(given) <= set(COMMANDS)
    assert "backup_state" not in COMMANDS

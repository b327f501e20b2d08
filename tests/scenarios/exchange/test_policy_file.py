"""Policy files: read, refused with their lines, and applied to a scenario."""

from pathlib import Path

import pytest

import scenarios
from recovery.policies.retry import RetryPolicy
from scenarios.errors import ScenarioError
from scenarios.exchange.policy_file import load_policy, loads_policy, policy_text, values_text
from scenarios.exchange.portable import NEVER, Portable, portable
from scenarios.exchange.shapes import is_same

STORY = """\
name: story
duration: 1h
tasks: {arrivals: {poisson: {rate: 2/s}}, work: 3s}
agents: {count: 10}
recovery: {conditions: {task_failure: {max_retries: 9, retry_delay: 1s, jitter: full}}}
"""
POLICY = """\
recovery:
  conditions:
    task_failure: {max_retries: 2, retry_delay: 5s}
    agent_failure: null
  detection:
    heartbeat_interval: 2s
queue:
  ack_timeout: 1m
"""


def refusal(text):
    with pytest.raises(ScenarioError) as caught:
        loads_policy(text, "policy.yaml").applied(scenarios.loads(STORY))
    return str(caught.value)


def test_a_policy_replaces_whole_conditions_and_single_keys_of_other_sections():
    changed = loads_policy(POLICY).applied(scenarios.loads(STORY))
    condition = changed.recovery.conditions.task_failure
    assert (condition.max_retries, condition.retry_delay, condition.jitter) == (2, 5, "none")
    assert changed.recovery.detection.heartbeat_interval == 2
    assert changed.recovery.detection.missed_heartbeats == 3
    assert changed.queue.ack_timeout == 60


def test_the_changes_of_a_policy_are_those_of_the_command_line():
    file = loads_policy(POLICY)
    scenario = scenarios.loads(STORY)
    assert file.changes["recovery.conditions.task_failure"] == "{max_retries: 2, retry_delay: 5s}"
    assert scenario.with_values(file.changes) == file.applied(scenario)


def test_a_change_may_add_a_key_to_a_mapping_that_was_set_before():
    values = {"recovery.conditions.task_failure": "{max_retries: 1}", "recovery.conditions.task_failure.jitter": "full"}
    condition = scenarios.loads(STORY).with_values(values).recovery.conditions.task_failure
    assert (condition.max_retries, condition.jitter) == (1, "full")


def test_a_written_policy_is_read_as_it_was():
    budget = {"tokens": 12, "refill": 0.25}
    policy = RetryPolicy(max_retries=None, retry_delay=0.25, jitter="additive", jitter_width=3, budget=budget)
    given = Portable(policy, {"Poison": NEVER})
    found = loads_policy(policy_text({"task_failure": given, "agent_failure": None}, ["a comment"])).conditions
    assert is_same(found["task_failure"], given)
    assert found["agent_failure"] is None


@pytest.mark.parametrize("name", scenarios.names())
def test_the_conditions_of_every_shipped_scenario_can_be_a_policy_file(name):
    scenario = scenarios.load(name)
    given = {kind: None if each is None else portable(each) for kind, each in scenario.recovery.conditions}
    file = loads_policy(policy_text(given))
    for kind, each in file.applied(scenario).recovery.conditions:
        wanted = given[kind]
        assert (each is None and wanted is None) or is_same(portable(each), wanted)


def test_values_by_path_are_a_policy_file():
    text = values_text({"recovery.conditions.task_failure": {"max_retries": 1}, "tasks.timeout": "9s"})
    changed = loads_policy(text).applied(scenarios.loads(STORY))
    assert (changed.recovery.conditions.task_failure.max_retries, changed.tasks.timeout) == (1, 9)
    with pytest.raises(ScenarioError, match=r"tasks\.work: is no part of a policy"):
        values_text({"tasks.work": "3s"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "policy.yaml:1: is not a policy file; valid: a mapping, as in "),
        (
            "recovery:\n  condition: {}\n",
            "policy.yaml:2: recovery.condition: is no part of a policy; valid: conditions, ",
        ),
        ("name: story\n", "policy.yaml:1: name: unknown key of a policy file; valid: recovery, tasks, queue, agents"),
        (
            "task_failure: {}\n",
            "policy.yaml:1: task_failure: unknown key of a policy file; valid: recovery.conditions.task",
        ),
        ("recovery: 3\n", "policy.yaml:1: recovery: 3 is not a mapping"),
        (
            "recovery:\n  conditions:\n    task: {}\n",
            "policy.yaml:3: recovery.conditions.task: unknown kind of failure; ",
        ),
        (
            "recovery:\n  conditions:\n    task_failure:\n      max_retry: 3\n",
            "policy.yaml:4: recovery.conditions.task_failure.max_retry: unknown key; ",
        ),
        (
            "recovery:\n  conditions:\n    task_failure:\n      max_retries: many\n",
            "policy.yaml:4: recovery.conditions.task_failure.max_retries: 'many' is not valid",
        ),
        (
            "recovery:\n  detection:\n    detektor: x\n",
            "policy.yaml:3: recovery.detection.detektor: ",
        ),
        ("tasks:\n  timeout: -3s\n", "policy.yaml:2: tasks.timeout: "),
        ("agents: {mtbf: 5m}\n", "policy.yaml:1: agents.mtbf: is no part of a policy; valid: count, prefetch, slots"),
    ],
)
def test_an_invalid_policy_file_is_refused_with_its_place(text, said):
    message = refusal(text)
    assert message.startswith(said)
    assert "\n" not in message


def test_a_missing_policy_file_is_refused():
    with pytest.raises(ScenarioError, match=r"none\.yaml: no such file; valid: a policy file"):
        load_policy(Path("none.yaml"))


PAGE = Path(scenarios.__file__).parent / "exchange" / "README.md"

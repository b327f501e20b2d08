"""Faults of the agents of one pool, and of the tasks of one kind."""

import pytest

import scenarios
from scenarios import ScenarioError
from scenarios.consistency.united import united_outages
from sim.reports.explained.explanation import explanation, injected
from sim.simulation import run

STORY = """\
name: fleet
duration: 100s
tasks:
  kinds:
  - {name: chat, arrivals: {interval: {every: 5s}}, work: 15s}
  - {name: report, arrivals: {interval: {every: 5s}}, work: 15s}
agents:
  pools: {gpu: {count: 4, takes: [report]}, cpu: {count: 6, takes: [chat]}}
"""
AGENT = {"gpu": range(4), "cpu": range(4, 10)}


def loaded(*faults: str) -> scenarios.Scenario:
    return scenarios.loads(STORY + "faults:\n" + "".join(f"- {fault}\n" for fault in faults), "fleet.yaml")


def struck(scenario: scenarios.Scenario, column: str) -> list[int]:
    history = run(scenario, seed=3).history
    return history[history.event == "fault.injected"][column].to_list()


@pytest.mark.parametrize(
    ("targets", "number"), [("{pool: cpu}", 6), ("{pool: cpu, count: 2}", 2), ("{pool: cpu, share: 50%}", 3)]
)
def test_a_fault_affects_only_agents_of_its_pool(targets, number):
    agents = struck(loaded(f"agent_hang: {{targets: {targets}, at: 50s, for: 1s}}"), "agent")
    assert len(agents) == len(set(agents)) == number
    assert set(agents) <= set(AGENT["cpu"])


def test_a_count_takes_agents_of_the_pool_that_are_up_first():
    crash = "agent_crash: {targets: {pool: gpu, count: 2}, at: %ss}"
    slow = "recovery: {detection: {heartbeat_interval: 1h}}\n"
    scenario = scenarios.loads(STORY + slow + f"faults:\n- {crash % 50}\n- {crash % 60}\n")
    assert sorted(struck(scenario, "agent")) == list(AGENT["gpu"])


@pytest.mark.parametrize(("targets", "number"), [("{kind: report}", 3), ("{kind: report, count: 1}", 1)])
def test_a_fault_affects_only_running_tasks_of_its_kind(targets, number):
    scenario = loaded(f"execution_failure: {{targets: {targets}, at: 52s}}")
    history = run(scenario, seed=3).history
    tasks = history[history.event == "fault.injected"].task.to_list()
    kinds = history[history.event == "task.submitted"].set_index("task").detail
    assert [kinds[task] for task in tasks] == ["report"] * number


def test_targets_of_a_pool_are_overridden_explained_and_united():
    hang = "agent_hang: {targets: {pool: gpu, count: 4}, at: %ss, for: 20s}"
    scenario = loaded(hang % 40, hang % 50, "poison_task: {targets: {kind: chat, share: 50%}, at: 90s}")
    assert type(scenario).model_validate(scenario.resolved()) == scenario
    assert scenario.with_values({"faults[0].targets.count": 1}).faults[0].targets.count == 1
    assert injected(scenario)[:2] == [
        "At 40s and 50s 4 agents of pool gpu hang for 20s.",
        "At 90s 50 % of the running tasks of kind chat turn out to kill whoever takes it.",
    ]
    assert [outage.target for outage in united_outages(scenario)] == [f"agent.{number}" for number in AGENT["gpu"]]
    assert explanation(loaded("agent_crash: {targets: {pool: gpu}, at: 50s}")).renderables  # a view lacks the pool


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("agent_crash: {targets: {pool: gpuu}, at: 1s}", "targets.pool: unknown pool 'gpuu'; .*nearest: 'gpu'"),
        ("agent_slow: {targets: {pool: gpu, count: 5}, factor: 2, at: 1s}", "targets.count: 5 exceeds .*: up to 4"),
        ("agent_crash: {targets: {kind: chat}, at: 1s}", "targets.kind: unknown key; known: pool, count, share"),
        ("execution_failure: {targets: {kind: chatt}, at: 1s}", "targets.kind: unknown kind 'chatt'; .*: 'chat'"),
        ("agent_crash: {targets: {pool: cpu, count: 1, share: 20%}, at: 1s}", "targets.share: is given as a count"),
        ("agent_crash: {targets: {pool: cpu, share: 120%}, at: 1s}", "targets.share: '120%' is not valid"),
        ("agent_crash: {targets: {count: 2}, at: 1s}", "targets.pool: is missing; it is required"),
        ("group: {at: 1s, faults: [{agent_hang: {targets: {pool: x}}}]}", r"faults\[0\].agent_hang.targets.pool: unk"),
    ],
)
def test_targets_of_a_part_are_refused_by_key(fault, message):
    with pytest.raises(ScenarioError, match=message):
        loaded(fault)

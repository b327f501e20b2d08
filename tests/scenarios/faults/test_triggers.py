"""Conditions that schedule faults: parsing and rejection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scenarios
from scenarios import ScenarioError
from scenarios.faults.trigger import Trigger, parse

STORY = """\
name: story
duration: 1h
tasks: {arrivals: {poisson: {rate: 2/s}}, work: 3s}
agents: {count: 10}
resources: {gpu: {units: 12}}
faults:
  - agent_hang: {at: 1m}
  - agent_slow: {factor: 2, at: 1m, for: 5s}
"""


def loaded(condition):
    return scenarios.loads(f"{STORY}  - agent_crash: {{when: {condition!r}}}\n", "story.yaml")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("queue.depth > 500", Trigger("queue.depth > 500", "queue.depth", ">", 500.0)),
        ("  agents.up<8 ", Trigger("agents.up < 8", "agents.up", "<", 8.0)),
        ("task.progress >= 50%", Trigger("task.progress >= 50%", "task.progress", ">=", 0.5)),
        ("task.progress > .25", Trigger("task.progress > .25", "task.progress", ">", 0.25)),
        (
            "resources.gpu.free == 0",
            Trigger("resources.gpu.free == 0", "resources.NAME.free", "==", 0.0, "gpu"),
        ),
        (
            "recovery.step == retry_task",
            Trigger("recovery.step == retry_task", "recovery.step", "==", "retry_task"),
        ),
        (
            "fault.agent_slow == cleared",
            Trigger("fault.agent_slow == cleared", "fault.KIND", "==", "cleared", "agent_slow"),
        ),
    ],
)
def test_a_condition_round_trips(text, read):
    scenario = loaded(text)
    assert scenario.faults[-1].when == read
    assert scenario.resolved()["faults"][-1]["agent_crash"]["when"] == read.expression
    assert parse(read.expression) == read


@given(st.sampled_from(["==", "!=", "<=", ">=", "<", ">"]), st.integers(0, 20), st.integers(0, 20))
def test_a_number_is_compared_with_the_operator(sign, bound, observed):
    expected = {
        "==": observed == bound,
        "!=": observed != bound,
        "<=": observed <= bound,
        ">=": observed >= bound,
        "<": observed < bound,
        ">": observed > bound,
    }
    assert parse(f"queue.depth {sign} {bound}").holds(observed) is expected[sign]


def test_a_step_is_not_a_number():
    with pytest.raises(TypeError, match=r"recovery\.step is not a quantity"):
        parse("recovery.step == retry_task").holds(1.0)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("queue.depth", "'queue.depth' is not a condition; valid: quantity operator value, as in queue.depth > 500"),
        ("queue.depth = 5", "unknown operator '='; valid: ==, !=, <=, >=, <, > (nearest: '==')"),
        ("queue.depth > -5", "queue.depth: '-5' is not valid; valid: a whole number, 0 or more"),
        ("queue.depth > 2.5", "queue.depth: '2.5' is not valid; valid: a whole number, 0 or more"),
        ("queue.depth > 5s", "queue.depth: '5s' is not valid; valid: a whole number, 0 or more"),
        (
            "queue.dept > 5",
            (
                "unknown quantity 'queue.dept'; valid: queue.depth, agents.up, tasks.submitted, tasks.completed, "
                "tasks.failed, recovery.open, resources.NAME.available, resources.NAME.free, task.progress, "
                "recovery.step, fault.KIND (nearest: 'queue.depth')"
            ),
        ),
        ("task.progress < 0.5", "task.progress only increases; valid: >, >="),
        (
            "task.progress > 1",
            "task.progress: '1' is not a fraction of the work; valid: from 0 to below 1, as in 50%",
        ),
        (
            "task.progress > 100%",
            "task.progress: '100%' is not a fraction of the work; valid: from 0 to below 1, as in 50%",
        ),
        ("recovery.step > retry_task", "recovery.step is not a number; valid: =="),
        ("resources.gpus.free == 0", "unknown resource 'gpus'; valid: gpu (nearest: 'gpu')"),
        (
            "fault.agent_slow == injectd",
            "fault.agent_slow: unknown 'injectd'; valid: injected, cleared (nearest: 'injected')",
        ),
        (
            "fault.agent_slo == cleared",
            "no other fault is 'agent_slo'; valid: agent_hang, agent_slow (nearest: 'agent_slow')",
        ),
        (
            "fault.agent_crash == injected",
            "no other fault is 'agent_crash'; valid: agent_hang, agent_slow (nearest: 'agent_slow')",
        ),
        ("fault.agent_hang == cleared", "agent_hang does not end by itself here; valid: injected"),
    ],
)
def test_an_invalid_condition_is_rejected_with_position_and_valid_values(condition, message):
    with pytest.raises(ScenarioError) as caught:
        loaded(condition)
    assert str(caught.value) == f"story.yaml:9: faults[2].agent_crash.when: {message}"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("retry_tsk", "recovery.step: unknown 'retry_tsk'; valid: "),
        ("check_logs", "check_logs is not a step of a recovery; "),
    ],
)
def test_an_unknown_step_is_rejected_with_the_valid_steps(step, message):
    with pytest.raises(ScenarioError) as caught:
        loaded(f"recovery.step == {step}")
    assert str(caught.value).startswith(f"story.yaml:9: faults[2].agent_crash.when: {message}")
    assert "restore_checkpoint" in str(caught.value)


def test_a_fault_condition_without_other_faults_is_rejected():
    alone = STORY.partition("faults:")[0] + "faults: [{agent_crash: {when: fault.partition == injected}}]\n"
    with pytest.raises(ScenarioError, match="valid: another fault, and there are none"):
        scenarios.loads(alone)
